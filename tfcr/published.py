"""The papers' printed figures, as data: what every reproduction is held against. Loads nothing.

The integer counts were recovered from the printed percentages: only the 1,107-utterance test set below yields all of
them. They are facts about Table 1 and Fig. 2, not measurements of this package.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

QIAN_HAN_2021 = (
    "F. Qian and J. Han, “Contrastive regularization for multimodal emotion recognition using audio and text”, 2021"
)
WANG_2020 = "J. Wang et al., “Speech emotion recognition with dual-sequence LSTM architecture”, ICASSP 2020"
YOON_2018 = "S. Yoon, S. Byun and K. Jung, “Multimodal speech emotion recognition using audio and text”, SLT 2018"
YOON_2019 = "S. Yoon et al., “Speech emotion recognition using multi-hop attention mechanism”, ICASSP 2019"

CORPUS_SIZES: Mapping[str, int] = MappingProxyType({"neutral": 1708, "happiness": 1636, "sadness": 1084, "anger": 1103})
TEST_SIZES: Mapping[str, int] = MappingProxyType({"neutral": 365, "happiness": 311, "sadness": 213, "anger": 218})
SPLIT_SIZES: Mapping[str, int] = MappingProxyType({"train": 3981, "validation": 443, "test": 1107})
PROTOCOL, FOLD = "authors", 0  # the protocol and fold that rebuild this test set

BASELINE_CORRECT = 826  # of 1,107: WA 74.62
PROPOSED_CORRECT = 842  # of 1,107: WA 76.06
GAIN = PROPOSED_CORRECT - BASELINE_CORRECT  # utterances
MOST_CHANGES_FOR_SIGNIFICANCE = 58  # with more utterances changing sides, a net 16 is not significant (McNemar, 5 %)


@dataclass(frozen=True)
class PublishedRow:
    """One row of Table 1.

    Attributes:
        name: as the paper prints it.
        system, alpha: the same system in this package's words.
        wa, ua: percentages as printed; `ua` is None where the table has a dash.
        measured: how the figure came about.
        source: where the row's system was published.
        on_test_set: whether it was measured on the test set of `TEST_SIZES`.
    """

    name: str
    system: str
    alpha: float
    wa: float
    ua: float | None
    measured: str
    source: str
    on_test_set: bool = False


TABLE_1 = (
    PublishedRow(
        name="Model-level fusion (Baseline)",
        system="fusion",
        alpha=0.0,
        wa=74.62,
        ua=75.92,
        measured="one speaker-dependent split, 1,107 test utterances",
        source=QIAN_HAN_2021,
        on_test_set=True,
    ),
    PublishedRow(
        name="Contrastive regularization (Proposed)",
        system="fusion",
        alpha=0.1,
        wa=76.06,
        ua=77.45,
        measured="the same split, 1,107 test utterances",
        source=QIAN_HAN_2021,
        on_test_set=True,
    ),
    PublishedRow(
        name="DS-LSTM",
        system="ds-lstm",
        alpha=0.0,
        wa=72.7,
        ua=73.3,
        measured="5 random folds, no validation set, best test epoch",
        source=WANG_2020,
    ),
    PublishedRow(
        name="MDRE",
        system="mdre",
        alpha=0.0,
        wa=71.8,
        ua=None,
        measured="5 random utterance folds (80/6/14); probably precision, not accuracy",
        source=YOON_2018,
    ),
    PublishedRow(
        name="MHA-2",
        system="mha-2",
        alpha=0.0,
        wa=76.5,
        ua=77.6,
        measured="its own folds; probably precision, not accuracy",
        source=YOON_2019,
    ),
)


@dataclass(frozen=True)
class PublishedCell:
    """A cell of Fig. 2 that the text prints (Sec. 4.4).

    Attributes:
        true: the row's emotion.
        predicted: the column's; None where the text says only "another emotion".
        baseline, proposed: utterances.
        printed: the two percentages as printed.
    """

    true: str
    predicted: str | None
    baseline: int
    proposed: int
    printed: tuple[float, float]


FIGURE_2 = (
    PublishedCell("neutral", "neutral", 251, 251, (68.77, 68.77)),
    PublishedCell("neutral", "happiness", 53, 60, (14.52, 16.44)),
    PublishedCell("happiness", None, 50, 44, (16.08, 14.15)),
    PublishedCell("anger", None, 24, 21, (11.01, 9.63)),
)


def is_test_set(sizes: Mapping[str, int]) -> bool:
    """Whether a test part has as many utterances of every emotion as that of Table 1."""
    return dict(sizes) == dict(TEST_SIZES)


def table_1_row(system: str, alpha: float) -> PublishedRow | None:
    """The row of Table 1 for a system at an alpha, if the paper prints one."""
    return next((row for row in TABLE_1 if (row.system, row.alpha) == (system, alpha)), None)
