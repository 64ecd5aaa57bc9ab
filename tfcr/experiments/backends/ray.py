"""Cells trained as tasks of a Ray cluster, which starts a task again where a process or a node dies.

Plain tasks, not Ray Train: a cell is one process that goes on from its own checkpoint, and Ray Train would switch
Keras 2 on in its workers.
"""

import contextlib
import math
import os
import pathlib
import re
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from tfcr import files
from tfcr.dataset_info import Dataset, open_dataset
from tfcr.errors import TfcrError, UsageError, missing_extra
from tfcr.experiments.backends.local import cores
from tfcr.experiments.backends.on_node import time_on_node, train_on_node, versions
from tfcr.experiments.cells import Cell, Ended, OnEpoch, Pace
from tfcr.models.systems import on_dataset, resolve
from tfcr.split_file import SplitFile
from tfcr.training.checkpoint import Checkpoint, State

RETRIES = 5  # of a task whose process or node has died
LEASE = 120.0  # seconds for which a file server may keep the lock of a node that has died (NFS: 90)
_AGAIN = 5.0  # seconds before a cell whose folder is locked is tried again
_APPEARS = 90.0  # seconds after which what one node has written is seen by another (NFS: up to 60)
_CONNECT_SECONDS = 10.0  # seconds for a head to answer
_LOOKS = 1.0  # seconds between looks at what has ended
_EPOCH_LOOKS = 5.0  # seconds between looks at the epochs that trainings have had
_SHOWN = 150  # characters of either end of a message of Ray
_FINEST = 0.0001  # of a GPU, that Ray divides it into
_STORE = 80 << 20  # bytes for objects; cells and their ends are small


class RayCluster:
    """A Ray cluster: one that runs already, or one of this machine alone that ends with the block.

    A process of it trains one cell after another, so that TensorFlow is imported once; with a GPU, each cell has a
    process of its own, for TensorFlow cannot change to another GPU. Cells of other threads have other processes.

    Args:
        address: `HOST:PORT` of the cluster's head, or `auto` for the one that runs on this machine; None starts one, or
            takes the one that this process has joined.
        gpus_per_cell: a fraction, or a whole number; None for one where the cluster has GPUs, else none.

    Raises:
        TfcrError: Ray is not installed.
        UsageError: `gpus_per_cell` is neither a fraction nor a whole number, or `address` is no address.
    """

    def __init__(self, address: str | None = None, gpus_per_cell: float | None = None):
        if gpus_per_cell is not None and not _is_share(gpus_per_cell):
            finest = f", none finer than {_FINEST}" if 0 < gpus_per_cell < _FINEST else ""
            raise UsageError(f"gpus-per-cell must be from 0 to 1 or a whole number; received {gpus_per_cell:g}{finest}")
        if address not in (None, "auto") and not re.fullmatch(r"[^/\s]+:\d{1,5}", address):
            raise UsageError(f"address must be HOST:PORT of the cluster's head, or auto; received {address!r}")
        self.address = address
        self.gpus_per_cell = gpus_per_cell
        self._ray = import_ray()
        self._leave: Callable[[], None] | None = None
        self._gpus = 0.0
        self._running: dict[Any, Cell] = {}
        self._markers: dict[pathlib.Path, pathlib.Path] = {}
        self._datasets: dict[pathlib.Path, Dataset] = {}
        self._remote: dict[Callable, Any] = {}
        self._split_files: dict[SplitFile | None, Any] = {None: None}

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        """Gives up what still runs, and leaves the cluster; one of its own ends."""
        try:
            for marker in self._markers.values():
                with contextlib.suppress(OSError):
                    marker.unlink()
            for task in self._running:
                with contextlib.suppress(self._ray.exceptions.RayError):
                    self._ray.cancel(task, force=True)  # a training does not listen; its checkpoint is always whole
        finally:
            self._markers.clear()
            self._running.clear()
            self._remote.clear()
            self._split_files = {None: None}
            leave, self._leave = self._leave, None
            if leave is not None:
                leave()

    def at_a_time(self, cells: Sequence[Cell], workers: int | None) -> int:
        self._connect(cells, workers)
        room = max(1, sum(self._room(node, cells[0]) for node in self._nodes()))
        return min(room, workers or room, len(cells))

    def paces(
        self, cells: Sequence[Cell], workers: int | None, prepare_process: Callable[[], None]
    ) -> list[Pace | None]:
        paces, at_a_time = [], self.at_a_time(cells, workers)
        for begin in range(0, len(cells), at_a_time):
            some = cells[begin : begin + at_a_time]
            paces += [self._pace(task) for task in [self._submit(time_on_node, prepare_process, cell) for cell in some]]
        return paces

    def train(
        self,
        cells: Sequence[Cell],
        workers: int | None,
        prepare_process: Callable[[], None],
        on_epoch: OnEpoch,
    ) -> Iterator[Ended]:
        self._connect(cells, workers)
        epochs = _Epochs(cells, on_epoch)
        waiting, locked_since, due = deque(cells), {}, {}  # cells; cell → when that was, and when it is tried again
        while waiting or due or self._running:
            for cell in [cell for cell, moment in due.items() if moment <= time.monotonic()]:
                del due[cell]
                waiting.append(cell)
            while waiting and (workers is None or len(self._running) < workers):
                cell = waiting.popleft()
                self._submit(train_on_node, prepare_process, cell, pathlib.Path(os.path.abspath(cell.run)))
            for task, cell in self._ended():
                ended = self._outcome(task, cell)
                now = time.monotonic()
                if ended.elsewhere:
                    locked_since.setdefault(cell, now)
                # locked by another of these cells, which starts from it, or by a process of a node that is gone
                others = set(self._running.values()) - set(locked_since)
                if ended.elsewhere and (others or now < locked_since[cell] + LEASE):
                    due[cell] = now + _AGAIN
                else:
                    yield ended
            epochs.look(self._running.values())

    def _connect(self, cells: Sequence[Cell], workers: int | None) -> None:
        """Joins or starts the cluster, and makes sure that it can take the cells."""
        if self._leave is not None or not cells:
            return
        if self._ray.is_initialized() and self.address is None:
            self._leave = _keep_cluster
        else:
            self._init(max(cell.config.threads for cell in cells), workers)
            self._leave = self._ray.shutdown
        self._gpus = self.gpus_per_cell
        if self._gpus is None:
            self._gpus = 1 if self._ray.cluster_resources().get("GPU") else 0
        for cell in cells:
            self._check_room(cell)

    def _init(self, threads: int, workers: int | None) -> None:
        if self.address is None:
            cpus = threads * workers if workers else max(cores(), threads)
            options = {"address": "local", "num_cpus": cpus, "object_store_memory": _STORE, "include_dashboard": False}
        else:
            options = {"address": self.address}
        try:
            if self.address not in (None, "auto"):
                _refuse_unreachable(self.address)
            self._ray.init(**options, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, ValueError, RuntimeError, OSError, self._ray.exceptions.RayError) as error:
            where = {None: "Ray cannot start a cluster here", "auto": "no Ray cluster runs on this machine"}
            where = where.get(self.address, f"no Ray cluster answers at {self.address}")
            reason = "ray start --head starts one" if self.address == "auto" else _said(error)
            raise TfcrError(f"{where} ({reason})") from None

    def _nodes(self) -> list[dict]:
        return [node for node in self._ray.nodes() if node["Alive"]]

    def _room(self, node: Mapping[str, Any], cell: Cell) -> int:
        """How many such cells fit on a node."""
        room = int(node["Resources"].get("CPU", 0) // cell.config.threads)
        gpus = node["Resources"].get("GPU", 0)
        if not self._gpus:
            return room
        if self._gpus <= 1:  # a fraction is of one GPU
            return min(room, int(gpus) * int(1 / self._gpus + 1e-9))
        return min(room, int(gpus // self._gpus))

    def _check_room(self, cell: Cell) -> None:
        """Ray would wait for ever for a node that can take the cell."""
        nodes = self._nodes()
        if any(self._room(node, cell) for node in nodes):
            return
        has = "; ".join(
            f"{node['NodeManagerHostname']} has {_count(node['Resources'], 'CPU', 'GPU')}" for node in nodes
        )
        wanted = _count({"CPU": cell.config.threads, "GPU": self._gpus}, *(("CPU", "GPU") if self._gpus else ("CPU",)))
        raise TfcrError(
            f"no node of the Ray cluster has the {wanted} of a training ({has}); "
            "lower --threads or --gpus-per-cell, or start a larger node"
        )

    def _submit(self, function: Callable, prepare_process: Callable[[], None], cell: Cell, *further: pathlib.Path):
        """Starts a task for a cell; its paths hold in any folder."""
        if function not in self._remote:
            self._remote[function] = self._ray.remote(max_calls=1 if self._gpus else 0)(function)
        # Ray takes a process again for a task of the same variables alone: never for one of other threads
        variables = {"OMP_NUM_THREADS": str(cell.config.threads), "TF_NUM_INTRAOP_THREADS": str(cell.config.op_threads)}
        if not self._gpus:
            variables["CUDA_VISIBLE_DEVICES"] = ""
        options = {
            "name": cell.run.name,
            "num_cpus": cell.config.threads,
            "num_gpus": self._gpus,
            "max_retries": RETRIES,
            "runtime_env": {"env_vars": variables},
        }
        data = pathlib.Path(os.path.abspath(cell.data))
        if data not in self._datasets:
            self._datasets[data] = open_dataset(data)
        config = on_dataset(resolve(cell.config), self._datasets[data])  # a node that has another dataset refuses
        if cell.split_file not in self._split_files:  # one object for all cells
            self._split_files[cell.split_file] = self._ray.put(cell.split_file)
        split_file = self._split_files[cell.split_file]
        arguments = prepare_process, versions(), self._marker(cell), config, data, split_file, *further
        task = self._remote[function].options(**options).remote(*arguments)
        self._running[task] = cell
        return task

    def _marker(self, cell: Cell) -> pathlib.Path:
        """A file in the folder of the runs, by which a node knows that it sees this very folder."""
        folder = pathlib.Path(os.path.abspath(cell.run.parent))
        if folder not in self._markers:
            marker = folder / f".shared-{secrets.token_hex(6)}.tmp"
            files.write_text(
                marker, "Nodes of a Ray cluster look for this file; the command that wrote it removes it.\n"
            )
            self._markers[folder] = marker
        return self._markers[folder]

    def _ended(self) -> list[tuple[Any, Cell]]:
        """The tasks that have ended, after a while at most."""
        if not self._running:
            time.sleep(_LOOKS)
            return []
        running = list(self._running)
        ended, _ = self._ray.wait(running, num_returns=1, timeout=_LOOKS)
        return [(task, self._running.pop(task)) for task in ended]

    def _outcome(self, task, cell: Cell) -> Ended:
        try:
            ended, node = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            return Ended(cell, self._why(error))
        if not (ended.failure or ended.elsewhere) and not _appears(cell):
            failure = f"node {node} has trained it, and it is not seen here; expected a folder that all nodes share"
            return Ended(cell, failure)
        return replace(ended, cell=cell)

    def _why(self, error: Exception) -> str:
        """One line for a task that came to no end of its own."""
        kinds = self._ray.exceptions
        cause = getattr(error, "cause", None)
        if isinstance(cause, TfcrError):
            return str(cause)
        if isinstance(error, kinds.WorkerCrashedError | kinds.NodeDiedError | kinds.OutOfMemoryError):
            times = f"its process or node died {RETRIES + 1} times"
            return f"{times}; if a memory was full, take fewer --workers; the same command goes on"
        return f"Ray gave it up ({_said(cause or error)}); the same command goes on"

    def _pace(self, task) -> Pace | None:
        try:
            return self._ray.get(task)
        except self._ray.exceptions.RayError:
            return None  # the training will say why
        finally:
            self._running.pop(task, None)


class _Epochs:
    """Tells of the epochs that cells have on other nodes, by their checkpoints."""

    def __init__(self, cells: Sequence[Cell], on_epoch: OnEpoch):
        self.on_epoch = on_epoch
        self.told = {cell: _state(cell).epochs for cell in cells}  # by an earlier call
        self.looked = time.monotonic()

    def look(self, cells: Iterable[Cell]) -> None:
        if time.monotonic() < self.looked + _EPOCH_LOOKS:
            return
        self.looked = time.monotonic()
        for cell in cells:
            state = _state(cell)
            for epochs in range(self.told[cell] + 1, state.epochs + 1):
                self.on_epoch(cell, state.history[:epochs], state.best_epoch)
            self.told[cell] = max(state.epochs, self.told[cell])


def _state(cell: Cell) -> State:
    try:
        return Checkpoint(cell.run).load()
    except TfcrError:  # it has ended meanwhile
        return State()


def import_ray() -> ModuleType:
    """Ray, which is not to report to its makers unless the user wants that.

    Raises:
        TfcrError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise missing_extra("--backend ray", error.name, "ray") from None
    return ray


def _is_share(gpus: float) -> bool:
    """Whether Ray can give so many GPUs to a task."""
    return gpus == 0 or _FINEST <= gpus <= 1 or (1 < gpus < math.inf and gpus % 1 == 0)


def _refuse_unreachable(address: str) -> None:
    """Raises an `OSError` where nothing listens; Ray itself would wait some fifteen minutes for it."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()


def _keep_cluster() -> None:
    """Leaves a cluster running that the caller had connected to already."""


def _appears(cell: Cell) -> bool:
    """Whether the results are seen here; other machines' files may be seen late, and sooner once a folder is listed."""
    until = time.monotonic() + _APPEARS
    while not cell.is_done:
        if time.monotonic() > until:
            return False
        time.sleep(_LOOKS)
        with contextlib.suppress(OSError):
            os.listdir(cell.run.parent), os.listdir(cell.run)
    return True


def _count(resources: Mapping[str, float], *kinds: str) -> str:
    numbers = [(resources.get(kind, 0), kind) for kind in kinds]
    return " and ".join(f"{number:g} {kind}{'' if number == 1 else 's'}" for number, kind in numbers)


def _said(error: BaseException) -> str:
    """An error's message in one line; of a long one, as Ray's may be, the beginning and the end."""
    message = " ".join(str(error).split()) or type(error).__name__
    return message if len(message) <= 2 * _SHOWN else f"{message[:_SHOWN]} … {message[-_SHOWN:]}"
