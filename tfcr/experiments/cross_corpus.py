"""Cross-corpus: every dataset's runs tested on every other dataset, on the classes that all of them have."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tfcr import files, runs
from tfcr.dataset_info import Dataset
from tfcr.errors import TfcrError, UsageError
from tfcr.experiments.cells import nothing
from tfcr.experiments.sweep import Sweep
from tfcr.models.systems import on_dataset, resolve, sizes_of, system
from tfcr.training import comparable, runtime
from tfcr.training.experiment import read_run_config
from tfcr.wording import counted

if TYPE_CHECKING:
    from tfcr.training.evaluate_run import Evaluation


def check_comparable(sweeps: Sequence[Sweep]) -> list[str]:
    """The classes that all datasets of some sweeps share, before anything is trained.

    Raises:
        UsageError: two datasets are the same, or have one name, by which their runs' folders are told apart.
        TfcrError: they share fewer than two classes, or a system's features mean something else on another dataset.
    """
    datasets = [sweep.dataset for sweep in sweeps]
    for what, values, remedy in (
        ("have the SHA-256", [dataset.sha256 for dataset in datasets], "they are one; leave all but one out"),
        ("are called", [dataset.name for dataset in datasets], "prepare all but one under another --name"),
    ):
        if repeated := sorted({value for value in values if values.count(value) > 1}):
            raise UsageError(f"several datasets {what} {repeated[0]!r}; {remedy}")
    first, *others = datasets
    shared = comparable.shared_emotions(f"dataset {first.folder}", first.emotions, others)
    for sweep in sweeps:
        for name in sweep.systems:
            _refuse_unlike(sweep, name, [dataset for dataset in datasets if dataset is not sweep.dataset])
    return shared


def shared_recordings_note(datasets: Sequence[Dataset]) -> str | None:
    """A sentence on recordings that stand in several datasets; None without any."""
    found = {dataset.name: {row.recording for row in dataset.index} for dataset in datasets}
    shared = [
        f"{count:,} of {one} and {other}"
        for one, other in itertools.combinations(found, 2)
        if (count := len(found[one] & found[other]))
    ]
    if not shared:
        return None
    return (
        f"datasets share recordings: {', '.join(shared)}; those that a run was trained or stopped by are left out of "
        "its tests"
    )


def evaluate_across(
    sweeps: Sequence[Sweep], emotions: Sequence[str], say: Callable[[str], None] = nothing
) -> Mapping[str, list[runs.Run]]:
    """Tests the finished runs of each sweep on the other sweeps' datasets, and gives them by their dataset's name.

    What has been tested is not tested again.

    Args:
        emotions: the classes to test, of `check_comparable`.
        say: takes a sentence for the user.

    Raises:
        TfcrError: a run is broken.
    """
    found = {sweep.dataset.name: [runs.open_run(cell.run) for cell in sweep.cells()] for sweep in sweeps}
    wanted = [
        (run, sweep.dataset)
        for trained_on, some in found.items()
        for run in some
        for sweep in sweeps
        if sweep.dataset.name != trained_on
    ]
    for number, (run, dataset) in enumerate(wanted, start=1):
        if not _is_tested(run, dataset, emotions):
            tested = _test(run, dataset, emotions)
            measures = f"WA {100 * tested.figures['wa']:.2f} %, UA {100 * tested.figures['ua']:.2f} %"
            heard = f"; {counted(tested.left_out, 'utterance')} left out" if tested.left_out else ""
            say(f"{number} of {len(wanted)} tested: {run.folder} on {dataset.name}, {measures}{heard}")
    return found


def _test(run: runs.Run, dataset: Dataset, emotions: Sequence[str]) -> "Evaluation":
    import keras

    from tfcr.training.evaluate_run import evaluate_run

    try:
        return evaluate_run(run, dataset.folder, emotions=emotions)
    finally:
        keras.utils.clear_session()  # a hundred networks need no more memory than one


def _is_tested(run: runs.Run, dataset: Dataset, emotions: Sequence[str]) -> bool:
    try:
        found = files.read_json(runs.evaluation_folder(run, dataset.name) / runs.METRICS)
    except TfcrError:
        return False
    expected = {
        "dataset_sha256": dataset.sha256,
        "features_sha256": on_dataset(read_run_config(run.folder), dataset).features_sha256,
        "emotions": list(emotions),
        "weights_sha256": run.metrics.get("weights_sha256"),
    }
    return expected.items() <= found.items()


def _refuse_unlike(sweep: Sweep, name: str, others: Sequence[Dataset]) -> None:
    """Refuses datasets that a system trained on a sweep's cannot be tested on."""
    config, dataset = resolve(sweep.config_of(name)), sweep.dataset
    runtime.configure(config.threads, config.op_threads)
    trained_as, recorded = f"a network of {dataset.folder}", comparable.features_recorded(config, dataset)
    inputs = system(name).build(config, len(dataset.emotions), sizes_of(config, dataset)).input
    for other in others:
        comparable.refuse_unlike(trained_as, recorded, config, other)
        if "embeddings" in inputs:
            comparable.refuse_other_words(trained_as, recorded, other)
