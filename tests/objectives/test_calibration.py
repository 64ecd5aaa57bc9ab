"""Expected calibration error by hand, and the temperature against the one that made the scores."""

import numpy as np
import pytest

from tfcr.objectives.calibration import BINS, calibration_error, confidences, fit_temperature, reliability


def logits_of(*confidences):
    """Of two classes, the first said with these confidences."""
    sure = np.array(confidences)
    return np.log(np.stack([sure, 1 - sure], axis=1))


def test_the_expected_calibration_error_by_hand():
    # Bins are 1/15 wide. 0.62 and 0.65 lie in (0.6, 0.667], where one of both is right: |1/2 - 0.635|; 0.95 lies in
    # (0.933, 1] and is wrong: |0 - 0.95|. Weighted by 2/3 and 1/3.
    labels = np.array([0, 1, 1])
    expected = (2 * abs(0.5 - 0.635) + 0.95) / 3
    assert calibration_error(labels, logits_of(0.62, 0.65, 0.95)) == pytest.approx(expected)


def test_a_bin_holds_its_upper_end_and_the_last_one_certainty():
    found = reliability(np.array([True, False, True]), np.array([1 / 15, 1 / 15 + 1e-9, 1.0]))
    assert found.count.tolist() == [1, 1, *[0] * (BINS - 3), 1]
    assert np.isnan(found.accuracy[2]) and found.accuracy[-1] == 1
    # errors 14/15, 1/15 and 0 of the three
    assert found.error == pytest.approx((14 / 15 + 1 / 15) / 3)


def test_the_temperature_divides_the_scores():
    assert confidences(np.array([[2.0, 0.0]]), temperature=2) == pytest.approx(np.e / (np.e + 1))


def test_the_temperature_that_made_the_scores_too_sure_is_found_and_mends_the_error():
    random = np.random.default_rng(0)
    scores = random.normal(0, 2, (20_000, 3))
    cumulative = np.exp(scores).cumsum(axis=1)
    labels = (random.random((20_000, 1)) * cumulative[:, -1:] > cumulative).sum(axis=1)  # drawn by softmax(scores)
    assert fit_temperature(labels, 3 * scores) == pytest.approx(3, rel=0.05)
    assert calibration_error(labels, 3 * scores) > 0.1
    assert calibration_error(labels, 3 * scores, fit_temperature(labels, 3 * scores)) < 0.02


def test_scores_that_are_always_right_get_a_small_temperature_within_its_limits():
    labels = np.array([0, 1])
    assert 0.01 <= fit_temperature(labels, np.eye(2)) < 0.05
