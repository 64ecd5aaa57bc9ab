"""Intervals, tests and the comparison of two systems.

Against SciPy, statsmodels and scikit-learn, against numbers derived by hand, and by simulation.
"""

import dataclasses
import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from tfcr import published
from tfcr.errors import TfcrError
from tfcr.runs import Predictions
from tfcr.statistics import (
    Interval,
    bootstrap_interval,
    compare,
    compare_graded,
    conclusion,
    dialogues,
    mcnemar,
    mcnemar_from_margins,
    most_changes_for_significance,
    pool,
    sign_flip_test,
    t_interval,
    wilson_interval,
)

DIFFERENCES = st.lists(st.floats(-1, 1).filter(lambda d: d == 0 or abs(d) > 1e-6), min_size=1, max_size=12)


def predictions(right, speaker, label=None, id=None, script="") -> Predictions:
    """Predictions of two classes that are right where `right` says so."""
    right = np.asarray(right, bool)
    label = np.zeros(len(right), np.int64) if label is None else np.asarray(label, np.int64)
    return Predictions(
        id=np.array([f"u{k:04}" for k in range(len(right))] if id is None else id),
        speaker=np.asarray(speaker),
        session=np.array([""] * len(right)),
        script=np.array([script] * len(right)),
        label=label,
        logits=np.eye(2, dtype=np.float32)[np.where(right, label, 1 - label)],
    )


def grid(right_of_cell, speakers, **fields) -> dict:
    return {cell: predictions(right, speakers, **fields) for cell, right in right_of_cell.items()}


# sign flips


def test_all_of_one_sign_leaves_two_flips_as_extreme():
    assert sign_flip_test(np.arange(1, 11)) == 2 / 2**10


def test_ties_of_equal_sums_count_as_extreme():
    # |±0.1 ± 0.2 ± 0.3| ≥ 0: every flip; and 0.3 - 0.1 - 0.2 is not 0 in floating point
    assert sign_flip_test([0.1, 0.2, -0.3]) == 1
    # sums of 0.1, 0.2, 0.3, and 0.6: |0.6| twice, |0.4| twice, |0.2| twice, 0 twice; observed 0.4
    assert sign_flip_test([-0.1, 0.2, 0.3]) == 4 / 8


def test_no_difference_is_no_evidence():
    assert sign_flip_test([0.0] * 10) == 1
    assert sign_flip_test([]) == 1


@given(DIFFERENCES, st.integers(0, 5))
def test_a_cluster_without_a_difference_changes_no_p(differences, zeros):
    assert sign_flip_test(differences + [0.0] * zeros) == sign_flip_test(differences)


@given(DIFFERENCES, st.floats(1e-100, 1e100))
def test_the_sign_flip_p_is_a_probability_without_sign_or_scale(differences, scale):
    p = sign_flip_test(differences)
    assert 0 < p <= 1
    assert sign_flip_test(-np.array(differences)) == p
    assert sign_flip_test(scale * np.array(differences)) == p


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("clusters", [3, 8, 10])
def test_sign_flips_agree_with_scipy(clusters, seed):
    differences = np.random.default_rng(seed).normal(0.5, 1, clusters)
    expected = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_test(differences) == pytest.approx(expected.pvalue, abs=1e-12)


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=8))
@settings(max_examples=50)
def test_sign_flips_agree_with_a_count_in_whole_numbers(differences):
    sums = [sum(flip) for flip in itertools.product(*((d, -d) for d in differences))]
    extreme = sum(abs(flipped) >= abs(sum(differences)) for flipped in sums)
    assert sign_flip_test(differences) == extreme / 2 ** len(differences)


def test_drawn_flips_agree_with_all_flips(monkeypatch):
    differences = np.random.default_rng(0).normal(0.3, 1, 15)
    exact = sign_flip_test(differences)
    monkeypatch.setattr("tfcr.statistics.clusters._MOST_EXACT", 14)
    drawn = sign_flip_test(differences)
    assert drawn == sign_flip_test(differences)
    assert drawn == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 99_999))


def test_drawn_flips_never_give_zero():
    assert sign_flip_test(np.ones(60), draws=999) == 1 / 1000


def test_twenty_clusters_are_exact():
    assert sign_flip_test(np.ones(20)) == 2 / 2**20


def test_differences_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="finite"):
        sign_flip_test([0.1, math.nan])


# intervals


@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_the_t_interval_agrees_with_scipy(confidence):
    differences = np.random.default_rng(0).normal(size=10)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(confidence)
    assert t_interval(differences, confidence) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_the_t_interval_agrees_with_statsmodels(confidence):
    from statsmodels.stats.weightstats import DescrStatsW

    differences = np.random.default_rng(1).normal(size=10)
    expected = DescrStatsW(differences).tconfint_mean(alpha=1 - confidence)
    assert t_interval(differences, confidence) == pytest.approx(expected)


def test_one_cluster_has_no_interval():
    assert t_interval([0.1]) is None
    assert bootstrap_interval(np.array([0, 1]), np.array(["a", "a"]), least=2) is None


def test_equal_clusters_have_an_interval_of_no_width():
    assert t_interval([0.5, 0.5, 0.5]) == (0.5, 0.5)


def test_the_bootstrap_of_two_clusters_by_hand():
    # Cluster a holds one 0, b three 1: aa 0 (1/4), ab 3/4 (1/2), bb 1 (1/4). The middle 40 % is 3/4, 95 % is all.
    values, clusters = np.array([0, 1, 1, 1]), np.array(["a", "b", "b", "b"])
    assert bootstrap_interval(values, clusters, confidence=0.4, least=2) == (0.75, 0.75)
    assert bootstrap_interval(values, clusters, least=2) == (0, 1)


def test_the_bootstrap_over_classes_by_hand():
    # Recalls of classes 0 and 1 in a: 1/2 and 1, in b: 1 and 0 of 3; together 2/3 and 1/4.
    # UA of aa is 3/4 (a quarter of the draws), of bb 1/2 (a quarter), of ab 11/24 (half).
    values = np.array([0, 1, 1, 1, 0, 0, 0])
    labels = np.array([0, 0, 1, 0, 1, 1, 1])
    clusters = np.array([1, 1, 1, 2, 2, 2, 2])
    assert bootstrap_interval(values, clusters, labels, confidence=0.4, least=2) == pytest.approx((11 / 24, 1 / 2))
    assert bootstrap_interval(values, clusters, labels, least=2) == pytest.approx((11 / 24, 3 / 4))


def test_a_class_that_a_draw_lacks_is_not_averaged():
    # a: class 0, right; b: class 1, wrong. aa 1, ab 1/2, bb 0: never a missing value.
    interval = bootstrap_interval(np.array([1, 0]), np.array(["a", "b"]), np.array([0, 1]), least=2)
    assert interval == (0, 1)


def test_the_bootstrap_agrees_with_scipy_where_each_utterance_is_a_cluster():
    values = np.random.default_rng(0).normal(size=40)
    expected = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=1).confidence_interval
    found = bootstrap_interval(values, np.arange(40), repetitions=20_000)
    # The quantiles of 20,000 draws have standard errors of about 0.003 (deviation 0.15 of the mean).
    assert found == pytest.approx(tuple(expected), abs=0.015)


def test_the_bootstrap_agrees_with_scipy_where_clusters_differ_in_size():
    random = np.random.default_rng(0)
    clusters = np.repeat(np.arange(30), random.integers(1, 20, 30))
    labels = random.integers(0, 2, len(clusters))
    values = (random.random(len(clusters)) < 0.4 + 0.4 * random.random(30)[clusters]).astype(float)
    # SciPy draws whole clusters, each with its sums and sizes per class.
    sums, sizes = (
        [np.bincount(clusters, weights=weight * (labels == k)) for k in (0, 1)]
        for weight in (values, np.ones(len(values)))
    )

    def wa(sum_0, sum_1, size_0, size_1, axis):
        return (sum_0 + sum_1).sum(axis) / (size_0 + size_1).sum(axis)

    def ua(sum_0, sum_1, size_0, size_1, axis):
        return (sum_0.sum(axis) / size_0.sum(axis) + sum_1.sum(axis) / size_1.sum(axis)) / 2

    for statistic, of_classes in ((wa, None), (ua, labels)):
        drawn = stats.bootstrap((*sums, *sizes), statistic, paired=True, n_resamples=20_000, method="percentile", rng=1)
        found = bootstrap_interval(values, clusters, of_classes, repetitions=20_000)
        # A quantile of 20,000 draws has a standard error of about 0.02 of the deviation, 0.03: ±0.0006.
        assert found == pytest.approx(tuple(drawn.confidence_interval), abs=0.003)


def test_the_bootstrap_is_a_function_of_its_seed(monkeypatch):
    random = np.random.default_rng(0)
    values, clusters = random.random(300), random.integers(0, 20, 300)
    whole = bootstrap_interval(values, clusters, repetitions=500, seed=3)
    assert bootstrap_interval(values, clusters, repetitions=500, seed=4) != whole
    monkeypatch.setattr("tfcr.statistics.clusters._CHUNK", 999)  # in portions of 49 draws
    assert bootstrap_interval(values, clusters, repetitions=500, seed=3) == pytest.approx(whole)


def test_the_bootstrap_is_fast_at_the_size_of_iemocap():
    random = np.random.default_rng(0)
    values, clusters, labels = random.random(5531), random.integers(0, 151, 5531), random.integers(0, 4, 5531)
    start = time.process_time()
    bootstrap_interval(values, clusters, labels)
    assert time.process_time() - start < 2  # takes 0.15 s


def test_wilsons_interval_by_hand():
    # (p + z²/2n ± z sqrt(p(1 - p)/n + z²/4n²)) / (1 + z²/n)
    right, total, z = 826, 1107, stats.norm.ppf(0.975)
    p = right / total
    middle, half = p + z**2 / (2 * total), z * math.sqrt(p * (1 - p) / total + z**2 / (4 * total**2))
    expected = [(middle - half) / (1 + z**2 / total), (middle + half) / (1 + z**2 / total)]
    assert wilson_interval(right, total) == pytest.approx(expected)
    assert wilson_interval(0, 10).low == 0
    assert wilson_interval(10, 10).high == 1


@given(st.integers(1, 2000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
@settings(max_examples=50)
def test_wilsons_interval_agrees_with_statsmodels(counts):
    from statsmodels.stats.proportion import proportion_confint

    assert wilson_interval(*counts) == pytest.approx(proportion_confint(*counts, method="wilson"), abs=1e-12)


# McNemar


def test_mcnemar_counts_gains_and_losses():
    before = np.array([1, 1, 0, 0, 0, 0, 1], bool)
    after = np.array([1, 0, 1, 1, 1, 0, 1], bool)
    # 3 gained, 1 lost of 4 even odds: P(≤ 1) = 5/16, twice that
    assert mcnemar(before, after) == (3, 1, 10 / 16)
    assert mcnemar(after, before) == (1, 3, 10 / 16)
    assert mcnemar(before, before) == (0, 0, 1)


@given(st.integers(0, 200), st.integers(0, 200))
@settings(max_examples=50)
def test_mcnemar_agrees_with_the_binomial_test(gained, lost):
    assume(gained + lost > 0)
    expected = stats.binomtest(gained, gained + lost).pvalue
    assert mcnemar_from_margins(gained - lost, gained + lost) == pytest.approx(expected)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
@settings(max_examples=50)
def test_mcnemar_agrees_with_statsmodels(rights):
    from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

    before, after = np.array(rights).T
    table = [[(a & b).sum() for a in (after, ~after)] for b in (before, ~before)]
    expected = 1.0 if (before == after).all() else statsmodels_mcnemar(table, exact=True).pvalue
    assert mcnemar(before, after).p == pytest.approx(expected)


@pytest.mark.parametrize("net", [7, 16])
def test_the_most_changes_are_those_that_statsmodels_finds(net):
    from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

    def p(changed):
        return statsmodels_mcnemar([[0, (changed - net) // 2], [(changed + net) // 2, 0]], exact=True).pvalue

    significant = [changed for changed in range(net, 200, 2) if p(changed) < 0.05]
    assert most_changes_for_significance(net, 199) == max(significant)


def test_the_published_gain_is_significant_up_to_58_changes():
    size = published.SPLIT_SIZES["test"]
    assert most_changes_for_significance(published.GAIN, size) == published.MOST_CHANGES_FOR_SIGNIFICANCE == 58
    # 37 gained, 21 lost; one more of each is too many
    assert mcnemar_from_margins(16, 58) == pytest.approx(0.0479, abs=5e-5)
    assert mcnemar_from_margins(16, 60) == pytest.approx(0.0519, abs=5e-5)
    assert mcnemar_from_margins(16, 110) == pytest.approx(0.152, abs=5e-4)
    # The chi-square approximation says the same with Yates' correction, not without.
    corrected, plain = [stats.chi2.sf((16 - c) ** 2 / np.array([58, 60, 66]), 1) < 0.05 for c in (1, 0)]
    assert corrected.tolist() == [True, False, False]
    assert plain.tolist() == [True, True, True]


def test_more_changes_make_the_same_gain_less_significant():
    p = [mcnemar_from_margins(16, changed) for changed in range(16, 1108, 2)]
    assert (np.diff(p) > 0).all()


def test_no_number_of_changes_makes_a_small_gain_significant():
    assert most_changes_for_significance(4, 1107) is None  # all of 4 is 2/16
    assert most_changes_for_significance(0, 1107) is None


@pytest.mark.parametrize(("net", "changed"), [(16, 14), (16, 59), (-16, 15)])
def test_impossible_margins_are_refused(net, changed):
    with pytest.raises(ValueError, match="changed must be at least"):
        mcnemar_from_margins(net, changed)


# by simulation


def _no_effect(random, spread: float, speakers=10, utterances=100):
    """Right before and after, bool [speakers, utterances]: each speaker has an own difference, zero on average."""
    before = random.random((speakers, utterances)) < 0.7
    after = random.random((speakers, utterances)) < 0.7 + random.normal(0, spread, (speakers, 1))
    return before, after


def test_without_an_effect_sign_flips_reject_one_in_twenty():
    random = np.random.default_rng(0)
    rejected = 0
    for _ in range(200):
        before, after = _no_effect(random, spread=0.08)
        rejected += sign_flip_test(after.mean(axis=1) - before.mean(axis=1)) < 0.05
    assert stats.binomtest(rejected, 200, 0.05).pvalue > 0.01


def test_without_an_effect_mcnemar_rejects_more_often_when_speakers_differ():
    random = np.random.default_rng(0)
    rejected = sum(mcnemar(*_no_effect(random, spread=0.08)).p < 0.05 for _ in range(200))
    assert stats.binomtest(rejected, 200, 0.05, alternative="greater").pvalue < 1e-6


def test_t_intervals_hold_what_they_promise():
    random = np.random.default_rng(0)
    intervals = [t_interval(random.normal(0.3, 1, 10)) for _ in range(400)]
    held = sum(low < 0.3 < high for low, high in intervals)
    assert stats.binomtest(held, 400, 0.95).pvalue > 0.01


@pytest.mark.full
def test_bootstrap_intervals_by_cluster_hold_nearly_what_they_promise_and_by_utterance_do_not():
    random = np.random.default_rng(0)
    clusters = np.repeat(np.arange(40), 20)
    by_cluster = by_utterance = 0
    for _ in range(100):
        values = random.normal(0, 0.5, 40)[clusters] + random.normal(0, 1, 800)
        low, high = bootstrap_interval(values, clusters, repetitions=400)
        by_cluster += low < 0 < high
        low, high = bootstrap_interval(values, np.arange(800), repetitions=400)
        by_utterance += low < 0 < high
    # Percentile intervals of 40 clusters are a little narrow. Utterances alone: deviation 1.12 / sqrt(800) = 0.040,
    # but in truth sqrt(0.25 / 40 + 1 / 800) = 0.087: 62 % coverage.
    assert 88 <= by_cluster <= 99
    assert 50 <= by_utterance <= 74


# dialogues


@pytest.mark.parametrize(
    ("id", "dialogue"),
    [
        ("Ses01F_impro01_F000", "Ses01F_impro01"),
        ("Ses03M_impro05a_M014", "Ses03M_impro05a"),
        ("Ses05M_script01_1b_F003", "Ses05M_script01_1b"),
        ("dev_dia12_utt3", "dev_dia12"),
    ],
)
def test_ids_of_iemocap_and_meld_tell_the_dialogue(id, dialogue):
    found = dialogues(predictions([1], ["Ann"], id=[id]))
    assert (found.kind, found.names.tolist(), found.count) == ("dialogue", [dialogue], 1)


def test_where_one_id_tells_no_dialogue_the_speaker_is_the_cluster():
    found = dialogues(predictions([1, 1], ["Ann", "Bob"], id=["Ses01F_impro01_F000", "03a01Fa"], script="a07"))
    assert (found.kind, found.names.tolist(), found.count) == ("speaker", ["Ann", "Bob"], 2)


# systems


def test_a_comparison_by_hand():
    # Nine speakers; Ann has three utterances, the others one. Class 1 is Ann's last two.
    speakers = ["Ann"] * 3 + list("BCDEFGHI")
    label = [0, 1, 1] + [0] * 8
    before = grid({(0, 0): [1, 0, 0] + [0] * 8, (0, 1): [1, 1, 0] + [0] * 8}, speakers, label=label)
    after = grid({(0, 0): [1, 1, 0] + [1] * 8, (0, 1): [0, 1, 1] + [0] * 8}, speakers, label=label)
    found = compare(before, after)
    # Ann's utterances: (0 - 1)/2, (1 + 0)/2, (0 + 1)/2: mean 1/6; the others 1/2 each.
    assert found.by_speaker == pytest.approx({"Ann": 1 / 6, **dict.fromkeys("BCDEFGHI", 1 / 2)})
    assert found.effect == pytest.approx((1 / 6 + 8 / 2) / 9)
    assert found.p == 2 / 2**9
    differences = [1 / 6] + [1 / 2] * 8
    assert found.interval == pytest.approx(tuple(stats.ttest_1samp(differences, 0).confidence_interval()))
    assert found.utterances == 11
    assert found.wa == pytest.approx((1 / 2 + 8 / 2) / 11)
    # Class 0: (-1/2 + 8/2) / 9, class 1: 1/2.
    assert found.ua == pytest.approx((3.5 / 9 + 1 / 2) / 2)
    assert (found.cluster, found.clusters) == ("speaker", 9)
    assert found.wa_interval.low <= found.wa <= found.wa_interval.high
    assert found.ua_interval.low <= found.ua <= found.ua_interval.high
    first, second = found.by_seed
    assert (first.seed, first.folds, first.utterances, first.mcnemar) == (0, (0,), 11, (9, 0, 2 / 2**9))
    assert (second.mcnemar.gained, second.mcnemar.lost, second.mcnemar.p) == (1, 1, 1)
    assert (first.wa, second.wa) == pytest.approx((9 / 11, 0))
    # Seed 1: class 0 lost one of nine, class 1 gained one of two.
    assert second.ua == pytest.approx((-1 / 9 + 1 / 2) / 2)
    assert found.seed_deviation == pytest.approx(9 / 11 / math.sqrt(2))
    assert found.seed_interval == pytest.approx(t_interval([9 / 11, 0]))
    assert (found.seeds, found.has_few_seeds, found.is_descriptive) == (2, True, False)


def test_only_cells_of_both_are_compared_and_seeds_without_all_folds_are_no_complete_seeds():
    speakers = list("ABCDEFGH")
    before = grid(dict.fromkeys([(0, 0), (0, 1), (1, 0), (2, 0)], [0] * 8), speakers)
    after = grid(dict.fromkeys([(0, 0), (0, 1), (1, 0), (0, 2)], [1] * 8), speakers)
    found = compare(before, after)
    assert found.cells == ((0, 0), (0, 1), (1, 0))
    assert (found.folds, found.seeds, found.utterances) == ((0, 1), 1, 16)
    assert [each.folds for each in found.by_seed] == [(0, 1), (0,)]
    assert (found.seed_deviation, found.seed_interval) == (None, None)
    assert "Over 8 speakers and 1 complete seed, " in conclusion(found)


def test_graded_and_ungraded_comparisons_count_seeds_alike():
    speakers = list("ABCDEFGH")
    cells = [(0, 0), (0, 1), (1, 0)]
    right = {cell: np.zeros(8) for cell in cells}
    graded = compare_graded(right, right, {fold: np.array(speakers) for fold in (0, 1)})
    ungraded = compare(*2 * [grid(dict.fromkeys(cells, [0] * 8), speakers)])
    for found in graded, ungraded:
        assert (found.folds, found.seeds, found.has_few_seeds, found.is_agreed_on) == ((0, 1), 1, True, False)


def test_an_utterance_weighs_the_same_however_many_seeds_its_fold_has():
    before = grid({(0, seed): [0] for seed in range(3)}, ["Ann"]) | grid({(1, 0): [0]}, ["Ann"])
    after = grid({(0, seed): [1] for seed in range(3)}, ["Ann"]) | grid({(1, 0): [0]}, ["Ann"])
    assert compare(before, after).wa == 0.5
    assert pool(after).wa == 0.5


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_the_other_way_round_the_signs_change_and_no_p(seed):
    random = np.random.default_rng(seed)
    speakers, label = np.repeat(list("ABCDEFGHIJ"), 6), np.tile([0, 1], 30)
    one, other = (grid({(0, s): random.random(60) < 0.6 for s in range(3)}, speakers, label=label) for _ in range(2))
    found, mirrored = compare(one, other), compare(other, one)
    assert mirrored.p == found.p
    for name in ("effect", "wa", "ua"):
        assert getattr(mirrored, name) == pytest.approx(-getattr(found, name))
    for name in ("interval", "wa_interval", "ua_interval", "seed_interval"):
        low, high = getattr(found, name)
        assert getattr(mirrored, name) == pytest.approx((-high, -low))
    assert mirrored.seed_deviation == pytest.approx(found.seed_deviation)
    # The differences are those of the systems' own figures.
    assert found.wa == pytest.approx(pool(other).wa - pool(one).wa)
    assert found.ua == pytest.approx(pool(other).ua - pool(one).ua)
    assert found.wa == pytest.approx(np.mean([each.wa for each in found.by_seed]))
    assert found.ua == pytest.approx(np.mean([each.ua for each in found.by_seed]))


def test_a_comparison_agrees_with_pandas_and_statsmodels():
    import pandas as pd
    import statsmodels.api as sm
    from statsmodels.stats.weightstats import DescrStatsW

    random = np.random.default_rng(3)
    label = random.integers(0, 2, 90)
    cells = [(fold, seed) for fold in range(2) for seed in range(3)]
    speakers = {fold: random.choice(list("ABCDEFGHIJ"), 90) for fold in range(2)}
    before, after = (
        {(f, s): predictions(random.random(90) < share, speakers[f], label=label) for f, s in cells}
        for share in (0.6, 0.7)
    )
    found = compare(before, after)
    rows = pd.concat(
        pd.DataFrame({"fold": fold, "seed": seed, "utterance": range(90), "label": label})
        .assign(speaker=speakers[fold], after=(after[fold, seed].logits.argmax(1) == label).astype(int))
        .assign(change=lambda rows, cell=(fold, seed): rows["after"] - (before[cell].logits.argmax(1) == label))
        for fold, seed in cells
    )
    by_utterance = rows.groupby(["fold", "utterance", "speaker", "label"])["change"].mean()
    by_speaker = by_utterance.groupby("speaker").mean()
    assert found.by_speaker == pytest.approx(by_speaker.to_dict())
    intercept = sm.OLS(by_speaker.to_numpy(), np.ones(10)).fit()
    assert found.effect == pytest.approx(intercept.params[0])
    assert found.interval == pytest.approx(tuple(intercept.conf_int()[0]))
    assert found.wa == pytest.approx(by_utterance.mean())
    assert found.ua == pytest.approx(by_utterance.groupby("label").mean().mean())
    by_seed = rows.groupby("seed")["change"].mean()
    assert found.seed_deviation == pytest.approx(by_seed.std())
    assert found.seed_interval == pytest.approx(DescrStatsW(by_seed).tconfint_mean())


def test_pooled_figures_agree_with_scikit_learn():
    random = np.random.default_rng(4)
    tested = [predictions(random.random(70) < 0.6, ["Ann"] * 70, label=random.integers(0, 2, 70)) for _ in range(3)]
    found = pool({(fold, 0): each for fold, each in enumerate(tested)})
    label, said = (
        np.concatenate(parts) for parts in zip(*((t.label, t.logits.argmax(1)) for t in tested), strict=True)
    )
    assert found.wa == pytest.approx(accuracy_score(label, said))
    assert found.ua == pytest.approx(balanced_accuracy_score(label, said))


def test_a_system_against_itself_shows_nothing():
    speakers = list("ABCDEFGHIJ")
    cells = grid(dict.fromkeys([(0, s) for s in range(5)], [1, 0] * 5), speakers)
    found = compare(cells, cells)
    assert (found.effect, found.p, found.interval, found.seed_deviation) == (0, 1, (0, 0), 0)
    assert "right as often as" in conclusion(found)


def test_pooled_figures_by_hand():
    speakers, label = ["Ann", "Ann", "Bob"], [0, 0, 1]
    cells = grid({(0, 0): [1, 0, 1], (0, 1): [1, 1, 1]}, speakers, label=label)
    cells |= grid({(1, 0): [0], (1, 1): [1]}, ["Bob"], label=[1])
    found = pool(cells)
    # Utterances: 1, 1/2 (class 0), 1, 1/2 (class 1).
    assert (found.wa, found.ua, found.utterances) == (0.75, 0.75, 4)
    assert (found.cluster, found.clusters) == ("speaker", 2)
    assert found.wa_interval is None  # two clusters, drawn anew, are the same two


def test_what_cannot_be_compared_is_named():
    one = grid({(0, 0): [1, 0]}, ["Ann", "Bob"])
    with pytest.raises(TfcrError, match="share no fold and seed"):
        compare(one, grid({(0, 1): [1, 0]}, ["Ann", "Bob"]))
    both = one | grid({(3, 0): [1, 0]}, ["Ann", "Bob"])
    for other in (
        grid({(3, 0): [1]}, ["Ann"]),
        grid({(3, 0): [1, 0]}, ["Ann", "Bob"], id=["u0000", "v0001"]),
        grid({(3, 0): [1, 0]}, ["Ann", "Bob"], label=[0, 1]),
    ):
        with pytest.raises(TfcrError, match="fold 3: expected the same test utterances"):
            compare(both, one | other)
    with pytest.raises(TfcrError, match="fold 0: expected the same test utterances"):
        pool(one | grid({(0, 1): [1]}, ["Ann"]))
    with pytest.raises(TfcrError, match="no predictions to pool"):
        pool({})


# conclusions


@pytest.fixture
def ten_by_five():
    """Ten speakers, five seeds; figures to be replaced."""
    speakers = list("ABCDEFGHIJ")
    cells = grid(dict.fromkeys([(0, seed) for seed in range(5)], [1] * 10), speakers)
    return compare(cells, cells)


def test_no_difference_shown_is_not_called_equality(ten_by_five):
    found = dataclasses.replace(ten_by_five, effect=0.008, interval=Interval(-0.003, 0.019), p=0.14)
    assert conclusion(found, "the baseline", "the regularised model") == (
        "Over 10 speakers and 5 seeds, the regularised model is right 0.8 percentage points more often than the "
        "baseline (95 % t interval −0.3 to 1.9, sign-flip p = 0.14): no difference is shown, which does not show that "
        "the two are equal."
    )


@pytest.mark.parametrize(
    ("effect", "interval", "seed_interval", "word"),
    [
        (0.02, Interval(0.01, 0.03), Interval(0.005, 0.035), "more"),
        (-0.02, Interval(-0.03, -0.01), Interval(-0.035, -0.005), "less"),
    ],
)
def test_a_difference_is_shown_where_speakers_and_seeds_agree(ten_by_five, effect, interval, seed_interval, word):
    changes = {"effect": effect, "interval": interval, "seed_interval": seed_interval, "p": 2 / 1024}
    text = conclusion(dataclasses.replace(ten_by_five, **changes))
    assert f"2.0 percentage points {word} often than the first system" in text
    assert text.endswith("sign-flip p = 0.002): a difference is shown.")


@pytest.mark.parametrize("seed_interval", [Interval(-0.01, 0.05), Interval(-0.05, -0.01)])
def test_speakers_alone_show_no_difference_between_systems(ten_by_five, seed_interval):
    changes = {"effect": 0.02, "interval": Interval(0.01, 0.03), "seed_interval": seed_interval, "p": 0.01}
    text = conclusion(dataclasses.replace(ten_by_five, **changes))
    assert text.endswith("no difference between the systems is shown.")


def test_few_seeds_speak_of_trained_models(ten_by_five):
    text = conclusion(dataclasses.replace(ten_by_five, cells=ten_by_five.cells[:3], p=0.002, effect=0.03))
    assert text.startswith("Over 10 speakers and 3 seeds, ")
    assert "this holds for these trained models" in text
    assert text.endswith("A conclusion about the systems needs at least 5 seeds.")
    assert "is shown" not in text
    text = conclusion(dataclasses.replace(ten_by_five, cells=ten_by_five.cells[:3], p=0.4, effect=0.03))
    assert "this holds" not in text
    assert "p = 0.40): no difference between these trained models is shown, and training them again could" in text


def test_few_speakers_are_only_described():
    cells = grid(dict.fromkeys([(0, s) for s in range(5)], [0] * 5), list("ABCDE"))
    better = grid(dict.fromkeys([(0, s) for s in range(5)], [1] * 5), list("ABCDE"))
    found = compare(cells, better)
    assert (found.p, found.interval, found.is_descriptive) == (None, None, True)
    assert conclusion(found) == (
        "Over 5 speakers and 5 seeds, the second system is right 100.0 percentage points more often than the first "
        "system. This is a description: a conclusion needs at least 8 speakers."
    )
    few = {cell: cells[cell] for cell in [(0, 0)]}
    assert conclusion(compare(few, better)).endswith("needs at least 8 speakers and 5 seeds.")


def test_speakers_heard_in_training_say_nothing_of_new_ones(ten_by_five):
    sentence = " Training heard these speakers, so nothing follows for new ones."
    assert conclusion(ten_by_five, speakers_were_heard=True) == conclusion(ten_by_five) + sentence


@pytest.mark.parametrize(
    ("p", "printed"), [(0.0004, "< 0.001"), (0.0488, "= 0.049"), (0.0508, "= 0.051"), (0.5, "= 0.50")]
)
def test_p_is_printed_so_that_five_percent_is_told_apart(ten_by_five, p, printed):
    assert f"sign-flip p {printed})" in conclusion(dataclasses.replace(ten_by_five, p=p))
