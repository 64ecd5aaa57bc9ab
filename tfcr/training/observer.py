"""What a training tells while it runs: its start, steps and epochs, to a progress display for instance."""

import pathlib
from collections.abc import Mapping, Sequence

from tfcr.training.checkpoint import State


class Observer:
    """Its methods are called as a training proceeds; here they do nothing, and subclasses override them."""

    def started(self, run: pathlib.Path, sizes: Mapping[str, int], steps: int, epochs: int, done: int) -> None:
        """Training begins, or goes on after `done` epochs, with at most `epochs` of `steps` steps."""

    def waiting(self, run: pathlib.Path) -> None:
        """Another process trains this run, which has to be finished first."""

    def environment_changed(self, run: pathlib.Path, changes: Sequence[str]) -> None:
        """A resumed training runs in another environment than before; `changes` says in words what differs."""

    def on_gpu(self, run: pathlib.Path, found: str) -> None:
        """A training begins on a GPU, whose kernels were checked, or beside one that is not seen; in words."""

    def mirrored(self, devices: Sequence[str]) -> None:
        """A training that is mirrored begins on these devices."""

    def step(self, epoch: int, step: int) -> None:
        """A step of an epoch has ended; both count from 0."""

    def epoch(self, row: Mapping[str, float], state: State) -> None:
        """An epoch has ended; `row` is its line of `history.csv`, with its `seconds` and `seconds_waiting` for data."""
