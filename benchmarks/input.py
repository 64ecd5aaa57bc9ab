"""The input pipeline beside the training step that it feeds: segments from TFRecords on one core, shuffled.

    python benchmarks/input.py

A process on one core reads whole epochs, the filling of the shuffle included, from files that the system has in its
cache; the training step has both cores. They take turns. A second process reads a corpus four times as large, for the
memory.
"""

import contextlib
import pathlib
import subprocess
import sys
import tempfile

import measuring
import training_step
from input_process import BATCH, SHUFFLE
from measuring import Row, interleaved, rows_of

SECTION = "Input pipeline"
INPUT = f"{BATCH} segments from TFRecords on one core, shuffle of {SHUFFLE:,}"
SMALL, LARGE = 1200, 4800  # utterances; the smaller one fills the shuffle too


def measure(quick: bool = False) -> list[Row]:
    """Milliseconds of a batch and of a step, and megabytes of a process that reads."""
    training_step.prepare_tensorflow()
    import made_up_dataset

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        readers = {
            count: stack.enter_context(Reader(made_up_dataset.write(pathlib.Path(folder, f"d{count}"), count).folder))
            for count in (SMALL, LARGE)
        }
        names = (training_step.OURS, training_step.OURS_BFLOAT16)
        calls = {name: training_step._turn(training_step.variants()[name]()) for name in names}
        seconds = interleaved({INPUT: readers[SMALL].epoch, **calls}, 3 if quick else 12)
        readers[LARGE].epoch()
        peaks = {count: reader.peak() for count, reader in readers.items()}
    return [*_rows(seconds, names, readers[SMALL].batches), *_memory(peaks)]


class Reader:
    """A process that reads epochs of a dataset; a context in which it lives."""

    def __init__(self, folder: pathlib.Path):
        script = pathlib.Path(__file__).with_name("input_process.py")
        self._process = subprocess.Popen(
            [sys.executable, script, folder, "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{script.name} did not start; what it said stands above")

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def epoch(self) -> None:
        """Reads an epoch, of so many `batches`."""
        print(file=self._process.stdin, flush=True)
        self.batches = int(self._process.stdout.readline())

    def peak(self) -> float:
        """Ends the process; the peak of its resident memory in MB."""
        self._process.stdin.close()
        return int(self._process.stdout.readline()) / 1e6


def _rows(seconds, names, batches):
    """Rows of a batch beside each of the steps."""
    one = {INPUT: seconds[INPUT] / batches, **{name: seconds[name] / training_step.STEPS for name in names}}
    steps = {f"training step of {BATCH}, {name}, {training_step.THREADS} threads": one[name] for name in names}
    rows = rows_of(SECTION, steps)
    for step in steps:
        rows += rows_of(SECTION, {_beside(step): one[INPUT], step: steps[step]}, {_beside(step): (step, "≥ 3")})[:1]
    return rows


def _beside(step):
    return f"{INPUT}, beside {'bfloat16' if 'bfloat16' in step else 'float32'}"


def _memory(peaks):
    names = {count: f"peak memory of reading {count:,} utterances" for count in peaks}
    ratio = peaks[LARGE] / peaks[SMALL]
    return [
        Row(SECTION, names[SMALL], peaks[SMALL], "MB"),
        Row(SECTION, names[LARGE], peaks[LARGE], "MB", names[SMALL], ratio, "≤ 1.1"),
    ]


command = measuring.command(measure)

if __name__ == "__main__":
    command()
