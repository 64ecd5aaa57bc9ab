"""How long commands take before they do anything: `tfcr --help`, and what `tfcr train` imports.

    python benchmarks/start.py

Every call is a process of its own; they take turns.
"""

import subprocess
import sys

import measuring
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
    return [
        *measuring.rows_of(SECTION, short, {HELP: (CLICK, "≤ 3")}, reads=measuring.TIME),
        *measuring.rows_of(SECTION, long, {TRAIN: (KERAS, None)}, reads=measuring.TIME),
    ]


def _call(name):
    command = [sys.executable, "-c", _SCRIPTS[name]]
    return lambda: subprocess.run(command, check=True, capture_output=True)


command = measuring.command(measure)

if __name__ == "__main__":
    command()
