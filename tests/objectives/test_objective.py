"""Eq. 5-7 and their gradient against the paper's equations, written once more in NumPy float64.

The oracle knows nothing of matrices of pairs: it walks over anchors and texts as the text of Sec. 3.2 does.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from sklearn.utils.class_weight import compute_class_weight

from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.heads.pair_discriminator import PairDiscriminator
from tfcr.objectives.negatives import negative_weights
from tfcr.objectives.weighting import balanced_class_weights

CLASSES, AUDIO_UNITS, TEXT_UNITS, HIDDEN = 4, 3, 2, 4
SEED = 11

# labels, utterances
BATCHES = {
    "every emotion": ([0, 1, 2, 3, 0, 1, 2], [0, 1, 2, 3, 4, 5, 6]),
    "several examples of an utterance": ([0, 0, 1, 1, 2, 0], [5, 5, 7, 7, 9, 1]),
    "one utterance only": ([1, 1, 1], [4, 4, 4]),
    "one emotion only": ([2, 2, 2, 2, 2], [0, 1, 2, 3, 4]),
    "one emotion in all rows but one": ([3, 3, 3, 0, 3], [0, 1, 2, 3, 4]),
    "one example": ([1], [8]),
}


@pytest.fixture(params=BATCHES, ids=lambda name: name.replace(" ", "-"))
def batch(request):
    return tuple(np.array(column, np.int32) for column in BATCHES[request.param])


def random_parameters(size, seed=0):
    """Embeddings, logits and the discriminator's weights, of a spread that leaves no term negligible."""
    rng = np.random.default_rng(seed)
    shapes = {
        "audio": (size, AUDIO_UNITS),
        "text": (size, TEXT_UNITS),
        "logits": (size, CLASSES),
        "hidden_kernel": (AUDIO_UNITS + TEXT_UNITS, HIDDEN),
        "hidden_bias": (HIDDEN,),
        "score_kernel": (HIDDEN, 1),
        "score_bias": (1,),
    }
    return {name: rng.normal(0, 1, shape) for name, shape in shapes.items()}


def weights_of_anchor(i, labels, utterances, negatives, weighting):
    """What every text counts as a negative of anchor i: Sec. 3.2, and `balanced` as reproduction.md defines it."""
    chosen = [
        j
        for j in range(len(labels))
        if utterances[j] != utterances[i] and (negatives == "any" or labels[j] != labels[i])
    ]
    weights = np.zeros(len(labels))
    emotions = {labels[j] for j in chosen}
    for j in chosen:
        of_its_emotion = sum(labels[k] == labels[j] for k in chosen)
        # uniform: each text once. balanced: the same total, split evenly over emotions and then over their texts
        weights[j] = 1 if weighting == "uniform" else len(chosen) / len(emotions) / of_its_emotion
    return weights


def oracle(p, labels, weights, sample_weight, alpha):
    """Eq. 7, averaged over the batch with the examples' weights."""

    def d(e_a, e_t):  # one hidden layer with ReLU, a real value out
        hidden = np.maximum(np.concatenate([e_a, e_t]) @ p["hidden_kernel"] + p["hidden_bias"], 0)
        return (hidden @ p["score_kernel"] + p["score_bias"])[0]

    total = 0.0
    for i in range(len(labels)):
        s = p["logits"][i]
        l1 = -np.log(np.exp(s[labels[i]]) / np.exp(s).sum())  # Eq. 5
        positive = np.exp(d(p["audio"][i], p["text"][i]))
        negative = sum(weights[i, j] * np.exp(d(p["audio"][i], p["text"][j])) for j in np.flatnonzero(weights[i]))
        l2 = -np.log(positive / (positive + negative))  # Eq. 6
        total += sample_weight[i] * ((1 - alpha) * l1 + alpha * l2)  # Eq. 7
    return total / len(labels)


def finite_differences(function, p, step=1e-6):
    gradients = {}
    for name, value in p.items():
        gradients[name] = np.zeros_like(value)
        for position in np.ndindex(value.shape):
            kept = value[position]
            value[position] = kept + step
            above = function()
            value[position] = kept - step
            below = function()
            value[position] = kept
            gradients[name][position] = (above - below) / (2 * step)
    return gradients


def make_model(**settings):
    """The paper's objective over embeddings and logits that come in as they are."""
    inputs = {
        "logits": keras.Input((CLASSES,), name="logits"),
        "audio_embedding": keras.Input((AUDIO_UNITS,), name="audio_embedding"),
        "text_embedding": keras.Input((TEXT_UNITS,), name="text_embedding"),
    }
    network = keras.Model(inputs, {name: layers.Identity()(tensor) for name, tensor in inputs.items()})
    return ContrastiveModel(network, discriminator=PairDiscriminator(HIDDEN), seed=SEED, **settings)


def loss_and_gradients(model, p, labels, utterances, sample_weight):
    discriminator = model.discriminator
    for name in ("hidden_kernel", "hidden_bias", "score_kernel", "score_bias"):
        getattr(discriminator, name).assign(p[name])
    x = {
        "audio_embedding": tf.constant(p["audio"], tf.float32),
        "text_embedding": tf.constant(p["text"], tf.float32),
        "logits": tf.constant(p["logits"], tf.float32),
    }
    y = {"label": tf.constant(labels), "utterance": tf.constant(utterances)}
    weights = {name: getattr(discriminator, name).value for name in p if hasattr(discriminator, name)}
    sources = {"audio": x["audio_embedding"], "text": x["text_embedding"], "logits": x["logits"], **weights}
    with tf.GradientTape() as tape:
        tape.watch(list(x.values()))
        loss = model.compute_loss(x, y, model(x), tf.constant(sample_weight, tf.float32))
    gradients = tape.gradient(loss, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return float(loss), {name: gradient.numpy() for name, gradient in gradients.items()}


@pytest.mark.parametrize("weighting", ["uniform", "balanced"])
@pytest.mark.parametrize("negatives", ["other-emotion", "any"])
def test_loss_and_gradient_are_those_of_eq_5_to_7(batch, negatives, weighting, alpha=0.3):
    labels, utterances = batch
    p = random_parameters(len(labels))
    sample_weight = np.random.default_rng(1).uniform(0.2, 2, len(labels))
    weights = np.array([weights_of_anchor(i, *batch, negatives, weighting) for i in range(len(labels))])
    model = make_model(alpha=alpha, negatives=negatives, negative_weights=weighting)
    loss, gradients = loss_and_gradients(model, p, labels, utterances, sample_weight)

    def expected():
        return oracle(p, labels, weights, sample_weight, alpha)

    np.testing.assert_allclose(loss, expected(), rtol=1e-5, atol=1e-5)
    for name, gradient in finite_differences(expected, p).items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-5, atol=1e-5, err_msg=name)


def test_class_weights_weigh_eq_5_alone(batch):
    labels, utterances = batch
    weights = (0.5, 1.0, 2.0, 4.0)
    outputs = {
        name: tf.constant(p, tf.float32) for name, p in random_parameters(len(labels)).items() if "_" not in name
    }
    outputs = {"logits": outputs["logits"], "audio_embedding": outputs["audio"], "text_embedding": outputs["text"]}
    branches = {"branch_logits": tf.stack([outputs["logits"], 2 * outputs["logits"]], axis=1)}
    y = {"label": labels, "utterance": utterances}
    plain, weighed = make_model(alpha=0.3), make_model(alpha=0.3, class_weights=weights)
    for found in (outputs, outputs | branches):
        (l1, _), (weighed_l1, _) = plain.losses_of(found, y), weighed.losses_of(found, y)
        np.testing.assert_allclose(weighed_l1, l1 * np.array(weights)[labels], rtol=1e-6)
    weighed.discriminator = plain.discriminator
    np.testing.assert_array_equal(weighed.losses_of(outputs, y)[1], plain.losses_of(outputs, y)[1])
    halves = {name: tf.cast(value, tf.float16) for name, value in outputs.items()}
    assert weighed.losses_of(halves, y)[0].dtype == tf.float32


def test_class_weights_are_one_a_class():
    with pytest.raises(ValueError, match=r"`class_weights` must have 4 numbers.* Received: class_weights=\(1, 2\)"):
        make_model(class_weights=(1, 2))


def test_balanced_weights_are_inverse_to_frequencies():
    # 3, 1, 0 and 2 of 6: 6/3 times 1/3, 1/1, none, 1/2; the class that lacks weighs 1. Each class weighs 2 in all.
    labels = np.array([0, 0, 0, 1, 3, 3])
    assert balanced_class_weights(labels, CLASSES).tolist() == pytest.approx([2 / 3, 2, 1, 1])
    assert balanced_class_weights(labels, CLASSES)[labels].mean() == pytest.approx(1)
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels)
    assert balanced_class_weights(labels, CLASSES)[[0, 1, 3]] == pytest.approx(expected)


@pytest.mark.parametrize("weighting", ["uniform", "balanced"])
@pytest.mark.parametrize("negatives", ["other-emotion", "any"])
def test_with_drawn_negatives_too(batch, negatives, weighting, drawn=5, alpha=0.6):
    labels, utterances = batch
    p = random_parameters(len(labels))
    sample_weight = np.random.default_rng(1).uniform(0.2, 2, len(labels))
    weights = negative_weights(
        labels,
        utterances,
        negatives=negatives,
        weights=weighting,
        per_anchor=drawn,
        seed=keras.random.SeedGenerator(SEED).next(),  # a fresh model's first draw
    ).numpy()
    qualifies = np.array([weights_of_anchor(i, *batch, negatives, weighting) for i in range(len(labels))]) > 0
    assert not weights[~qualifies].any()
    np.testing.assert_array_equal(weights.sum(1), np.where(qualifies.any(1), drawn, 0))

    model = make_model(alpha=alpha, negatives=negatives, negative_weights=weighting, negatives_per_anchor=drawn)
    loss, gradients = loss_and_gradients(model, p, labels, utterances, sample_weight)

    def expected():
        return oracle(p, labels, weights, sample_weight, alpha)

    np.testing.assert_allclose(loss, expected(), rtol=1e-5, atol=1e-5)
    for name, gradient in finite_differences(expected, p).items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("seed", range(5))
def test_on_random_batches(seed):
    rng = np.random.default_rng(100 + seed)
    size = int(rng.integers(2, 10))
    utterances = rng.integers(0, 6, size)
    labels = rng.integers(0, CLASSES, 6)[utterances]
    negatives = rng.choice(["other-emotion", "any"])
    weighting = rng.choice(["uniform", "balanced"])
    alpha = float(rng.uniform())
    p = random_parameters(size, seed)
    sample_weight = rng.uniform(0, 2, size)
    weights = np.array([weights_of_anchor(i, labels, utterances, negatives, weighting) for i in range(size)])
    model = make_model(alpha=alpha, negatives=negatives, negative_weights=weighting)
    loss, gradients = loss_and_gradients(model, p, labels, utterances, sample_weight)

    def expected():
        return oracle(p, labels, weights, sample_weight, alpha)

    np.testing.assert_allclose(loss, expected(), rtol=1e-5, atol=1e-5)
    for name, gradient in finite_differences(expected, p).items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(("alpha", "tracker"), [(0.0, "classification_tracker"), (1.0, "contrastive_tracker")])
def test_the_ends_of_alpha_are_one_loss_each(alpha, tracker):
    labels, utterances = (np.array(column, np.int32) for column in BATCHES["every emotion"])
    model = make_model(alpha=alpha)
    loss, gradients = loss_and_gradients(model, random_parameters(7), labels, utterances, np.ones(7))
    assert loss == float(getattr(model, tracker).result()) > 0
    unused = ("logits",) if alpha else ("audio", "text", "hidden_kernel", "score_kernel")
    for name, gradient in gradients.items():
        if name not in ("score_bias", "hidden_bias"):
            assert gradient.any() == (name not in unused), name


def test_without_sample_weights_examples_count_alike():
    labels, utterances = (np.array(column, np.int32) for column in BATCHES["every emotion"])
    model = make_model(alpha=0.3)
    p = random_parameters(7)
    with_ones, _ = loss_and_gradients(model, p, labels, utterances, np.ones(7))
    x = {"audio_embedding": p["audio"], "text_embedding": p["text"], "logits": p["logits"]}
    y = {"label": labels, "utterance": utterances}
    without = model.compute_loss(x, y, model({name: tf.constant(v, tf.float32) for name, v in x.items()}), None)
    assert float(without) == pytest.approx(with_ones, rel=1e-6)
