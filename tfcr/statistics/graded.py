"""Two systems over grades of something, say of noise: an utterance is not right or wrong but right at a share of them.

Differences are after minus before, fractions from -1 to 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tfcr.errors import TfcrError
from tfcr.statistics.agreement import MIN_SPEAKERS, Agreement, Cell, complete_seeds
from tfcr.statistics.clusters import holm, sign_flip_test, t_interval


@dataclass(frozen=True, kw_only=True)
class GradedComparison(Agreement):
    """After minus before on the folds and seeds both have.

    Attributes:
        by_seed: seed → the mean difference over the utterances of its folds.
    """

    by_seed: Mapping[int, float]


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
    testable = len(names) >= MIN_SPEAKERS
    return GradedComparison(
        cells=tuple(cells),
        by_speaker=dict(zip(names.tolist(), means.tolist(), strict=True)),
        effect=float(means.mean()),
        interval=t_interval(means) if testable else None,
        p=sign_flip_test(means) if testable else None,
        by_seed=by_seed,
        seed_interval=t_interval(np.array([by_seed[seed] for seed in complete_seeds(cells)])),
    )


def corrected(comparisons: Sequence[GradedComparison]) -> list[GradedComparison]:
    """The same, their p corrected for their number (Holm 1979); of too few speakers, which they share, none has one."""
    p_values = [comparison.p for comparison in comparisons if comparison.p is not None]
    if not p_values:
        return list(comparisons)
    return [replace(comparison, p=p) for comparison, p in zip(comparisons, holm(p_values), strict=True)]
