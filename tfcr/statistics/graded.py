"""Two systems over grades of something, say of noise: an utterance is not right or wrong but right at a share of them.

Differences are after minus before, fractions from -1 to 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tfcr.errors import TfcrError
from tfcr.statistics.clusters import Interval, sign_flip_test, t_interval
from tfcr.statistics.comparison import MIN_SEEDS, MIN_SPEAKERS, Cell, agree_on


@dataclass(frozen=True)
class GradedComparison:
    """After minus before on the folds and seeds both have; the rules are those of `Comparison`.

    Attributes:
        cells: (fold, seed), sorted.
        by_speaker: every speaker's mean difference, each utterance averaged over its fold's seeds.
        effect: the mean of `by_speaker`: all speakers weigh the same.
        interval: 95 % t interval of `effect` over speakers; None under `MIN_SPEAKERS`.
        p: sign-flip test over speakers; None under `MIN_SPEAKERS`.
        by_seed: seed → the mean difference over the utterances of its folds.
        seeds: how many have every fold.
        seed_interval: 95 % t interval of the mean over those; None with one.
    """

    cells: tuple[Cell, ...]
    by_speaker: Mapping[str, float]
    effect: float
    interval: Interval | None
    p: float | None
    by_seed: Mapping[int, float]
    seeds: int
    seed_interval: Interval | None

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
        return agree_on(self.effect, self.p, self.seed_interval if not self.has_few_seeds else None)


def compare_graded(
    before: Mapping[Cell, np.ndarray], after: Mapping[Cell, np.ndarray], speakers: Mapping[int, np.ndarray]
) -> GradedComparison:
    """Two systems on the folds and seeds both have.

    Args:
        before, after: by (fold, seed), float [utterances of the fold]: how much each is right, from 0 to 1.
        speakers: fold → str [utterances].

    Raises:
        TfcrError: they share no fold and seed.
    """
    cells = sorted(before.keys() & after.keys())
    if not cells:
        raise TfcrError("the two systems share no fold and seed; expected at least one; train both on the same folds")
    folds = sorted({fold for fold, _ in cells})
    change = {cell: after[cell] - before[cell] for cell in cells}
    of_fold = [np.mean([change[cell] for cell in cells if cell[0] == fold], axis=0) for fold in folds]
    names, speaker = np.unique(np.concatenate([speakers[fold] for fold in folds]), return_inverse=True)
    means = np.bincount(speaker, weights=np.concatenate(of_fold)) / np.bincount(speaker)
    by_seed = {
        seed: float(np.concatenate([change[cell] for cell in cells if cell[1] == seed]).mean())
        for seed in sorted({seed for _, seed in cells})
    }
    complete = [seed for seed in by_seed if [fold for fold, each in cells if each == seed] == folds]
    testable = len(names) >= MIN_SPEAKERS
    return GradedComparison(
        cells=tuple(cells),
        by_speaker=dict(zip(names.tolist(), means.tolist(), strict=True)),
        effect=float(means.mean()),
        interval=t_interval(means) if testable else None,
        p=sign_flip_test(means) if testable else None,
        by_seed=by_seed,
        seeds=len(complete),
        seed_interval=t_interval(np.array([by_seed[seed] for seed in complete])),
    )
