"""What a training needs to go on after it was killed, on the disk whole or not at all.

Each epoch leaves its weights (the optimiser's included) and then a small state file that names them; the state file is
what counts, so a kill between the two changes nothing. Seeds are functions of (seed, epoch) and need no saving.
"""

import dataclasses
import io
import pathlib
from dataclasses import dataclass, field

import keras

from tfcr import files

_FOLDER = "checkpoints"
_STATE = "state.json"


@dataclass
class State:
    """A training after some epochs.

    Attributes:
        history: one dictionary an epoch.
        best_epoch: the epoch, counted from 1, whose weights are kept; 0 before the first.
        best_value: the watched value of that epoch, larger is better.
        environments: where it was trained (`tfcr.training.environment`).
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_value: float | None = None
    environments: list[dict] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """How many are done."""
        return len(self.history)


class Checkpoint:
    """The checkpoint of one run.

    Args:
        run: the run's folder.
    """

    def __init__(self, run: pathlib.Path):
        self.folder = run / _FOLDER

    def load(self) -> State:
        """The state as it was saved last; a new one where there is none."""
        if not (self.folder / _STATE).is_file():
            return State()
        return State(**files.read_json(self.folder / _STATE))

    def save(self, model: keras.Model, state: State) -> None:
        """Saves the model after the last epoch of `state`, and keeps the best epoch's weights beside it."""
        save_weights(model, self.last_weights(state))
        if state.best_epoch == state.epochs:
            save_weights(model.network, self.best_weights(state))
        files.write_json(self.folder / _STATE, dataclasses.asdict(state))
        kept = {self.last_weights(state), self.best_weights(state), self.folder / _STATE}
        for path in set(self.folder.iterdir()) - kept:
            path.unlink()

    def last_weights(self, state: State) -> pathlib.Path:
        """Where the weights of model and optimiser after the last epoch lie."""
        return self.folder / f"last-{state.epochs:04d}.weights.h5"

    def best_weights(self, state: State) -> pathlib.Path:
        """Where the weights of the network after the best epoch lie."""
        return self.folder / f"best-{state.best_epoch:04d}.weights.h5"

    def clear(self) -> None:
        """Removes the checkpoint of a finished run."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                path.unlink()
            self.folder.rmdir()


def save_weights(model: keras.Model, path: pathlib.Path) -> None:
    """Saves weights whole or not at all.

    They are put together in memory: where a disk is full, HDF5 loses its hold on a file and ends the process.

    Raises:
        NoRoomError: the disk is full.
    """
    content = _InMemory()
    model.save_weights(content)
    with files.written_whole(path) as temporary:
        temporary.write_bytes(content.getvalue())  # a view held by a traceback crashes Python 3.12


class _InMemory(io.BytesIO):
    """A file in memory, by whose name Keras knows it for one of weights."""

    def __str__(self):
        return "in-memory.weights.h5"
