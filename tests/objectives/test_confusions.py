"""Recall, precision and F1 of confusion matrices, against scikit-learn and by hand."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import f1_score, precision_score

from tfcr.objectives import confusions, metrics

CLASSES = 4
ANSWERS = st.integers(1, 25).flatmap(lambda n: hnp.arrays(np.int64, (2, n), elements=st.integers(0, CLASSES - 1)))


@given(ANSWERS)
@settings(max_examples=40)
def test_f1_and_precision_are_scikit_learns_with_classes_that_lack(drawn):
    labels, predicted = drawn
    matrix = metrics.confusion(labels, np.eye(CLASSES)[predicted])
    occurring = np.unique(labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class that is never predicted
        macro = f1_score(labels, predicted, labels=occurring, average="macro")
        by_class = f1_score(labels, predicted, labels=range(CLASSES), average=None)
    assert confusions.macro_f1(matrix) == pytest.approx(macro)
    assert confusions.weighted_f1(matrix) == pytest.approx(f1_score(labels, predicted, average="weighted"))
    expected = np.where(np.isin(range(CLASSES), labels), by_class, np.nan)
    np.testing.assert_allclose(confusions.f1s(matrix), expected)
    precision = precision_score(labels, predicted, labels=range(CLASSES), average=None, zero_division=np.nan)
    np.testing.assert_allclose(confusions.precisions(matrix), precision)
    found = metrics.evaluation(labels, np.eye(CLASSES)[predicted], None, None, "abcd", {})
    assert (found["macro_f1"], found["weighted_f1"]) == pytest.approx(
        (confusions.macro_f1(matrix), confusions.weighted_f1(matrix))
    )
    for name, values in (("f1", confusions.f1s(matrix)), ("precision", confusions.precisions(matrix))):
        np.testing.assert_allclose([np.nan if one is None else one for one in found[name].values()], values)


def test_a_stack_of_matrices_by_hand_one_without_its_last_class():
    # First: recalls 1/2, 1; precisions 1, 2/3; F1 = 2 · 1/(2 + 1), 2 · 2/(2 + 3). Second: the class 1 does not occur,
    # though it is predicted once, and counts in no mean.
    stack = np.array([[[1, 1], [0, 2]], [[3, 1], [0, 0]]])
    np.testing.assert_allclose(confusions.recalls(stack), [[1 / 2, 1], [3 / 4, np.nan]])
    np.testing.assert_allclose(confusions.precisions(stack), [[1, 2 / 3], [1, 0]])
    np.testing.assert_allclose(confusions.f1s(stack), [[2 / 3, 4 / 5], [6 / 7, np.nan]])
    np.testing.assert_allclose(confusions.mean_recall(stack), [3 / 4, 3 / 4])
    np.testing.assert_allclose(confusions.macro_f1(stack), [(2 / 3 + 4 / 5) / 2, 6 / 7])
    np.testing.assert_allclose(confusions.weighted_f1(stack), [(2 / 3 + 4 / 5) / 2, 6 / 7])
