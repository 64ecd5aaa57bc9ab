"""The paper's own motive, measured: baseline, regulariser, training under noise and both, at every grade of noise.

    python benchmarks/noise_study.py data/synthetic --root corpora/synthetic --folds 0-2 --seeds 0-4
    python benchmarks/noise_study.py data/emodb --root corpora/emodb --protocol speaker --folds 0-9 --seeds 0-4

Every model is trained once and tested under all noise once; the same command goes on where it was cut off, down to the
grade. Folds are outermost within a seed, so that what is there after each fold can be compared: all four are trained on
the same folds and seeds. The table at the end is of what there is so far, and says how much of the whole that is.
"""

import pathlib
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import click

CONDITIONS = {  # name → what of the configuration makes it
    "baseline": {"alpha": 0.0},
    "regularised": {"alpha": 0.1},
    "noise-trained": {"alpha": 0.0, "noise": {}},
    "both": {"alpha": 0.1, "noise": {}},
}


@dataclass(frozen=True)
class Cell:
    """One model of the study."""

    condition: str
    fold: int
    seed: int


def cells(folds: Iterable[int], seeds: Iterable[int]) -> Iterator[Cell]:
    """All models, in the order in which a part of them is useful: fold after fold with every condition."""
    folds = list(folds)
    for seed in seeds:
        for fold in folds:
            for condition in CONDITIONS:
                yield Cell(condition, fold, seed)


@click.command(help=__doc__.partition("\n\n")[0])
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=pathlib.Path))
@click.option("--root", type=click.Path(path_type=pathlib.Path), help="Of the corpus, to add noise to its recordings.")
@click.option("--protocol", default="random", show_default=True)
@click.option("--folds", default="0-2", show_default=True)
@click.option("--seeds", default="0-4", show_default=True)
@click.option("--out", default="noise-study", show_default=True, type=click.Path(path_type=pathlib.Path))
@click.option("--config", type=click.Path(path_type=pathlib.Path), help="A YAML file of what all models share.")
@click.option("--report-only", is_flag=True, help="Train and test nothing; report what is there.")
def command(data, root, protocol, folds, seeds, out, config, report_only):
    from tfcr import runs
    from tfcr.config import read_yaml
    from tfcr.dataset_info import open_dataset
    from tfcr.experiments.ranges import whole_numbers
    from tfcr.report import write_report

    dataset = open_dataset(data)
    wanted = list(cells(whole_numbers("--folds", folds), whole_numbers("--seeds", seeds)))
    shared = {"protocol": protocol, "threads": 1, **(read_yaml(config) if config else {})}
    folder_of = {cell: _experiment(cell, data, shared, out / dataset.name) for cell in wanted}
    for number, (experiment, run) in enumerate(() if report_only else folder_of.values(), start=1):
        begin = time.process_time()
        figures = _tested(experiment, run, root)
        seconds = time.process_time() - begin
        worst = ", ".join(f"{grade} {100 * figures[grade]['wa']:.1f}" for grade in ("clean", "white-0", "babble-0"))
        print(f"{number}/{len(wanted)} {run.name}: WA {worst}; {seconds:.0f} s", file=sys.stderr, flush=True)
    there = [run for _, run in folder_of.values() if (run / runs.METRICS).is_file() and _is_tested(run)]
    click.echo(f"{len(there)} of {len(wanted)} models have been trained and tested under noise")
    if there:
        report = write_report([runs.open_run(run) for run in there], out / "report" / dataset.name)
        hours = sum(runs.open_run(run).metrics["seconds"] for run in there) / 3600
        click.echo(f"Their training took {hours:.1f} hours\n")
        click.echo((report.page.parent / "noise.md").read_text(encoding="utf-8"))
        click.echo(report.page)


def _experiment(cell: Cell, data: pathlib.Path, shared: dict, out: pathlib.Path):
    """What a model is trained by, and its run's folder."""
    from tfcr.config import from_mapping
    from tfcr.training.experiment import plan

    settings = {"fold": cell.fold, "seed": cell.seed, **CONDITIONS[cell.condition]}
    experiment = plan(from_mapping({**shared, **settings}), data)
    return experiment, out / experiment.folder.name


def _tested(experiment, run: pathlib.Path, root: pathlib.Path | None) -> dict:
    """The figures of a model at every grade; what of it is there already is kept."""
    import keras

    from tfcr.training.evaluate_noise import evaluate_noise
    from tfcr.training.train import train_fold

    try:
        return evaluate_noise(train_fold(experiment, run), experiment.dataset.folder, root).figures
    finally:
        keras.backend.clear_session()


def _is_tested(run: pathlib.Path) -> bool:
    """Whether the model has heard every grade, and not only those before the study was cut off."""
    from tfcr.noise.grades import grades
    from tfcr.noise.results import read_noise

    results = read_noise(run)
    return results is not None and all(grade.name in results.by_grade for grade in grades())


if __name__ == "__main__":
    from tfcr.cli.tensorflow import import_quietly

    import_quietly()
    command()
