"""What every benchmark shares: a row of the table, calls that take turns, processes that are timed, a command line.

A benchmark is a file here with a function `measure(quick=False) -> list[Row]` that ends with

    command = measuring.command(measure)

    if __name__ == "__main__":
        command()

and takes further options by `click.option(...)(command)` and arguments of `measure` with their names.
"""

import csv
import dataclasses
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np

FASTER, TIME, MEMORY = "as fast", "the time", "the memory"  # how a ratio reads


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the table.

    Args:
        section: the benchmark, a heading.
        what: was measured; names the row within its section.
        value: a median.
        unit: of the value, as it is printed: `ms`, `s`, `MB`, `segments/s`, ...
        against: `what` of a row of the same section and the same run, or in words what `note` names for each run.
        ratio: to that row, read as `reads` says.
        wanted: the goal for the ratio, such as `≥ 1.6` or `≤ 3`.
        spread: of the value, in its unit. Of one run: between the quartiles of its repeats. Of several: from the
            smallest to the largest median.
        ratio_spread: the same of the ratio.
        reads: what stands behind the ratio, and which way it goes: `as fast` is that row's time over this one's, and
            everything else (`the time`, `the memory`, ...) is this row's value over that one's.
        note: which row `against` means, where it is the best of several.

    Raises:
        ValueError: a goal that is neither `≥ NUMBER` nor `≤ NUMBER`, a goal or a ratio against nothing or that does
            not say how it reads, or a goal that asks for less speed or for more of anything else.
    """

    section: str
    what: str
    value: float
    unit: str
    against: str | None = None
    ratio: float | None = None
    wanted: str | None = None
    spread: float | None = None
    ratio_spread: float | None = None
    reads: str | None = None
    note: str | None = None

    def __post_init__(self):
        if len({self.ratio is None, self.against is None, self.reads is None}) > 1:
            raise ValueError(
                f"A ratio needs what it is against and how it reads, and each of these the others. Received: {self}"
            )
        if self.wanted is not None:
            sign, _, number = self.wanted.partition(" ")
            if sign not in ("≥", "≤") or self.ratio is None:
                raise ValueError(f"A goal is `≥ NUMBER` or `≤ NUMBER`, for a ratio. Received: {self}")
            float(number)
            if (sign == "≥") != (self.reads == FASTER):
                raise ValueError(f"A goal is for at least some speed, or at most of anything else. Received: {self}")

    @property
    def met(self) -> bool | None:
        """Whether the ratio reaches its goal; None where there is none."""
        if self.wanted is None:
            return None
        sign, _, number = self.wanted.partition(" ")
        return self.ratio >= float(number) if sign == "≥" else self.ratio <= float(number)


def interleaved(
    calls: Mapping[str, Callable[[], object]], repeats: int, warm_up: int = 1, seed: int = 0, rest: float = 0.0
) -> dict[str, np.ndarray]:
    """The seconds of every call, taken in turns, so that whatever else the machine does falls on each alike.

    Every round makes each call once, in an order drawn anew, so that none always follows the same other.

    Args:
        calls: by name. A call returns when its work is done.
        repeats: rounds that count.
        warm_up: rounds before them that do not.
        rest: seconds before every call. Threads of the one before may go on spinning when their work is done, which a
            call of few milliseconds would pay for.

    Returns:
        float64 [repeats] of each: entry i is of round i.
    """
    found = {name: np.zeros(repeats) for name in calls}
    for number, order in enumerate(itertools.islice(orders(list(calls), seed), warm_up + repeats)):
        for name in order:
            time.sleep(rest)
            began = time.perf_counter()
            calls[name]()
            seconds = time.perf_counter() - began
            if number >= warm_up:
                found[name][number - warm_up] = seconds
    return found


def orders(names: Sequence[str], seed: int = 0):
    """Endlessly the names, each time in an order drawn anew."""
    random = np.random.default_rng(seed)
    while True:
        yield [names[i] for i in random.permutation(len(names))]


def rows_of(
    section: str,
    seconds: Mapping[str, np.ndarray],
    against: Mapping[str, tuple[str, str | None]] | None = None,
    scale: float = 1e3,
    unit: str = "ms",
    reads: str = FASTER,
) -> list[Row]:
    """Rows of interleaved seconds: medians, and the medians over rounds of the ratios to another.

    Args:
        seconds: what `interleaved` found.
        against: which row compares with which other, and its goal.
        scale, unit: the value is the seconds times `scale`.
        reads: `as fast`, or `the time`, which is the inverse.
    """
    rows = []
    for what, values in seconds.items():
        other, wanted = (against or {}).get(what, (None, None))
        ratios = None if other is None else seconds[other] / values if reads == FASTER else values / seconds[other]
        rows.append(
            Row(
                *(section, what, scale * float(np.median(values)), unit, other),
                ratio=None if other is None else float(np.median(ratios)),
                wanted=wanted,
                spread=scale * _between_quartiles(values),
                ratio_spread=None if other is None else _between_quartiles(ratios),
                reads=None if other is None else reads,
            )
        )
    return rows


def _between_quartiles(values):
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low)


# Of the process itself and those it waited for, the largest. Linux counts what a process was before exec, too: a
# starter this small keeps the memory of the benchmark out of the figure.
_STARTER = """
import os, sys, time
began = time.monotonic()
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    print(time.monotonic() - began, usage.ru_maxrss * 1024, file=file)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
"""


def timed_process(command: Sequence[str | os.PathLike], **settings) -> tuple[float, int]:
    """Runs a command in a process of its own.

    Args:
        command: a program and its arguments; a program without a path is looked for on the PATH.
        **settings: of `subprocess.run`: `cwd`, `env`.

    Returns:
        Seconds from start to end, and the peak of its resident memory in bytes; of its children, which are not added
        up, the largest counts where it is larger.

    Raises:
        RuntimeError: the command failed; with the last it said.
    """
    program = shutil.which(os.fspath(command[0])) or os.fspath(command[0])
    with tempfile.TemporaryDirectory() as folder:
        figures = pathlib.Path(folder, "figures")
        starter = [sys.executable, "-I", "-S", "-c", _STARTER, figures]
        ended = subprocess.run([*starter, program, *command[1:]], capture_output=True, text=True, **settings)
        if ended.returncode:
            said = (ended.stderr or ended.stdout).strip()[-2000:]
            raise RuntimeError(f"{' '.join(map(str, command))} ended with {ended.returncode}: {said}")
        seconds, peak = figures.read_text().split()
    return float(seconds), int(peak)


def markdown(rows: Sequence[Row]) -> str:
    """A table of each section under its heading."""
    lines = []
    for section, members in itertools.groupby(rows, key=lambda row: row.section):
        lines += [f"### {section}", "", "| | median | ± | ratio | against | wanted |", "|---|---|---|---|---|---|"]
        lines += [_markdown_row(row) for row in members]
        lines.append("")
    return "\n".join(lines)


def _markdown_row(row):
    spread = "" if row.spread is None else printed(row.spread)
    spread_of_ratio = "" if row.ratio_spread is None else f" ± {printed(row.ratio_spread)}"
    ratio = "" if row.ratio is None else f"{printed(row.ratio)}×{spread_of_ratio} {row.reads}"
    against = f"{row.against or ''}{'' if row.note is None else f' ({row.note})'}"
    wanted = "" if row.wanted is None else f"{row.wanted}×: {'yes' if row.met else '**no**'}"
    return f"| {row.what} | {printed(row.value)} {row.unit} | {spread} | {ratio} | {against} | {wanted} |"


def printed(number: float) -> str:
    """Three figures, and never an exponent."""
    if number == 0 or abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.{max(0, 2 - int(np.floor(np.log10(abs(number)))))}f}"


def merged(runs: Sequence[Sequence[Row]]) -> list[Row]:
    """The median of every row over runs, with the spread from the smallest to the largest.

    Rows come in the order of the first run that has them; one that only some runs have, or have a ratio of, is the
    median of those. What one run alone has keeps the spread that it came with. Where runs compare with different rows,
    all of them are named.

    Raises:
        ValueError: runs give a row in different units, or read its ratio in different ways.
    """
    found = {}
    for rows in runs:
        for row in rows:
            found.setdefault((row.section, row.what), []).append(row)
    together = [_together(same) for same in found.values()]
    sections = list(dict.fromkeys(row.section for row in together))
    return sorted(together, key=lambda row: sections.index(row.section))


def _together(same):
    """One row of the rows of several runs."""
    compared = [row for row in same if row.ratio is not None]
    if len({row.unit for row in same}) > 1 or len({row.reads for row in compared}) > 1:
        raise ValueError(f"Expected one unit and one way to read a ratio over all runs. Received: {same}")
    value, spread = _median_and_spread([(row.value, row.spread) for row in same])
    row = dataclasses.replace((compared or same)[0], value=value, spread=spread)
    if compared:
        ratio, spread = _median_and_spread([(row.ratio, row.ratio_spread) for row in compared])
        against = " or ".join(dict.fromkeys(row.against for row in compared))
        notes = dict.fromkeys(row.note for row in compared if row.note is not None)
        row = dataclasses.replace(row, ratio=ratio, ratio_spread=spread, against=against, note="; ".join(notes) or None)
    return row


def _median_and_spread(found):
    """Of values and their own spreads: one value keeps its own."""
    if len(found) == 1:
        return found[0]
    values = [value for value, _ in found]
    return float(np.median(values)), float(np.ptp(values))


def write_rows(rows: Sequence[Row], path: pathlib.Path) -> None:
    """Rows as CSV; what is None is empty. Makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in dataclasses.fields(Row)])
        writer.writeheader()
        writer.writerows(dataclasses.asdict(row) for row in rows)


def read_rows(path: pathlib.Path) -> list[Row]:
    """The rows of a CSV that `write_rows` wrote."""
    numbers = {"value", "ratio", "spread", "ratio_spread"}
    with open(path, newline="", encoding="utf-8") as file:
        return [
            Row(**{name: float(text) if name in numbers else text for name, text in line.items() if text != ""})
            for line in csv.DictReader(file)
        ]


def command(measure: Callable[..., list[Row]]) -> click.Command:
    """The command line of a benchmark: prints its table, or writes its rows for `benchmarks/run`."""

    @click.command(help=sys.modules[measure.__module__].__doc__.partition("\n\n")[0])
    @click.option("--quick", is_flag=True, help="Fewer repeats.")
    @click.option("--rows", "csv_file", type=click.Path(path_type=pathlib.Path), help="Write the rows as CSV, here.")
    def run(quick, csv_file, **options):
        rows = measure(quick=quick, **options)
        if csv_file is None:
            click.echo(markdown(rows))
        else:
            write_rows(rows, csv_file)

    return run
