"""How long commands take before they do anything: `tfcr --help`, and what `tfcr train` imports.

    python benchmarks/start.py

Every call is a process of its own; they take turns.
"""

import subprocess
import sys

import measuring
import numpy as np
from measuring import Row, interleaved

SECTION = "Start"
CLICK, HELP = 'python -c "import click"', "tfcr --help"
KERAS, TRAIN = 'python -c "import keras"', "imports of tfcr train"
_SCRIPTS = {
    CLICK: "import click",
    HELP: "from tfcr.cli import main; main(['--help'])",
    KERAS: "import keras",
    TRAIN: (
        "import tfcr.cli.train, tfcr.cli.display; from tfcr.cli.tensorflow import import_quietly; import_quietly(); "
        "import tfcr.training.train"
    ),
}


def measure(quick: bool = False) -> list[Row]:
    """Milliseconds from the start of a process to its end."""
    short = interleaved({name: _call(name) for name in (CLICK, HELP)}, 5 if quick else 40)
    long = interleaved({name: _call(name) for name in (KERAS, TRAIN)}, 1 if quick else 2)
    return [*_rows(short, CLICK, HELP, "≤ 3"), *_rows(long, KERAS, TRAIN, None)]


def _call(name):
    command = [sys.executable, "-c", _SCRIPTS[name]]
    return lambda: subprocess.run(command, check=True, capture_output=True)


def _rows(seconds, base, name, wanted):
    """How many times as long as `base` a call takes."""
    ratios = seconds[name] / seconds[base]
    low, high = np.quantile(ratios, [0.25, 0.75])
    [first] = measuring.rows_of(SECTION, {base: seconds[base]})
    [second] = measuring.rows_of(SECTION, {name: seconds[name]})
    compared = {"against": base, "ratio": float(np.median(ratios)), "ratio_spread": float(high - low)}
    return [first, Row(*(SECTION, name, second.value, second.unit), **compared, wanted=wanted, spread=second.spread)]


command = measuring.command(measure)

if __name__ == "__main__":
    command()
