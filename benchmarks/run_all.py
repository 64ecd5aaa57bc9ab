"""All benchmarks, each in a process of its own, into one table (Markdown and CSV) and one plot.

benchmarks/run
benchmarks/run --runs 3 --write docs/speed.md
"""

import datetime
import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence

import click
import measuring
import pytorch_process
from measuring import Row

HERE = pathlib.Path(__file__).parent
BENCHMARKS = (
    "training_step",
    "systems",
    "input",
    "sweep",
    "start",
    "prediction",
    "growth",
)  # in the order of the table
TABLE, ROWS, PLOT, ABOUT = "speed.md", "speed.csv", "speed.svg", "about.md"
BEGIN, END = "<!-- written by benchmarks/run: begin -->", "<!-- written by benchmarks/run: end -->"


@click.command(help=__doc__.partition("\n\n")[0])
@click.argument("names", nargs=-1, type=click.Choice(BENCHMARKS))
@click.option("--runs", default=1, show_default=True, type=click.IntRange(1), help="Of all; medians and spread.")
@click.option("--quick", is_flag=True, help="Fewer repeats: shows that everything runs.")
@click.option(
    "--out", default=HERE / "results", type=click.Path(path_type=pathlib.Path), help="A folder for what is written."
)
@click.option(
    "--merge",
    multiple=True,
    type=click.Path(exists=True, path_type=pathlib.Path),
    metavar="DIR",
    help="Run nothing; take what earlier calls wrote to this folder. Again for several.",
)
@click.option(
    "--write",
    "page",
    type=click.Path(exists=True, path_type=pathlib.Path),
    metavar="PAGE.md",
    help="Put the table between the marks of this page too, and the plot beside it.",
)
@pytorch_process.option
def command(names, runs, quick, out, merge, page, pytorch):
    failed = []
    if merge:
        found = [measuring.read_rows(folder / ROWS) for folder in merge]
        about = (merge[0] / ABOUT).read_text(encoding="utf-8")
        out = merge[0] if len(merge) == 1 else out
    else:
        about = machine(pytorch) + (
            "" if runs == 1 else f"\n{runs} runs; medians of them, ± from smallest to largest.\n"
        )
        found = []
        for number in range(1, runs + 1):
            rows, broken = run_all(names or BENCHMARKS, quick, pytorch)
            failed += broken
            found.append(rows)
            if runs > 1:
                write(rows, about, out / f"run-{number}")
    rows = found[0] if len(found) == 1 else measuring.merged(found)
    write(rows, about, out)
    if page is not None:
        write_page(rows, about, page)
    click.echo(measuring.markdown(rows))
    click.echo(f"{out / TABLE}, {out / ROWS}, {out / PLOT}")
    if failed:
        click.echo(f"Error: left out because they failed: {', '.join(failed)}", err=True)
        sys.exit(1)


def run_all(names: Sequence[str], quick: bool, pytorch: str | None) -> tuple[list[Row], list[str]]:
    """The rows of the benchmarks that are there, and the names of those that failed."""
    rows, failed = [], []
    for name in names:
        script = HERE / f"{name}.py"
        if not script.is_file():
            continue
        began = time.monotonic()
        result = run_one(script, quick, pytorch)
        click.echo(f"{name}: {'failed' if result is None else 'done'} after {time.monotonic() - began:.0f} s", err=True)
        if result is None:
            failed.append(name)
        else:
            rows += result
    return rows, failed


def run_one(script: pathlib.Path, quick: bool, pytorch: str | None) -> list[Row] | None:
    """The rows of a benchmark, or None where it failed; what it said stands on the error stream."""
    import tempfile

    environment = {**os.environ, **({} if pytorch is None else {"TFCR_PYTORCH": pytorch})}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "rows.csv")
        options = ["--rows", path, *(["--quick"] if quick else [])]
        ended = subprocess.run([sys.executable, script, *options], env=environment)
        return measuring.read_rows(path) if ended.returncode == 0 and path.is_file() else None


def machine(pytorch: str | None = None) -> str:
    """Machine, versions and threads, in Markdown."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("tensorflow", "keras", "numpy")]
    found = pytorch_process.version(pytorch)
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    without = f"; without PyTorch, whose rows are left out (`{pytorch_process.INSTALL}`)"
    from tfcr import __version__

    return (
        f"{datetime.date.today()}, tfcr {__version__}: {_processor()}, {cores} cores, {memory:.0f} GiB, "
        f"{platform.system()} {platform.release()}; Python {platform.python_version()}, {', '.join(versions)}"
        f"{without if found is None else f', PyTorch {found}'}; two threads.\n"
    )


def _processor() -> str:
    try:
        names = re.findall(r"^model name\s*: (.+)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def write(rows: Sequence[Row], about: str, folder: pathlib.Path) -> None:
    """The table, its rows, the plot and what they were measured on."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ABOUT).write_text(about, encoding="utf-8")
    (folder / TABLE).write_text(f"{about}\n{measuring.markdown(rows)}", encoding="utf-8")
    measuring.write_rows(rows, folder / ROWS)
    plot(rows, folder / PLOT)


def write_page(rows: Sequence[Row], about: str, page: pathlib.Path) -> None:
    """Puts the table between the marks of a page, and the plot beside the page.

    Raises:
        click.UsageError: the page has no marks.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise click.UsageError(f"--write {page} has no lines {BEGIN} and {END}")
    picture = page.with_suffix(".svg")
    plot(rows, picture)
    table = f"\n{about}\n![Ratios and their goals]({picture.name})\n\n{measuring.markdown(rows)}"
    page.write_text(before + begin + table + end + after, encoding="utf-8")


def plot(rows: Sequence[Row], path: pathlib.Path) -> None:
    """Every ratio with a goal as a dot with its spread, and the goal as a line, on a logarithmic scale.

    A dot is filled where the goal is met, and the goal's arrow points to where it is.
    """
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "tfcr"  # equal rows, equal file
    from matplotlib import pyplot

    shown = [row for row in rows if row.wanted is not None]
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.36 * len(shown)), layout="constrained")
    for place, row in enumerate(shown):
        goal = float(row.wanted.split()[1])
        colour, inside = ("tab:blue", None) if row.met else ("tab:orange", "white")
        half = min((row.ratio_spread or 0) / 2, 0.9 * row.ratio)
        axes.errorbar(row.ratio, place, xerr=half, fmt="o", color=colour, markerfacecolor=inside, capsize=3)
        axes.plot([goal, goal], [place - 0.35, place + 0.35], color="black")
        axes.plot(goal, place - 0.35, marker=">" if row.wanted.startswith("≥") else "<", color="black", markersize=4)
    axes.set_yticks(
        range(len(shown)), [f"{row.section}: {row.what}\nagainst {row.against}" for row in shown], fontsize=7
    )
    axes.invert_yaxis()
    axes.set_xscale("log")
    ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10]
    axes.set_xticks(ticks, [f"{tick:g}×" for tick in ticks])
    axes.minorticks_off()
    axes.axvline(1, color="lightgrey", zorder=0)
    axes.set_xlabel("ratio (dot, filled where it reaches its goal) and goal (line)")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    command()
