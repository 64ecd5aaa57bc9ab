"""Processes that answer; PyTorch's may live in another environment, because it is not in requirements.lock."""

import json
import os
import pathlib
import subprocess
import sys

import click

INSTALL = (
    "python -m venv pytorch && pytorch/bin/pip install torch==2.13.0 numpy "
    "--index-url https://download.pytorch.org/whl/cpu --extra-index-url https://pypi.org/simple"
)

option = click.option(
    "--pytorch",
    envvar="TFCR_PYTORCH",
    metavar="PYTHON",
    help="The interpreter of an environment with PyTorch and NumPy (or TFCR_PYTORCH).  [default: this one, if it has "
    "PyTorch]",
)


class AnsweringProcess:
    """A script here that answers one JSON line with another.

    Args:
        python: an interpreter that has what the script imports.
        script: its name.
        threads: of its operations.
    """

    def __init__(self, python: str | os.PathLike, script: str, threads: int = 2):
        # an idle thread of OpenMP sleeps after a millisecond rather than keep a core busy while others are timed
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
        if os.fspath(python) != sys.executable:
            environment.pop("PYTHONPATH", None)
        self.process = subprocess.Popen(
            [python, pathlib.Path(__file__).with_name(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.version = self.ask(do="start", threads=threads)["version"].partition("+")[0]

    def ask(self, **request) -> dict:
        """The answer to a request.

        Raises:
            RuntimeError: the process has ended; what it said stands on the error stream.
        """
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args[-1]} ended with code {self.process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def version(python: str | None = None) -> str | None:
    """PyTorch's version in an environment, or None where it has none."""
    command = [python or sys.executable, "-c", "import torch; print(torch.__version__)"]
    ended = subprocess.run(command, capture_output=True, text=True)
    return ended.stdout.strip().partition("+")[0] if ended.returncode == 0 else None


def started(python: str | None, script: str, threads: int = 2) -> AnsweringProcess | None:
    """The process, or None where there is no PyTorch, and then a line says how to get it.

    Raises:
        click.UsageError: `python` is named and has no PyTorch.
    """
    if version(python) is not None:
        return AnsweringProcess(python or sys.executable, script, threads)
    if python is not None:
        raise click.UsageError(f"--pytorch {python} has no PyTorch; {INSTALL}")
    click.echo(f"No PyTorch here, so its rows are left out: {INSTALL}; then --pytorch pytorch/bin/python", err=True)
    return None
