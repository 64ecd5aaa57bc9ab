"""InfoNCE (Eq. 6), and which texts count how much in it (Sec. 3.2)."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcr.objectives.info_nce import info_nce
from tfcr.objectives.negatives import negative_weights
from tfcr.objectives.weighting import combine, weighted_mean

batches = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=8).map(
    # an utterance has one emotion: the last one that was drawn for it
    lambda rows: (np.array([dict(rows)[u] for u, _ in rows], np.int32), np.array([u for u, _ in rows], np.int32))
)


def test_an_empty_part_of_a_batch_draws_nothing():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])  # as in training, where the size is not known
    def drawn(labels):
        return negative_weights(labels, labels, per_anchor=4, seed=[0, 1])

    assert drawn(tf.zeros([0], tf.int32)).shape == (0, 0)
    np.testing.assert_array_equal(drawn(tf.constant([0, 1])), [[0, 4], [4, 0]])


def test_one_negative_with_an_equal_score_costs_log_2():
    # -log(e^s / (e^s + e^s)) = log 2, whatever s is
    scores = np.full((2, 2), 3.7, np.float32)
    loss = info_nce(tf.constant(scores), tf.constant(np.diag(scores)), tf.constant([[0.0, 1.0], [1.0, 0.0]]))
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)


def test_n_negatives_with_equal_scores_cost_log_of_n_plus_1():
    scores = np.zeros((1, 64), np.float32)
    loss = info_nce(tf.constant(scores), tf.constant([0.0]), tf.ones((1, 64)))
    np.testing.assert_allclose(loss, [np.log(65)], rtol=1e-6)


def test_a_weight_of_two_is_the_text_twice():
    twice = info_nce(tf.constant([[0.3, 0.3, -1.0]]), tf.constant([0.1]), tf.constant([[1.0, 1.0, 1.0]]))
    weighted = info_nce(tf.constant([[0.3, -1.0]]), tf.constant([0.1]), tf.constant([[2.0, 1.0]]))
    np.testing.assert_allclose(twice, weighted, rtol=1e-6)


def test_an_anchor_without_negatives_costs_nothing_and_pulls_nothing():
    scores = tf.constant([[5.0, 2.0], [1.0, 3.0]])
    with tf.GradientTape() as tape:
        tape.watch(scores)
        loss = info_nce(scores, tf.linalg.diag_part(scores), tf.zeros((2, 2)))
    np.testing.assert_array_equal(loss, 0)
    np.testing.assert_array_equal(tape.gradient(loss, scores), 0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_scores_are_summed_in_float32(dtype):
    # e^200 is beyond float32 too; -log(e^0 / (e^0 + 3 e^200)) = 200 + log 3 but for e^-200
    loss = info_nce(tf.constant([[200.0] * 3], dtype), tf.constant([0.0], dtype), tf.ones((1, 3), dtype))
    assert loss.dtype == "float32"
    np.testing.assert_allclose(loss, [200 + np.log(3)], rtol=1e-6)


def test_half_precision_keeps_a_loss_that_it_could_not_hold():
    # -log(e^11 / (e^11 + 1)) = 1.67e-5, where float16 would round 1 + 1.67e-5 to 1
    loss = info_nce(tf.constant([[0.0]], "float16"), tf.constant([11.0], "float16"), tf.ones((1, 1), "float16"))
    np.testing.assert_allclose(loss, [np.log1p(np.exp(-11.0))], rtol=0.06)  # a float32 log-sum-exp near 11: ulp 9.5e-7
    assert float(loss[0]) > 0


def test_float64_stays_float64():
    loss = info_nce(tf.constant([[0.0]], "float64"), tf.constant([0.0], "float64"), tf.ones((1, 1)))
    assert loss.dtype == "float64"
    np.testing.assert_allclose(loss, [np.log(2)], rtol=1e-15)


@settings(max_examples=25, deadline=None)
@given(batches, st.integers(0, 2**31 - 1))
def test_texts_of_the_same_emotion_never_change_the_loss(batch, seed):
    labels, utterances = batch
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 3, (len(labels),) * 2).astype(np.float32)
    same = (labels[:, None] == labels[None, :]) & ~np.eye(len(labels), dtype=bool)
    changed = np.where(same, rng.normal(0, 1000, scores.shape), scores).astype(np.float32)
    for weights in ("uniform", "balanced"):
        counts = negative_weights(labels, utterances, weights=weights)
        before, after = (info_nce(tf.constant(s), tf.linalg.diag_part(s), counts) for s in (scores, changed))
        np.testing.assert_array_equal(before, after)


@settings(max_examples=25, deadline=None)
@given(batches, st.sampled_from(["other-emotion", "any"]), st.sampled_from(["uniform", "balanced"]))
def test_only_texts_of_other_utterances_and_other_emotions_count(batch, negatives, weights):
    labels, utterances = batch
    counts = negative_weights(labels, utterances, negatives=negatives, weights=weights).numpy()
    foreign = utterances[:, None] != utterances[None, :]
    other = labels[:, None] != labels[None, :]
    np.testing.assert_array_equal(counts > 0, foreign & (other | (negatives == "any")))
    if weights == "uniform":
        assert set(np.unique(counts)) <= {0, 1}


@settings(max_examples=25, deadline=None)
@given(batches)
def test_balanced_gives_every_other_emotion_the_same_total_and_the_anchor_as_much_as_uniform(batch):
    labels, utterances = batch
    balanced = negative_weights(labels, utterances, weights="balanced").numpy()
    uniform = negative_weights(labels, utterances).numpy()
    np.testing.assert_allclose(balanced.sum(1), uniform.sum(1), rtol=1e-5)
    for anchor in range(len(labels)):
        totals = [balanced[anchor, labels == emotion].sum() for emotion in set(labels) - {labels[anchor]}]
        np.testing.assert_allclose(totals, totals[:1] * len(totals), rtol=1e-5)


def test_balanced_by_hand():
    # anchor 0 (emotion 0): texts 1, 2, 3 of emotion 1 and text 4 of emotion 2. Total 4, two emotions: 2 each
    labels = np.array([0, 1, 1, 1, 2])
    weights = negative_weights(labels, np.arange(5), weights="balanced").numpy()
    np.testing.assert_allclose(weights[0], [0, 2 / 3, 2 / 3, 2 / 3, 2], rtol=1e-6)


@pytest.mark.parametrize(("weights", "expected"), [("uniform", [0, 0.25, 0.25, 0.25, 0.25]),
                                                   ("balanced", [0, 1 / 6, 1 / 6, 1 / 6, 1 / 2])])  # fmt: skip
def test_draws_follow_the_weights(weights, expected, drawn=20_000):
    labels = np.array([0, 1, 1, 1, 2])
    counts = negative_weights(labels, np.arange(5), weights=weights, per_anchor=drawn, seed=(1, 2)).numpy()
    # a share's standard deviation is at most sqrt(0.25 / 20,000) = 0.0035; four of them
    np.testing.assert_allclose(counts[0] / drawn, expected, atol=0.015)


def test_the_same_seed_draws_the_same_and_another_one_others():
    labels = np.arange(20) % 4
    first, again, other = (
        negative_weights(labels, np.arange(20), per_anchor=10, seed=seed).numpy() for seed in [(1, 2), (1, 2), (1, 3)]
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_texts_may_be_others_than_the_anchors_own():
    weights = negative_weights(np.array([0]), np.array([7]), np.array([0, 1, 1]), np.array([7, 8, 7]))
    np.testing.assert_array_equal(weights, [[0, 1, 0]])  # the third is of another emotion and the same utterance


@pytest.mark.parametrize(("settings", "named"), [
    ({"negatives": "other"}, "`negatives` must be one of .*'other-emotion'.* Received: negatives='other'"),
    ({"weights": "equal"}, "`negative_weights` must be one of .*'balanced'.* Received: negative_weights='equal'"),
    ({"per_anchor": 0, "seed": (0, 0)}, "`negatives_per_anchor` must be .* at least 1. Received: .*_per_anchor=0"),
    ({"per_anchor": 5}, "`seed` .* Received: seed=None"),
])  # fmt: skip
def test_a_wrong_argument_is_named(settings, named):
    with pytest.raises(ValueError, match=named):
        negative_weights(np.array([0, 1]), np.array([0, 1]), **settings)


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
def test_alpha_zero_and_one_are_the_ends_of_eq_7(first, second):
    assert combine(first, second, 0.0) == first
    assert combine(first, second, 1.0) == second


def test_eq_7_at_the_papers_alpha():
    assert combine(2.0, 12.0, 0.1) == pytest.approx(3.0)  # 0.9 x 2 + 0.1 x 12


def test_the_weighted_mean_divides_by_the_number_of_examples():
    losses = tf.constant([1.0, 2.0, 3.0])
    assert float(weighted_mean(losses)) == pytest.approx(2.0)
    assert float(weighted_mean(losses, np.array([0.5, 0.5, 1.0]))) == pytest.approx(4.5 / 3)  # not 4.5 / 2


def test_an_example_weighs_the_same_in_any_company():
    # loss 1 x weight 0.25 adds 0.25 / 2 beside a heavy example as beside a light one
    one = weighted_mean(keras.ops.array([1.0, 0.0]), np.array([0.25, 4.0]))
    other = weighted_mean(keras.ops.array([1.0, 0.0]), np.array([0.25, 0.1]))
    assert float(one) == float(other) == 0.125
