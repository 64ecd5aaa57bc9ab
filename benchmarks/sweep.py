"""Sweeps: two single-threaded workers beside one cell after another on both cores, and what a cell costs beside epochs.

    python benchmarks/sweep.py

Two cells train on a small made-up corpus, by two workers of one thread and then by one worker of two threads, in turns;
their epochs are compared, so that the start, which a small corpus would exaggerate, is left out. What a cell costs
beside its epochs (start, imports, checking and reading the data, tracing, the test at the end) is measured at two sizes
of the corpus, twice in turns, and each time continued as a straight line to IEMOCAP's size: four times as far as the
sizes are apart, so that an error of a second at the larger size is one of four seconds there.
"""

import csv
import pathlib
import sys
import tempfile
from collections.abc import Mapping

import made_up_dataset
import measuring
import numpy as np
from measuring import Row, timed_process

SECTION = "Sweeps"
UTTERANCES = 300  # of the cells that are compared
SIZES = 200, 1200  # of those whose cost beside epochs is measured
EPOCHS = 10  # of the cell that it is a share of
SEQUENTIAL = "an epoch of two cells, one after the other, 2 threads"
WORKERS = "an epoch of two cells, two workers of 1 thread"
CELL = f"a cell of {EPOCHS} epochs at IEMOCAP's size, 1 thread, continued"
BESIDE = "of that, all but the epochs"
_TFCR = [sys.executable, "-c", "from tfcr.cli import main; main()"]


def measure(quick: bool = False) -> list[Row]:
    """Seconds of epochs and cells."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        return [*_throughput(folder, rounds=1 if quick else 2, epochs=3 if quick else 8), *_overhead(folder, quick)]


def _throughput(folder: pathlib.Path, rounds: int, epochs: int) -> list[Row]:
    """Two workers against both cores, each first in turn."""
    data = made_up_dataset.write(folder / "compared", UTTERANCES).folder
    parallel, sequential = [], []
    for number in range(rounds):
        order = ((2, 1, parallel), (1, 2, sequential))
        for workers, threads, found in order if number % 2 == 0 else reversed(order):
            out = folder / f"{workers}-{number}"
            timed_process(
                [
                    *(*_TFCR, "sweep", "--data", data, "--alphas", "0.1", "--folds", "0-1", "--epochs", str(epochs)),
                    *("--workers", str(workers), "--threads", str(threads), "--out", out, "--no-report"),
                ],
                cwd=folder,
            )
            found.append([seconds_of_epochs(run.parent) for run in sorted(out.rglob("metrics.json"))])
    # The first epoch traces; the last ones of two workers may find the other at its test.
    middle = slice(1, -1 if epochs > 3 else None)
    together = np.array([[cell[middle] for cell in cells] for cells in parallel]).mean(axis=1)  # [rounds, epochs]
    apart = np.array([[cell[middle] for cell in cells] for cells in sequential]).sum(axis=1)
    times = {SEQUENTIAL: apart.ravel(), WORKERS: together.ravel()}
    return measuring.rows_of(SECTION, times, {WORKERS: (SEQUENTIAL, "≥ 1.2")}, scale=1, unit="s")


def _overhead(folder: pathlib.Path, quick: bool) -> list[Row]:
    """A ten-epoch cell at IEMOCAP's size, and the share of it that no epoch needs."""
    data = {size: made_up_dataset.write(folder / f"c{size}", size).folder for size in SIZES}
    found = {size: [] for size in SIZES}
    for number in range(1 if quick else 2):
        for size in SIZES if number % 2 == 0 else reversed(SIZES):
            found[size].append(cell(data[size], folder / f"run-{size}-{number}", epochs=2 if quick else 3))
    found = {size: np.array(some) for size, some in found.items()}  # [rounds, 2]
    epoch, beside = (continued({size: some[:, which] for size, some in found.items()}) for which in (0, 1))
    times = {f"beside epochs, a cell of {size} utterances": some[:, 1] for size, some in found.items()}
    times |= {CELL: beside + EPOCHS * epoch, BESIDE: beside}
    return measuring.rows_of(SECTION, times, {BESIDE: (CELL, "≤ 0.2")}, scale=1, unit="s", reads=measuring.TIME)


def cell(data: pathlib.Path, run: pathlib.Path, epochs: int) -> tuple[float, float]:
    """Seconds of an epoch, and of everything else, of a cell on one thread in a process of its own."""
    options = ["--data", data, "--alpha", "0.1", "--threads", "1", "--epochs", str(epochs), "--run", run]
    seconds, _ = timed_process([*_TFCR, "train", *options], cwd=run.parent)
    epoch = float(np.median(seconds_of_epochs(run)[1:]))  # what the first one traces belongs to the rest
    return epoch, seconds - epochs * epoch


def continued(values: Mapping[int, np.ndarray]) -> np.ndarray:
    """The straight line through the values of two sizes, at IEMOCAP's size; of each round."""
    (small, low), (large, high) = values.items()
    return low + (high - low) * (made_up_dataset.UTTERANCES - small) / (large - small)


def seconds_of_epochs(run: pathlib.Path) -> list[float]:
    """Of a run, as it wrote them."""
    with open(run / "history.csv", newline="", encoding="utf-8") as file:
        return [float(row["seconds"]) for row in csv.DictReader(file)]


command = measuring.command(measure)

if __name__ == "__main__":
    command()
