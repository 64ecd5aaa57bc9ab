"""The input pipeline beside the training step that it feeds: segments from TFRecords on one core, shuffled.

    python benchmarks/input.py

A process on one core reads whole epochs, the filling of the shuffle included, from files that the system has in its
cache; the training step has both cores. They take turns. For the memory, two further processes read the same number of
batches from this corpus and from one four times as large.
"""

import contextlib
import pathlib
import subprocess
import sys
import tempfile

import measuring
import training_step
from input_process import BATCH, SHUFFLE
from measuring import Row, interleaved, rows_of, timed_process

SECTION = "Input pipeline"
INPUT = f"{BATCH} segments from TFRecords on one core, shuffle of {SHUFFLE:,}"
SMALL, LARGE = 1200, 4800  # utterances; the smaller one fills the shuffle too
BATCHES = 360  # that are read for the memory: almost an epoch of the larger corpus, almost four of the smaller one
_SCRIPT = pathlib.Path(__file__).with_name("input_process.py")


def measure(quick: bool = False) -> list[Row]:
    """Milliseconds of a batch and of a step, and megabytes of a process that reads."""
    training_step.prepare_tensorflow()
    import made_up_dataset

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        data = {n: made_up_dataset.write(pathlib.Path(folder, f"d{n}"), n).folder for n in (SMALL, LARGE)}
        peaks = {n: _peak(data[n], 40 if quick else BATCHES) for n in data}
        reader = stack.enter_context(Reader(data[SMALL]))
        names = (training_step.OURS, training_step.OURS_BFLOAT16)
        calls = {name: training_step._turn(training_step.variants()[name]()) for name in names}
        seconds = interleaved({INPUT: reader.epoch, **calls}, 3 if quick else 12)
    return [*_rows(seconds, names, reader.batches), *_memory(peaks)]


class Reader:
    """A process that reads epochs of a dataset; a context in which it lives."""

    def __init__(self, folder: pathlib.Path):
        self._process = subprocess.Popen(
            [sys.executable, _SCRIPT, folder, "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{_SCRIPT.name} did not start; what it said stands above")

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


def _peak(folder, batches):
    """The peak of the resident memory in MB of a process that reads so many batches."""
    _, peak = timed_process([sys.executable, _SCRIPT, folder, "1", str(batches)])
    return peak / 1e6


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
        Row(SECTION, names[LARGE], peaks[LARGE], "MB", names[SMALL], ratio, "≤ 1.1", reads=measuring.MEMORY),
    ]


command = measuring.command(measure)

if __name__ == "__main__":
    command()
