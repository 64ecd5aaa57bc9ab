"""`--backend`: who trains the cells of a sweep."""

import contextlib
import sys
from collections.abc import Callable, Iterator

import click
from click.core import ParameterSource

from tfcr.errors import UsageError

_OF_RAY = ("address", "gpus_per_cell")
BACKEND_OPTIONS = ("backend", *_OF_RAY)
_OPTIONS = (
    click.option(
        "--backend",
        type=click.Choice(("local", "ray")),
        help="Who trains: processes of this machine, or a Ray cluster (extra `ray`).  [default: local]",
    ),
    click.option(
        "--address",
        metavar="HOST:PORT|auto",
        help="The head of a Ray cluster that runs.  [default: a cluster of this machine, for this command]",
    ),
    click.option(
        "--gpus-per-cell",
        type=click.FloatRange(0),
        metavar="N",
        help="On Ray: GPUs of each training, a fraction or a whole number.  [default: 1 where there are any]",
    ),
)


def backend_options(command: Callable) -> Callable:
    """`--backend`, and what a Ray cluster takes besides."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_backend(context: click.Context) -> None:
    """Refuses options of Ray that are typed for another backend; in a file they wait for `--backend ray`."""
    for name in _OF_RAY:
        typed = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if typed and context.params["backend"] != "ray":
            raise UsageError(f"--{name.replace('_', '-')} belongs to --backend ray")


@contextlib.contextmanager
def results_alone() -> Iterator[None]:
    """Keeps standard output for results: Ray prints there what it has to say of nodes and processes that died."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def open_backend(backend: str | None, address: str | None, gpus_per_cell: float | None):
    """The backend that the options name (`tfcr.experiments.backends`).

    Raises:
        TfcrError: its extra is not installed.
    """
    if backend == "ray":
        from tfcr.experiments.backends.ray import RayCluster

        return RayCluster(address, gpus_per_cell)
    from tfcr.experiments.backends.backend import LOCAL

    return LOCAL
