"""WA, UA and conflicts, against scikit-learn and by hand."""

import json
import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from tfcr.objectives import metrics
from tfcr.schema import EMOTIONS

CLASSES = len(EMOTIONS)


@st.composite
def predictions(draw):
    labels = draw(hnp.arrays(np.int64, st.integers(1, 30), elements=st.integers(0, CLASSES - 1)))
    logits = draw(hnp.arrays(np.float32, (len(labels), CLASSES), elements=st.floats(-9, 9, width=32)))
    return labels, logits


@given(predictions())
def test_wa_and_ua_are_scikit_learns_accuracy_and_balanced_accuracy(drawn):
    labels, logits = drawn
    assert metrics.weighted_accuracy(labels, logits) == pytest.approx(accuracy_score(labels, logits.argmax(1)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a predicted class that never occurs
        expected = balanced_accuracy_score(labels, logits.argmax(1))
    assert metrics.unweighted_accuracy(labels, logits) == pytest.approx(expected)


@given(predictions())
def test_a_class_that_does_not_occur_has_no_recall_and_is_named(drawn):
    labels, logits = drawn
    found = metrics.evaluation(labels, logits, None, None, EMOTIONS, {})
    absent = [name for label, name in enumerate(EMOTIONS) if label not in labels]
    assert found["absent"] == absent
    assert [name for name, recall in found["recall"].items() if recall is None] == absent
    occurring = [recall for recall in found["recall"].values() if recall is not None]
    assert found["ua"] == pytest.approx(np.mean(occurring))
    json.dumps(found, allow_nan=False)
    assert np.sum(found["confusion"]) == len(labels)


def one_hot(*labels):
    return np.eye(CLASSES, dtype=np.float32)[list(labels)]


def test_an_evaluation_by_hand():
    # true 0 0 0 1 2, predicted 0 0 1 1 0: WA 3/5; recalls 2/3, 1, 0; UA (2/3 + 1 + 0)/3 = 5/9; no anger.
    # Precisions 2/3, 1/2, none, none; F1 = 2 right / (true + predicted): 4/6, 2/3, 0; macro 4/9; weighted by 3, 1, 1:
    # (3 · 2/3 + 2/3 + 0)/5 = 8/15. Every confidence is e/(e + 3), and 3/5 are right. At temperature 1/log 3 it is 1/2.
    labels = np.array([0, 0, 0, 1, 2])
    audio, text = one_hot(0, 0, 1, 2, 0), one_hot(0, 0, 1, 1, 3)
    logits = one_hot(0, 0, 1, 1, 0)
    means = {"audio_logits": np.zeros(4), "text_logits": np.zeros(4)}
    assert metrics.evaluation(labels, logits, audio, text, EMOTIONS, means, temperature=1 / math.log(3)) == {
        "wa": pytest.approx(3 / 5),
        "ua": pytest.approx(5 / 9),
        "recall": {"neutral": pytest.approx(2 / 3), "happiness": 1, "sadness": 0, "anger": None},
        "macro_f1": pytest.approx(4 / 9),
        "weighted_f1": pytest.approx(8 / 15),
        "precision": {"neutral": pytest.approx(2 / 3), "happiness": 0.5, "sadness": None, "anger": None},
        "f1": {"neutral": pytest.approx(2 / 3), "happiness": pytest.approx(2 / 3), "sadness": 0, "anger": None},
        "confusion": [[2, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]],
        "conflict_rate": pytest.approx(2 / 5),  # the last two
        "conflict_rate_centred": pytest.approx(2 / 5),
        "wa_audio": pytest.approx(2 / 5),  # audio is right on the first two
        "wa_text": pytest.approx(3 / 5),  # text also on the fourth
        "ece": pytest.approx(3 / 5 - math.e / (math.e + 3)),
        "ece_scaled": pytest.approx(3 / 5 - 1 / 2),
        "absent": ["anger"],
    }


def test_conflicts_by_hand():
    assert metrics.conflicts(one_hot(0, 1, 2, 3), one_hot(0, 1, 3, 3)).tolist() == [False, False, True, False]


@given(hnp.arrays(np.int64, (2, CLASSES), elements=st.integers(-50, 50)))
def test_the_centred_rate_does_not_see_an_offset_that_moves_between_the_scores(offsets):
    # s = (s_a + c) + (s_t - c): whole numbers, so that no rounding breaks a tie
    rng = np.random.default_rng(0)
    labels = np.arange(12) % CLASSES
    audio, text = rng.permuted(np.arange(2 * 12 * CLASSES)).reshape(2, 12, CLASSES).astype(float)

    def centred(a, t):
        means = {"audio_logits": a[:4].mean(0), "text_logits": t[:4].mean(0)}
        return metrics.evaluation(labels, a + t, a, t, EMOTIONS, means)["conflict_rate_centred"]

    assert centred(audio + offsets[0], text + offsets[1]) == centred(audio, text)


def test_the_centred_rate_by_hand():
    # as they are: argmax s_a = 0 0 and argmax s_t = 1 1, two conflicts. Less the training means (1, 0, 0, 0) and
    # (0, 1, 0, 0): s_a' = (1, 0, ...), (0, .5, ...) → 0, 1 and s_t' = (0, 1, ...), (0, 1, ...) → 1, 1; one conflict
    audio = np.array([[2, 0, 0, 0], [1, 0.5, 0, 0]])
    text = np.array([[0, 2, 0, 0], [0, 2, 0, 0]])
    means = {"audio_logits": np.array([1, 0, 0, 0]), "text_logits": np.array([0, 1, 0, 0])}
    found = metrics.evaluation(np.array([0, 1]), audio + text, audio, text, EMOTIONS, means)
    assert (found["conflict_rate"], found["conflict_rate_centred"]) == (1, 0.5)


def test_a_modality_that_says_nothing_is_in_conflict_with_none():
    silent = np.zeros((2, 4))
    assert not metrics.conflicts(one_hot(1, 2), silent).any()
    assert not metrics.conflicts(silent, one_hot(1, 2)).any()
    # less its training mean an empty transcript would name an emotion; it does not
    means = {"audio_logits": np.zeros(4), "text_logits": np.array([0.0, 1, 0, 0])}
    assert not metrics.conflicts(one_hot(1, 2), silent, means).any()


@pytest.mark.parametrize("missing", ["audio", "text"])
def test_one_modality_has_no_conflicts(missing):
    logits = one_hot(0, 1)
    parts = {"audio": logits, "text": logits, missing: None}
    found = metrics.evaluation(np.array([0, 1]), logits, parts["audio"], parts["text"], EMOTIONS, {})
    assert found["conflict_rate"] is found["conflict_rate_centred"] is found[f"wa_{missing}"] is None


def test_metrics_load_no_tensorflow():
    code = "import sys, tfcr.objectives.metrics; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
