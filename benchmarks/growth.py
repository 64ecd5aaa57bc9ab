"""How time and memory of preparation, an epoch, an evaluation and a report grow with the corpus.

    python benchmarks/growth.py --full
    python benchmarks/growth.py --full --short

Corpora of three sizes, the largest 16 times the smallest; 1× are 1,200 utterances of the synthetic corpus, or with
`--short` 6,250 of less than a second, so that 16× are 100,000. Every command runs in a process of its own, whose peak
of resident memory the kernel tells. Where time is linear, a further utterance takes as
long from the middle to the largest size as from the smallest to the middle: that is the ratio of a time, which what a
command costs at any size does not enter. The ratio of a memory is that of the largest to the middle size.
Goals are set for `--full` alone: in smaller corpora what a command keeps at any size still counts for much.
"""

import csv
import dataclasses
import itertools
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Callable

import click
import measuring
import numpy as np
import soundfile
from measuring import Row, timed_process

SIZES = {"quick": (1 / 24, 1 / 12, 1 / 6), "default": (1 / 8, 1 / 2, 2), "full": (1, 4, 16)}
FURTHER = "the time for a further utterance"
LINEAR, FLAT = "≤ 1.2", "≤ 1.2"
_VISIBLE = 0.1  # of the time at the smallest size: what the middle must take more, else its start hides the growth
EPOCH, BESIDE = "one training epoch", "training beside its epoch"  # start, statistics, test
STAGES = ("preparation", BESIDE, EPOCH, "evaluation", "report")
_TFCR = [sys.executable, "-c", "from tfcr.cli import main; main()"]


@dataclasses.dataclass(frozen=True)
class Corpora:
    """Corpora of a kind, of any size.

    Attributes:
        name: of the kind, as the table has it.
        at_1: utterances at 1×.
        write: makes a corpus of so many utterances in a folder, and returns the options that read it; is not timed.
    """

    name: str
    at_1: int
    write: Callable[[pathlib.Path, int], list]

    def utterances(self, size: float) -> int:
        """Of a corpus."""
        return round(self.at_1 * size)


def write_synthetic(folder: pathlib.Path, count: int) -> list:
    """The embedded corpus, whose utterances last 1.7 s on average."""
    from tfcr.corpora import synthetic

    synthetic.read(folder, utterances=count)
    return ["--corpus", "synthetic", "--root", folder, "--utterances", str(count)]


def write_short(folder: pathlib.Path, count: int) -> list:
    """A manifest of noises of 0.3 to 1 s with one to six words, by 100 speakers."""
    from tfcr.schema import EMOTIONS, SAMPLE_RATE

    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "path", "transcript", "emotion", "speaker"])
        for number, (seconds, words) in enumerate(
            zip(random.uniform(0.3, 1, count), random.integers(1, 7, count), strict=True)
        ):
            path = pathlib.Path(f"{number // 1000:03d}", f"{number:06d}.wav")
            (folder / path.parent).mkdir(exist_ok=True)
            samples = random.integers(-3000, 3000, round(seconds * SAMPLE_RATE), np.int16)
            soundfile.write(folder / path, samples, SAMPLE_RATE)
            sentence = " ".join(f"w{word}" for word in random.integers(2000, size=words))
            writer.writerow([f"u{number:06d}", path, sentence, EMOTIONS[number % 4], f"s{number % 100:02d}"])
    return ["--corpus", "manifest", "--root", folder]


SYNTHETIC = Corpora("utterances", 1200, write_synthetic)
SHORT = Corpora("short utterances", 6250, write_short)


def measure(quick: bool = False, full: bool = False, short: bool = False) -> list[Row]:
    """Seconds and megabytes of every stage at every size.

    Args:
        quick: corpora so small that only the way is shown.
        full: 1×, 4× and 16×, which takes a quarter of an hour; else an eighth of it.
        short: of short utterances, up to 100,000.
    """
    corpora = SHORT if short else SYNTHETIC
    found = {}
    for size in SIZES["quick" if quick else "full" if full else "default"]:
        with tempfile.TemporaryDirectory() as folder:
            click.echo(f"{printed(size)}: {corpora.utterances(size)} {corpora.name}", err=True)
            found[size] = _stages(pathlib.Path(folder), corpora, corpora.utterances(size))
    return rows(found, full, corpora)


def printed(size: float) -> str:
    """`4×`, or `1/8×`."""
    return f"{size:.0f}×" if size >= 1 else f"1/{1 / size:.0f}×"


def _stages(folder: pathlib.Path, corpora: Corpora, count: int) -> dict[str, tuple[float, float]]:
    """Stage → seconds and bytes."""
    data, run = folder / "data", folder / "run"
    options = corpora.write(folder / "corpus", count)
    prepare = [*_TFCR, "prepare-tfrecords", *options, "--features", "spectrogram", "--out", data]
    found = {"preparation": timed_process(prepare)}
    shutil.rmtree(folder / "corpus")
    seconds, peak = timed_process([*_TFCR, "train", "--data", data, "--epochs", "1", "--run", run])
    epoch = _epoch_seconds(run)
    found |= {BESIDE: (seconds - epoch, peak), EPOCH: (epoch, peak)}
    found["evaluation"] = timed_process([*_TFCR, "evaluate", run])
    found["report"] = timed_process([*_TFCR, "report", run, "--out", folder / "report"])
    return found


def _epoch_seconds(run):
    with open(run / "history.csv", newline="", encoding="utf-8") as file:
        return sum(float(row["seconds"]) for row in csv.DictReader(file))


def rows(
    found: dict[float, dict[str, tuple[float, float]]], with_goals: bool, corpora: Corpora = SYNTHETIC
) -> list[Row]:
    """Rows of three sizes, ascending: stage → seconds and bytes. The two stages of a training have one memory."""
    small, middle, large = found
    section = f"Growth, {', '.join(map(printed, found))} of {corpora.at_1:,} {corpora.name}"
    made = []
    for stage in STAGES:
        seconds, peaks = ({size: some[stage][which] for size, some in found.items()} for which in (0, 1))
        before, after = (
            (seconds[more] - seconds[less]) / (corpora.utterances(more) - corpora.utterances(less))
            for less, more in itertools.pairwise(found)
        )
        linear = after / before if seconds[middle] > (1 + _VISIBLE) * seconds[small] else None
        quantities = [("seconds", seconds, "s", linear, FURTHER, LINEAR)]
        if stage != BESIDE:
            megabytes = {size: peak / 1e6 for size, peak in peaks.items()}
            quantities.append(("memory", megabytes, "MB", peaks[large] / peaks[middle], measuring.MEMORY, FLAT))
        for quantity, values, unit, ratio, reads, goal in quantities:
            names = {size: f"{stage}, {quantity} at {printed(size)}" for size in found}
            made += [Row(section, names[size], values[size], unit) for size in (small, middle)]
            against, reads = (None, None) if ratio is None else (names[middle], reads)
            goal = goal if with_goals and against else None
            made.append(Row(section, names[large], values[large], unit, against, ratio, goal, reads=reads))
    return made


command = measuring.command(measure)
command = click.option("--full", is_flag=True, help="1×, 4× and 16×: a quarter of an hour.")(command)
command = click.option("--short", is_flag=True, help="Of utterances below a second; with --full up to 100,000.")(
    command
)

if __name__ == "__main__":
    command()
