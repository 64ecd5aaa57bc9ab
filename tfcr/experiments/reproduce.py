"""The main job in one call: prepare, train baseline and proposed method on the same folds, report, export."""

import os
import pathlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tfcr import runs
from tfcr.config import Config
from tfcr.dataset_info import Dataset
from tfcr.durations import duration
from tfcr.errors import TfcrError
from tfcr.experiments.cells import Cell, train_cells
from tfcr.report import Report, write_report

BASELINE, PROPOSED = 0.0, 0.1  # alpha; "selected as 0.1" (Sec. 4.3)
FOLDS = {
    # What is trained: protocol → folds. On IEMOCAP the text's ten folds, and the split of the printed figures.
    "iemocap": {"random": range(10), "authors": range(1)},
    None: {"random": range(3)},
}
_TYPICAL_EPOCHS = 25  # after how many early stopping ends a training on the corpora tried
_THREADS = 1  # two processes of one thread finish sooner than one of two


@dataclass(frozen=True)
class Reproduction:
    """What came of it."""

    report: Report
    export: pathlib.Path


def cells_of(dataset: Dataset, config: Config, out: pathlib.Path) -> list[Cell]:
    """Baseline and proposed method on the same folds."""
    cells = []
    for protocol, folds in FOLDS.get(dataset.info["corpus"], FOLDS[None]).items():
        for fold in folds:
            for alpha in (BASELINE, PROPOSED):
                cell = replace(config, protocol=protocol, fold=fold, alpha=alpha, threads=_THREADS)
                name = runs.default_folder(dataset.name, protocol, config.system, alpha, fold, config.seed).name
                cells.append(Cell(cell, dataset.folder, out / "runs" / dataset.name / name))
    return cells


def reproduce(
    dataset: Dataset,
    config: Config,
    out: pathlib.Path,
    say: Callable[[str], None],
    prepare_process: Callable[[], None] = lambda: None,
    workers: int | None = None,
) -> Reproduction:
    """Trains, reports and exports; what an earlier call finished is kept.

    Args:
        out: the folder that `runs`, `report` and `serving` go to.
        say: takes a sentence for the user.
        workers: trainings at a time; by default as many as there are cores.

    Raises:
        TfcrError: a training failed; the others are kept.
    """
    from tfcr.serving.export import export_run

    cells = cells_of(dataset, config, out)
    workers = workers or os.cpu_count() or 1
    missing = [cell for cell in cells if not cell.is_done]
    if missing:
        say(_forecast(dataset, missing, workers))
    _train_all(cells, workers, say, prepare_process)
    finished = [runs.open_run(cell.run) for cell in cells]
    report = write_report(finished, out / "report")
    proposed = next(run for run in finished if run.metrics["alpha"] == PROPOSED)
    return Reproduction(report, export_run(proposed, out / "serving" / "tfcr"))


def _train_all(
    cells: Sequence[Cell], workers: int, say: Callable[[str], None], prepare_process: Callable[[], None]
) -> None:
    began, failures = time.monotonic(), []
    ahead = sum(not cell.is_done for cell in cells)
    trained = 0
    for done, (cell, failure) in enumerate(train_cells(cells, workers, prepare_process), start=1):
        trained += done > len(cells) - ahead
        left = (time.monotonic() - began) / max(trained, 1) * (len(cells) - done)
        if failure:
            failures.append(f"{cell.run}: {failure}")
            say(f"{done} of {len(cells)}: {cell.run} failed: {failure}")
            continue
        test = runs.open_run(cell.run).metrics["test"]
        say(
            f"{done} of {len(cells)} trained: {cell.run.name}, WA {100 * test['wa']:.2f} %, "
            f"UA {100 * test['ua']:.2f} %; about {duration(left)} left"
        )
    if failures:
        raise TfcrError(f"{len(failures)} of {len(cells)} trainings failed; the first: {failures[0]}")


def _forecast(dataset: Dataset, missing: Sequence[Cell], workers: int) -> str:
    """How long the trainings will take, from a few timed steps."""
    from tfcr.training.train import plan, seconds_per_epoch

    config = missing[0].config
    epoch = seconds_per_epoch(plan(config, dataset.folder))
    rounds = -(-len(missing) // workers)
    typical, most = (
        duration(epoch * rounds * min(epochs, config.epochs)) for epochs in (_TYPICAL_EPOCHS, config.epochs)
    )
    return (
        f"{len(missing)} trainings, {min(workers, len(missing))} at a time: about {typical} if they stop after "
        f"{_TYPICAL_EPOCHS} epochs, at most {most}"
    )
