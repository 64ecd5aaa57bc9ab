"""What a GPU does with tfcr: right, the same twice, fast, and beside others. A table with a verdict a line.

    benchmarks/gpu
    benchmarks/gpu --out gpu.md

Every line is a process of its own with a time limit, so that one that fails costs itself alone. Lines that are not
timed go side by side where there are cores; then those that are, for which time is kept. A line that is ended before it
is done says what it had. Without a GPU, the lines that a CPU can do are done, and the others are skipped and say so.
"""

import concurrent.futures
import contextlib
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import IO

import click

from tfcr.cards import num_cards

HERE = pathlib.Path(__file__).parent
SECONDS = 230  # of all lines, where nothing else is asked for
END = "TFCR_BENCHMARK_END"  # environment variable of a line's process: when its time is over, by `time.monotonic`
_NO_TIME = "no time was left; --seconds gives more"
_TO_SAY_IT = 3.0  # seconds that a line has for its last words
RIGHT, WRONG, FAILED, SKIPPED, TOLD = "right", "**wrong**", "**failed**", "skipped", "told"


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        name: also of the function that does it, with `_` for a space.
        script: the file here that has the function.
        seconds: after which it is ended, of `SECONDS` for all.
        needs_gpu: it says nothing about a CPU.
        timed: nothing else may run meanwhile.
    """

    name: str
    script: str
    seconds: int
    needs_gpu: bool = False
    timed: bool = False


NUMBERS, COMMANDS, TIMES = "gpu_numbers.py", "gpu_commands.py", "gpu_times.py"
LINES = (
    Line("devices", NUMBERS, 60),
    Line("gradients", NUMBERS, 90),
    Line("twenty losses", NUMBERS, 120),
    Line("smallest batches", NUMBERS, 90),
    Line("lstm kernel", NUMBERS, 60),
    Line("compiled step", NUMBERS, 120),
    Line("every system", NUMBERS, 150),
    Line("twice", COMMANDS, 120),
    Line("killed", COMMANDS, 120),
    Line("moved", COMMANDS, 120, needs_gpu=True),
    Line("mirrored", COMMANDS, 90),
    Line("export", COMMANDS, 120),
    Line("two workers", COMMANDS, 120),
    Line("step", TIMES, 60, timed=True),
    Line("pytorch", TIMES, 40, timed=True),
    Line("kernels", TIMES, 25, needs_gpu=True, timed=True),
    Line("epoch", TIMES, 30, timed=True),
)


@dataclass(frozen=True)
class Outcome:
    """What came of a line: a verdict and a sentence."""

    name: str
    verdict: str
    said: str
    seconds: float


@click.command(help=__doc__.partition("\n\n")[0])
@click.argument("names", nargs=-1, type=click.Choice([line.name for line in LINES]))
@click.option("--tiny", is_flag=True, help="Small models and batches: shows that everything runs.")
@click.option(
    "--seconds", default=SECONDS, show_default=True, type=click.IntRange(1), help="Of all; then lines are skipped."
)
@click.option("--out", type=click.Path(path_type=pathlib.Path), help="Write the table here too.")
def command(names, tiny, seconds, out):
    end = time.monotonic() + seconds
    lines = [line for line in LINES if not names or line.name in names]
    with tempfile.TemporaryDirectory() as folder:
        click.echo("| | | | s |\n|---|---|---|---|")
        settings = Settings(pathlib.Path(folder), num_cards() > 0, tiny, end, max(1.0, seconds / SECONDS))
        outcomes = run_all(lines, settings, lambda outcome: click.echo(row(outcome)))
    if out is not None:
        out.write_text(table(outcomes), encoding="utf-8")
    broken = [outcome.name for outcome in outcomes if outcome.verdict in (WRONG, FAILED)]
    if broken:
        click.echo(f"Error: {', '.join(broken)}", err=True)
        sys.exit(1)


@dataclass(frozen=True)
class Settings:
    """How lines are run.

    Attributes:
        folder: that lines share: the dataset lies there once one has prepared it.
        gpu: whether there is one.
        end: when the time is over, by `time.monotonic`.
        patience: how many times its own seconds a line may take.
    """

    folder: pathlib.Path
    gpu: bool
    tiny: bool
    end: float
    patience: float = 1.0


def run_all(lines: Sequence[Line], settings: Settings, tell: Callable[[Outcome], None]) -> list[Outcome]:
    """The outcomes of lines, in their order; each is told when it is there."""

    def outcome_of(line, settings):
        found = run_line(line, settings)
        tell(found)
        return line, found

    timed = [line for line in lines if line.timed and (settings.gpu or not line.needs_gpu)]
    kept = settings.patience * sum(line.seconds for line in timed) if settings.gpu else 0.0
    kept = min(kept, 0.7 * (settings.end - time.monotonic()))
    before = replace(settings, end=settings.end - kept)
    side_by_side = max(1, min(8, len(os.sched_getaffinity(0))))
    with concurrent.futures.ThreadPoolExecutor(side_by_side) as pool:
        found = dict(pool.map(lambda line: outcome_of(line, before), [line for line in lines if not line.timed]))
    found |= dict(outcome_of(line, settings) for line in lines if line.timed)
    return [found[line] for line in lines]


def run_line(line: Line, settings: Settings) -> Outcome:
    """What came of a line, whatever it was."""
    left = settings.end - time.monotonic()
    if line.needs_gpu and not settings.gpu:
        return Outcome(line.name, SKIPPED, "no GPU here", 0.0)
    if left < 5:
        return Outcome(line.name, SKIPPED, _NO_TIME, 0.0)
    began = time.monotonic()
    verdict, said = _answer(line, settings, settings.patience * line.seconds, left)
    return Outcome(line.name, verdict, said, time.monotonic() - began)


def _answer(line, settings, own, left):
    """The verdict and the sentence that a line's process prints last, as JSON.

    Args:
        own: the seconds that the line may take.
        left: the seconds that are left for all.
    """
    limit = min(own, left)
    arguments = [sys.executable, HERE / line.script, line.name.replace(" ", "_"), settings.folder]
    arguments += ["--tiny"] if settings.tiny else []
    environment = {**os.environ, END: str(time.monotonic() + limit - _TO_SAY_IT)}
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            arguments, stdout=printed, stderr=errors, env=environment, start_new_session=True
        )  # a group of its own: what it started ends with it
        try:
            process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if answer := _last_answer(printed):
                return answer[0], f"{answer[1]}; ended after {limit:.0f} s, before all was done"
            return (FAILED, f"not done after {limit:.0f} s") if own <= left else (SKIPPED, _NO_TIME)
        if process.returncode:
            errors.seek(0)
            last = next((text for text in reversed(errors.read().splitlines()) if text.strip()), "it said nothing")
            return FAILED, f"code {process.returncode}: {last.strip()[:200]}"
        return _last_answer(printed) or (FAILED, "it gave no answer")


def _last_answer(printed: IO[str]) -> tuple[str, str] | None:
    """The last line of a file that is an answer, whatever libraries have printed around it."""
    printed.seek(0)
    for line in reversed(printed.read().splitlines()):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            answer = json.loads(line)
            return str(answer["verdict"]), str(answer["said"])
    return None


def row(outcome: Outcome) -> str:
    """A line of the table."""
    return f"| {outcome.name} | {outcome.verdict} | {outcome.said.replace('|', '/')} | {outcome.seconds:.0f} |"


def table(outcomes: Sequence[Outcome]) -> str:
    """The table in Markdown, with its date."""
    lines = [f"{datetime.date.today()}", "", "| | | | s |", "|---|---|---|---|", *map(row, outcomes)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    command()
