"""When two systems differ: the rules that every comparison of them keeps.

Differences are after minus before, fractions from -1 to 1.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tfcr.statistics.clusters import Interval
from tfcr.statistics.utterances import LEVEL

Cell = tuple[int, int]  # fold, seed

MIN_SPEAKERS = 8  # for a test over speakers; fewer are only described
MIN_SEEDS = 5  # for a conclusion about systems and not only about trained models


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far speakers and seeds agree on a difference, on the folds and seeds that both systems have.

    Attributes:
        cells: (fold, seed), sorted.
        by_speaker: every speaker's mean difference; each utterance counts once, averaged over its fold's seeds.
        effect: the primary estimate, the mean of `by_speaker`: all speakers weigh the same.
        interval: 95 % t interval of `effect` over speakers; None under `MIN_SPEAKERS`.
        p: sign-flip test over speakers; None under `MIN_SPEAKERS`.
        seed_interval: 95 % t interval of the mean over the seeds that have every fold; None with one such seed.
    """

    cells: tuple[Cell, ...]
    by_speaker: Mapping[str, float]
    effect: float
    interval: Interval | None
    p: float | None
    seed_interval: Interval | None

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds, ascending."""
        return tuple(sorted({fold for fold, _ in self.cells}))

    @property
    def seeds(self) -> int:
        """The number of seeds that have every fold."""
        return len(complete_seeds(self.cells))

    @property
    def is_descriptive(self) -> bool:
        """Whether there are too few speakers for a test."""
        return len(self.by_speaker) < MIN_SPEAKERS

    @property
    def has_few_seeds(self) -> bool:
        """Whether there are too few seeds to say anything of the systems behind the trained models."""
        return self.seeds < MIN_SEEDS

    @property
    def is_agreed_on(self) -> bool:
        """Whether the speakers agree on a difference, and so do the seeds where there are enough of them."""
        if self.p is None or self.p >= LEVEL:
            return False
        if self.has_few_seeds or self.seed_interval is None:
            return True
        low, high = self.seed_interval
        return (low if self.effect > 0 else -high) > 0


def complete_seeds(cells: Iterable[Cell]) -> list[int]:
    """The seeds that have every fold, ascending."""
    cells = set(cells)
    folds, seeds = {fold for fold, _ in cells}, {seed for _, seed in cells}
    return sorted(seed for seed in seeds if all((fold, seed) in cells for fold in folds))
