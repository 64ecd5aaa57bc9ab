"""`tfcr sweep`, and what `tfcr cross-validate` shares with it."""

import pathlib
import typing
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import click
from click.core import ParameterSource

from tfcr import protocols
from tfcr.cli.backends import BACKEND_OPTIONS, backend_options, check_backend, open_backend, results_alone
from tfcr.cli.options import (
    PATH,
    Names,
    Numbers,
    Shard,
    config_option,
    fields_of_config,
    own_features_options,
    refuse_other_preparation,
    say_coverage,
    say_departures,
)
from tfcr.cli.splits import split_file_of, split_options
from tfcr.config import FIELDS, Config, Precision, from_mapping
from tfcr.errors import TfcrError, UsageError
from tfcr.experiments.ranges import decimals, whole_numbers
from tfcr.wording import counted

_SHARED_OPTIONS = (
    click.option(
        "--data",
        type=PATH,
        multiple=True,
        help="A prepared dataset; again for several, each of which is trained on, and tested on the others.  "
        "[default: the one under data/ that was prepared last]",
    ),
    click.option(
        "--protocol",
        type=click.Choice(protocols.names()),
        help="How folds are drawn.  [default: random, or the preset's]",
    ),
    split_options,
    click.option("--folds", type=Numbers("N,N-N|all", whole_numbers, "all"), help="From 0.  [default: all]"),
    click.option("--seeds", type=Numbers("N,N-N", whole_numbers), help="Of the trainings.  [default: 0]"),
    own_features_options,
    click.option("--fold-seed", type=click.IntRange(0), help="Draws the folds, and nothing else.  [default: 0]"),
    click.option(
        "--epochs",
        type=click.IntRange(1),
        help="At most, of each training.  [default: 100, or the system's or the preset's]",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(1),
        help="Examples, that is segments.  [default: 64, or the system's or the preset's]",
    ),
    click.option("--precision", type=click.Choice(typing.get_args(Precision)), help="[default: float32]"),
    click.option("--threads", type=click.IntRange(1), help="Of each training; changes no bit.  [default: 1]"),
    click.option(
        "--workers",
        type=click.IntRange(1),
        help="Trainings at a time; changes no bit.  [default: the cores; four for each GPU]",
    ),
    backend_options,
    click.option("--shard", type=Shard(), help="The I-th of N parts of the trainings, say, for a job array: 1/4."),
    click.option("--out", type=PATH, help="Where the runs go.  [default: sweeps/<dataset>]"),
    click.option("--report", type=PATH, help="The report's folder.  [default: report/<dataset>]"),
    click.option("--no-report", is_flag=True, help="Train only."),
    click.option("--dry-run", is_flag=True, help="List the trainings and what is missing of them; train nothing."),
    config_option,
)


def shared_options(command: Callable) -> Callable:
    """Everything but systems and alphas."""
    for option in reversed(_SHARED_OPTIONS):
        command = option(command)
    return command


@click.command("sweep")
@click.option("--systems", type=Names(), help="With commas between them.  [default: fusion]")
@click.option(
    "--alphas",
    type=Numbers("A,A:A:STEP", decimals),
    help="Weights of the regulariser; systems without one take 0.  [default: 0,0.1]",
)
@shared_options
@click.pass_context
def command(context, systems, alphas, **options):
    """Train and test systems × alphas × folds × seeds, and report.

    The same command again does what is missing; several at a time, on one machine or many, share the work.
    Numbers are listed with commas or as ranges that include their end: --folds 0-4, --alphas 0:1:0.1.
    """
    _refuse_single(context, {"system": systems, "alpha": alphas})
    axes = {"systems": systems, "alphas": alphas}
    run(context, lambda: {name: values for name, values in axes.items() if values is not None}, options)


def run(context: click.Context, axes: Callable[[], Mapping[str, Any]], options: dict) -> None:
    """Sweeps, and prints what came of it.

    Args:
        axes: gives systems and alphas; called once TensorFlow may be imported.
        options: those of `shared_options`.
    """
    folds, seeds, data, split = (options.pop(name) for name in ("folds", "seeds", "data", "split"))
    out, report, workers = options.pop("out"), options.pop("report"), options.pop("workers")
    shard, dry_run = options.pop("shard") or (1, 1), options.pop("dry_run")
    backend = {name: options.pop(name) for name in BACKEND_OPTIONS}
    check_backend(context)
    wants_report = not _no_report_is_meant(context, options.pop("no_report"))
    _refuse_single(context, {"fold": folds, "seed": seeds})
    fields = {name: value for name, value in fields_of_config(context).items() if name in FIELDS}
    fields |= {name: value for name, value in options.items() if value is not None}
    split_file = split_file_of(context, fields, split)
    from_mapping(fields)  # wrong usage is said before anything is read

    from tfcr.cli.display import say
    from tfcr.cli.tensorflow import import_quietly

    datasets = [_open(context, each, say) for each in data or [None]]
    import_quietly()
    from tfcr.experiments.cross_corpus import check_comparable, evaluate_across, shared_recordings_note
    from tfcr.experiments.sweep import THREADS, Sweep, states
    from tfcr.report import write_cross_corpus

    further = {} if seeds is None else {"seeds": seeds}
    fields = {"threads": THREADS, **fields}
    further |= {"folds": None if folds == "all" else folds, "split_file": split_file}
    across = len(datasets) > 1

    def place(given: pathlib.Path | None, default: str, dataset) -> pathlib.Path:
        return (given or pathlib.Path(default)) / dataset.name if across or given is None else given

    sweeps = [Sweep(each, fields, place(out, "sweeps", each), **axes(), **further) for each in datasets]
    say_departures(context, dict.fromkeys(sweeps[0].systems), sweeps[0].config.preset, say)
    listed = [states(sweep, shard) for sweep in sweeps]
    shared = check_comparable(sweeps) if across else []
    if across:
        say(f"{len(shared)} classes are shared, and tested across datasets: {', '.join(shared)}")
        if note := shared_recordings_note(datasets):
            say(f"Warning: {note}")
    if dry_run:
        _print_states([state for states_of_one in listed for state in states_of_one], say)
        return

    ends = []
    for sweep, its_states in zip(sweeps, listed, strict=True):
        its_report = place(report, "report", sweep.dataset) if wants_report else None
        ends.append(_train(sweep, [cell for cell, _ in its_states], workers, shard, its_report, backend))
        _print_end(ends[-1], sweep.out, wants_report, shard != (1, 1), say)
    _raise_failures(ends, sum(map(len, listed)))
    if across and wants_report and not any(swept.missing for swept in ends):
        written = write_cross_corpus(evaluate_across(sweeps, shared, say), shared, report or pathlib.Path("report"))
        click.echo(written.summary)
        for path in written.tables:
            click.echo(path)


def _train(sweep, cells, workers: int | None, shard: tuple[int, int], report: pathlib.Path | None, backend: dict):
    """Trains what is missing of one dataset's sweep."""
    from tfcr.cli.display import CellsProgress
    from tfcr.cli.tensorflow import import_quietly
    from tfcr.experiments.sweep import run_sweep
    from tfcr.runs import HISTORY

    progress = CellsProgress([cell.run / HISTORY for cell in cells])
    try:
        with results_alone():
            return run_sweep(
                *(sweep, workers, shard, report, progress.say, progress.ended, import_quietly, progress.on_epoch),
                open_backend(**backend),
            )
    finally:
        progress.stop()


def _open(context: click.Context, data: pathlib.Path | None, say: Callable[[str], None]):
    """The dataset that was named, or the one prepared last; it is as the configuration says, where that says it."""
    from tfcr.dataset_info import latest_dataset, open_dataset

    if data is None:
        data = latest_dataset()
        say(f"Dataset {data}, the one prepared last")
    dataset = open_dataset(data)
    refuse_other_preparation(context, dataset)
    say_coverage(dataset, say)
    return dataset


def _print_states(listed, say: Callable[[str], None]) -> None:
    for cell, state in listed:
        click.echo(f"{state:7}  {cell.run}")
    counts = Counter(state for _, state in listed)
    say(
        f"{counted(len(listed), 'training')}: "
        + ", ".join(f"{counts[name]} {name}" for name in ("done", "begun", "missing"))
    )


def _print_end(swept, out: pathlib.Path, wants_report: bool, in_shards: bool, say: Callable[[str], None]) -> None:
    for folder in swept.elsewhere:
        say(f"in work elsewhere: {folder}")
    for folder, failure in swept.failures.items():
        say(f"failed: {folder}: {failure}")
    if swept.failures:
        return
    if swept.missing and wants_report:
        which = ": the last shard, or the same command without --shard" if in_shards else ""
        reports = f"the command that finds all of them reports{which}"
        say(f"{swept.missing} trainings of the whole are not there yet; {reports}")
    if swept.report is not None:
        click.echo(swept.report.summary)
        click.echo(swept.report.page)
    else:
        click.echo(out)


def _raise_failures(ends, count: int) -> None:
    failed = [folder.name for swept in ends for folder in swept.failures]
    if failed:
        raise TfcrError(
            f"{len(failed)} of {count} trainings failed: {', '.join(failed)}; the same command tries them again"
        )


def _no_report_is_meant(context: click.Context, no_report: bool) -> bool:
    """A `no_report` of the file yields to a `--report` of the command line."""
    typed = {
        name for name in ("report", "no_report") if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    return no_report and typed != {"report"}


def _refuse_single(context: click.Context, given: Mapping[str, Any]) -> None:
    """A file that serves `tfcr train` may say one system, alpha, fold or seed; a sweep would not look at it."""
    fields = fields_of_config(context)
    for name, values in given.items():
        if values is None and fields.get(name, getattr(Config(), name)) != getattr(Config(), name):
            raise UsageError(
                f"the configuration has {name}: {fields[name]!r}, and {context.command.name} takes several; "
                f"write {name}s: {fields[name]}"
            )
