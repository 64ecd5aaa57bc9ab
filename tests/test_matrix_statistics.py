"""Intervals and tests of F1 by clusters' confusion matrices, against scikit-learn and by brute force."""

import itertools
import warnings

import numpy as np
import pytest
from sklearn.metrics import f1_score

from tfcr.objectives.confusions import macro_f1, mean_recall, weighted_f1
from tfcr.runs import Predictions
from tfcr.statistics import (
    bootstrap_interval,
    bootstrap_intervals,
    cluster_matrices,
    compare,
    exchange_tests,
    pool,
    sign_flip_test,
)

CLASSES = 3
MEASURES = {"macro_f1": macro_f1, "weighted_f1": weighted_f1}


def accuracy(matrices):
    return np.trace(matrices, axis1=-2, axis2=-1) / matrices.sum(axis=(-2, -1))


def scikit_learns(labels, predicted, weights=None) -> dict[str, float]:
    settings = {"labels": np.unique(labels), "sample_weight": weights, "zero_division": 0.0}
    return {
        f"{average}_f1": f1_score(labels, predicted, average=average, **settings) for average in ("macro", "weighted")
    }


def drawn(speakers=9, each=7, seed=0):
    """Labels, speakers, and what two systems predict; the second is better. The class 2 is rare."""
    random = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(speakers), each)
    labels = random.choice(CLASSES, len(speaker), p=[0.6, 0.35, 0.05])
    said = [
        np.where(random.random(len(labels)) < right, labels, random.integers(0, CLASSES, len(labels)))
        for right in (0.4, 0.7)
    ]
    return labels, speaker, *said


def matrices_of(labels, predicted, clusters):
    return cluster_matrices(labels, np.eye(CLASSES)[predicted], clusters)


def predictions(labels, predicted, speaker) -> Predictions:
    nowhere = np.full(len(labels), "")
    ids = np.array([f"u{number:03}" for number in range(len(labels))])
    logits = np.eye(CLASSES, dtype=np.float32)[predicted]
    return Predictions(ids, speaker.astype(str), nowhere, nowhere, labels, logits)


def test_the_intervals_are_those_of_a_brute_force_bootstrap():
    """The same clusters, drawn anew one after the other, and scikit-learn's F1 of what is drawn."""
    labels, speaker, before, after = drawn()
    draws, count = 200, len(np.unique(speaker))
    times = np.random.default_rng(5).multinomial(count, np.full(count, 1 / count), size=draws)
    found: dict[str, list] = {"macro_f1": [], "weighted_f1": []}
    differences: dict[str, list] = {"macro_f1": [], "weighted_f1": []}
    for row in times:
        chosen = np.concatenate([np.flatnonzero(speaker == k) for k in np.repeat(np.arange(count), row)])
        earlier, later = (scikit_learns(labels[chosen], said[chosen]) for said in (before, after))
        for name in found:
            found[name].append(later[name])
            differences[name].append(later[name] - earlier[name])
    matrices = matrices_of(labels, after, speaker)
    single = bootstrap_intervals(MEASURES, matrices, repetitions=draws, seed=5)
    paired = bootstrap_intervals(MEASURES, matrices, matrices_of(labels, before, speaker), repetitions=draws, seed=5)
    for name in found:
        assert single[name] == pytest.approx(np.quantile(found[name], [0.025, 0.975]))
        assert paired[name] == pytest.approx(np.quantile(differences[name], [0.025, 0.975]))


def test_the_interval_of_ua_is_that_of_means():
    labels, speaker, _, after = drawn()
    matrices = matrices_of(labels, after, speaker)
    expected = bootstrap_interval((after == labels).astype(float), speaker, labels)
    assert bootstrap_intervals({"ua": mean_recall}, matrices)["ua"] == pytest.approx(expected)
    assert bootstrap_intervals(MEASURES, matrices[:1], least=2) == {"macro_f1": None, "weighted_f1": None}


def test_all_exchanges_are_tried_and_those_as_extreme_counted():
    labels, speaker, before, after = drawn(speakers=5, each=6)
    observed = {name: scikit_learns(labels, after)[name] - scikit_learns(labels, before)[name] for name in MEASURES}
    extreme = dict.fromkeys(MEASURES, 0)
    for exchanged in itertools.product((False, True), repeat=5):
        swap = np.array(exchanged)[speaker]
        one = scikit_learns(labels, np.where(swap, before, after))
        other = scikit_learns(labels, np.where(swap, after, before))
        for name in MEASURES:
            extreme[name] += abs(one[name] - other[name]) >= abs(observed[name]) - 1e-12
    found = exchange_tests(MEASURES, matrices_of(labels, before, speaker), matrices_of(labels, after, speaker))
    assert found == {name: count / 2**5 for name, count in extreme.items()}


def test_of_accuracy_the_exchange_test_is_the_sign_flip_test():
    labels, speaker, before, after = drawn()
    change = (after == labels).astype(int) - (before == labels)
    matrices = matrices_of(labels, before, speaker), matrices_of(labels, after, speaker)
    expected = sign_flip_test(np.bincount(speaker, weights=change))
    assert exchange_tests({"wa": accuracy}, *matrices)["wa"] == pytest.approx(expected)


def test_drawn_exchanges_agree_with_all(monkeypatch):
    labels, speaker, before, after = drawn(seed=3)
    matrices = matrices_of(labels, before, speaker), matrices_of(labels, after, speaker)
    exact = exchange_tests(MEASURES, *matrices)
    monkeypatch.setattr("tfcr.statistics.matrices._MOST_EXACT", 8)
    for name, p in exchange_tests(MEASURES, *matrices, draws=20_000).items():
        assert p == pytest.approx(exact[name], abs=4 * np.sqrt(exact[name] / 20_000) + 1 / 20_001)


def test_pooled_f1_is_scikit_learns_with_utterances_divided_among_their_seeds():
    labels, speaker, one, other = drawn()
    found = pool({(0, seed): predictions(labels, said, speaker) for seed, said in enumerate((one, other))})
    expected = scikit_learns(np.tile(labels, 2), np.concatenate([one, other]), np.full(2 * len(labels), 0.5))
    for name in MEASURES:
        estimate = getattr(found, name)
        assert estimate.value == pytest.approx(expected[name]) and estimate.p is None
        assert estimate.interval.low < estimate.value < estimate.interval.high


def test_a_comparison_has_f1_with_interval_and_p_and_each_seeds_difference():
    labels, speaker, before, after = drawn()
    found = compare({(0, 7): predictions(labels, before, speaker)}, {(0, 7): predictions(labels, after, speaker)})
    (seed,) = found.by_seed
    for name in MEASURES:
        estimate = getattr(found, name)
        expected = scikit_learns(labels, after)[name] - scikit_learns(labels, before)[name]
        assert estimate.value == pytest.approx(expected) and getattr(seed, name) == pytest.approx(expected)
        assert estimate.interval.low < expected < estimate.interval.high
        assert 1 / 2**9 <= estimate.p < 0.05
    assert found.ua_p < 0.05


def test_too_few_speakers_get_no_p():
    labels, speaker, before, after = drawn(speakers=7)
    found = compare({(0, 0): predictions(labels, before, speaker)}, {(0, 0): predictions(labels, after, speaker)})
    assert found.ua_p is None and found.macro_f1.p is None
    assert found.ua_interval is None and found.macro_f1.interval is None  # the same few, drawn anew


def test_a_class_that_a_draw_lacks_gives_no_warning():
    labels, speaker, _, after = drawn(speakers=3, each=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bootstrap_intervals(MEASURES, matrices_of(labels, after, speaker), least=2)
