"""What a comparison of two systems shows: intervals and tests, two systems on the same test parts, and a conclusion.

All that others may use is imported from here. `docs/conclusions.md` says why these statistics. No TensorFlow.
"""

from tfcr.statistics.agreement import MIN_SEEDS, MIN_SPEAKERS, Agreement, Cell
from tfcr.statistics.clusters import (
    CONFIDENCE,
    MIN_CLUSTERS,
    Clusters,
    Interval,
    bootstrap_interval,
    dialogues,
    holm,
    joined,
    sign_flip_test,
    t_interval,
)
from tfcr.statistics.comparison import Comparison, Pooled, SeedDifference, compare, pool
from tfcr.statistics.graded import GradedComparison, compare_graded, corrected
from tfcr.statistics.matrices import Estimate, bootstrap_intervals, cluster_matrices, exchange_tests
from tfcr.statistics.sentences import caveats, conclusion, finding, interval_in_words, p_in_words
from tfcr.statistics.utterances import (
    LEVEL,
    McNemar,
    mcnemar,
    mcnemar_from_margins,
    most_changes_for_significance,
    wilson_interval,
)

__all__ = [
    "CONFIDENCE",
    "LEVEL",
    "MIN_CLUSTERS",
    "MIN_SEEDS",
    "MIN_SPEAKERS",
    "Agreement",
    "Cell",
    "Clusters",
    "Comparison",
    "Estimate",
    "GradedComparison",
    "Interval",
    "McNemar",
    "Pooled",
    "SeedDifference",
    "bootstrap_interval",
    "bootstrap_intervals",
    "caveats",
    "cluster_matrices",
    "compare",
    "compare_graded",
    "conclusion",
    "corrected",
    "dialogues",
    "exchange_tests",
    "finding",
    "holm",
    "interval_in_words",
    "joined",
    "mcnemar",
    "mcnemar_from_margins",
    "most_changes_for_significance",
    "p_in_words",
    "pool",
    "sign_flip_test",
    "t_interval",
    "wilson_interval",
]
