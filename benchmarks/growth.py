"""How time and memory of preparation, an epoch, an evaluation and a report grow with the corpus.

    python benchmarks/growth.py --full

Synthetic corpora of three sizes, the largest 16 times the smallest; 1× are 1,200 utterances. Every command runs in a
process of its own, whose peak of resident memory the kernel tells. Where time is linear, a further utterance takes as
long from the middle to the largest size as from the smallest to the middle: that is the ratio of a time, which what a
command costs at any size does not enter. The ratio of a memory is that of the largest to the middle size.
Goals are set for `--full` alone: in smaller corpora what a command keeps at any size still counts for much.
"""

import csv
import pathlib
import shutil
import sys
import tempfile

import click
import measuring
from measuring import Row, timed_process

UTTERANCES = 1200  # at 1×
SIZES = {"quick": (1 / 24, 1 / 12, 1 / 6), "default": (1 / 8, 1 / 2, 2), "full": (1, 4, 16)}
FURTHER = "the time for a further utterance"
LINEAR, FLAT = "≤ 1.2", "≤ 1.2"
_VISIBLE = 0.1  # of the time at the smallest size: what the middle must take more, else its start hides the growth
STAGES = ("preparation", "one training epoch", "evaluation", "report")
_TFCR = [sys.executable, "-c", "from tfcr.cli import main; main()"]


def measure(quick: bool = False, full: bool = False) -> list[Row]:
    """Seconds and megabytes of every stage at every size.

    Args:
        quick: corpora so small that only the way is shown.
        full: 1×, 4× and 16×, which takes a quarter of an hour; else an eighth of it.
    """
    sizes = SIZES["quick" if quick else "full" if full else "default"]
    found = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            click.echo(f"{printed(size)}: {utterances(size)} utterances", err=True)
            found[size] = _stages(pathlib.Path(folder), utterances(size))
    return rows(found, with_goals=full)


def utterances(size: float) -> int:
    """Of a corpus."""
    return round(UTTERANCES * size)


def printed(size: float) -> str:
    """`4×`, or `1/8×`."""
    return f"{size:.0f}×" if size >= 1 else f"1/{1 / size:.0f}×"


def write_corpus(folder: pathlib.Path, count: int) -> pathlib.Path:
    """A synthetic corpus of so many utterances; returns its folder. Its making is not timed."""
    from tfcr.corpora import synthetic

    synthetic.read(folder / "corpus", utterances=count)
    return folder / "corpus"


def _stages(folder: pathlib.Path, count: int) -> dict[str, tuple[float, float]]:
    """Stage → seconds and bytes."""
    corpus, data, run = write_corpus(folder, count), folder / "data", folder / "run"
    of_corpus = ["--corpus", "synthetic", "--root", corpus, "--utterances", str(count)]
    found = {
        "preparation": timed_process(
            [*_TFCR, "prepare-tfrecords", *of_corpus, "--features", "spectrogram", "--out", data]
        )
    }
    shutil.rmtree(corpus)
    _, peak = timed_process([*_TFCR, "train", "--data", data, "--epochs", "1", "--run", run])
    found["one training epoch"] = _epoch_seconds(run), peak
    found["evaluation"] = timed_process([*_TFCR, "evaluate", run])
    found["report"] = timed_process([*_TFCR, "report", run, "--out", folder / "report"])
    return found


def _epoch_seconds(run):
    with open(run / "history.csv", newline="", encoding="utf-8") as file:
        return sum(float(row["seconds"]) for row in csv.DictReader(file))


def rows(found: dict[float, dict[str, tuple[float, float]]], with_goals: bool) -> list[Row]:
    """Rows of three sizes, ascending: stage → seconds and bytes."""
    small, middle, large = found
    section = f"Growth, {', '.join(map(printed, found))} of {UTTERANCES:,} utterances"
    made = []
    for stage in STAGES:
        seconds, peaks = ({size: some[stage][which] for size, some in found.items()} for which in (0, 1))
        before = (seconds[middle] - seconds[small]) / (utterances(middle) - utterances(small))
        after = (seconds[large] - seconds[middle]) / (utterances(large) - utterances(middle))
        linear = after / before if seconds[middle] > (1 + _VISIBLE) * seconds[small] else None
        megabytes = {size: peak / 1e6 for size, peak in peaks.items()}
        for quantity, values, unit, ratio, reads, goal in (
            ("seconds", seconds, "s", linear, FURTHER, LINEAR),
            ("memory", megabytes, "MB", peaks[large] / peaks[middle], measuring.MEMORY, FLAT),
        ):
            names = {size: f"{stage}, {quantity} at {printed(size)}" for size in found}
            made += [Row(section, names[size], values[size], unit) for size in (small, middle)]
            against, reads = (None, None) if ratio is None else (names[middle], reads)
            goal = goal if with_goals and against else None
            made.append(Row(section, names[large], values[large], unit, against, ratio, goal, reads=reads))
    return made


command = measuring.command(measure)
command = click.option("--full", is_flag=True, help="1×, 4× and 16×: a quarter of an hour.")(command)

if __name__ == "__main__":
    command()
