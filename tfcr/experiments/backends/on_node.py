"""What runs on a node of a cluster. Loads TensorFlow only once the node has been found fit."""

import importlib.metadata
import pathlib
import socket
from collections.abc import Callable, Mapping

import tfcr
from tfcr.config import Config
from tfcr.dataset_info import INFO
from tfcr.errors import TfcrError
from tfcr.split_file import SplitFile

_DECIDE_BITS = ("tensorflow", "keras", "numpy")


def versions() -> dict[str, str]:
    """Package → version here, of those that decide a result; none of them is imported."""
    found = {"tfcr": tfcr.__version__}
    for name in _DECIDE_BITS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "of another distribution"  # such as tensorflow-cpu
    return found


def check_node(expected: Mapping[str, str], data: pathlib.Path, marker: pathlib.Path) -> None:
    """Refuses to work on a node where results would differ or be lost.

    Args:
        expected: `versions`, where the command was typed.
        data: the dataset's folder.
        marker: a file that was written into the folder of the runs; one that has the same name is not enough.

    Raises:
        TfcrError: names the node and what it lacks.
    """
    node = f"node {socket.gethostname()}"
    for name, found in versions().items():
        if found != expected[name]:
            raise TfcrError(
                f"{node} has {name} {found}; expected {expected[name]}, as here; install the same everywhere"
            )
    for path, file, what in ((data, data / INFO, "dataset"), (marker.parent, marker, "folder of the runs")):
        if not file.is_file():
            raise TfcrError(f"{node} does not see the {what} {path}; expected a folder that all nodes share")


def time_on_node(
    prepare_process: Callable[[], None],
    expected: Mapping[str, str],
    marker: pathlib.Path,
    config: Config,
    data: pathlib.Path,
    split_file: SplitFile | None,
) -> tuple[float, float]:
    """`time_cell`, on a node that is fit for it."""
    check_node(expected, data, marker)
    prepare_process()
    from tfcr.experiments.cells import Cell, time_cell

    return time_cell(Cell(config, data, marker.parent, split_file))


def train_on_node(
    prepare_process: Callable[[], None],
    expected: Mapping[str, str],
    marker: pathlib.Path,
    config: Config,
    data: pathlib.Path,
    split_file: SplitFile | None,
    run: pathlib.Path,
):
    """`train_cell`, on a node that is fit for it; the names of node and process come along."""
    check_node(expected, data, marker)
    prepare_process()
    from tfcr.experiments.cells import Cell, train_cell

    return train_cell(Cell(config, data, run, split_file)), socket.gethostname()
