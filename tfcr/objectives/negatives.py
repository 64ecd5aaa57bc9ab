"""Which texts are an anchor's negatives, and how much each weighs (Sec. 3.2)."""

import tensorflow as tf
from keras import ops

NEGATIVES = ("other-emotion", "any")
WEIGHTS = ("uniform", "balanced")


def negative_weights(
    labels,
    utterances,
    text_labels=None,
    text_utterances=None,
    *,
    negatives="other-emotion",
    weights="uniform",
    per_anchor=None,
    seed=None,
):
    """How often each text of the batch counts as a negative of each anchor.

    Args:
        labels, utterances: int [anchors], the emotion and the utterance of each audio example.
        text_labels, text_utterances: int [texts]; by default those of the anchors.
        negatives: `other-emotion` takes texts of other emotions ("different emotions", Sec. 3.2), `any` every text. A
            text of the anchor's own utterance is never its negative.
        weights: `uniform` weighs each negative 1; `balanced` gives every other emotion of the batch the same total, and
            the anchor the same total as `uniform`.
        per_anchor: None takes all; an integer draws that many for each anchor, with replacement.
        seed: int32 [2], for the draw.

    Returns:
        float32 [anchors, texts], 0 where a text is no negative. An anchor without negatives has a row of zeros.

    Raises:
        ValueError: a setting that does not exist, or a draw without a seed.
    """
    check_settings(negatives, weights, per_anchor)
    if per_anchor is not None and seed is None:
        raise ValueError(f"Argument `seed` must be two integers where `per_anchor` draws. Received: seed={seed!r}")
    text_labels = labels if text_labels is None else text_labels
    text_utterances = utterances if text_utterances is None else text_utterances
    is_negative = ops.not_equal(utterances[:, None], text_utterances[None, :])
    if negatives == "other-emotion":
        is_negative = ops.logical_and(is_negative, ops.not_equal(labels[:, None], text_labels[None, :]))
    found = ops.cast(is_negative, "float32")
    if weights == "balanced":
        found = _balance(found, text_labels)
    if per_anchor is None:
        return found
    return _draw(found, per_anchor, seed)


def _balance(is_negative, text_labels):
    same = ops.cast(ops.equal(text_labels[:, None], text_labels[None, :]), "float32")
    same_emotion_count = ops.matmul(is_negative, same)  # [anchors, texts]: negatives with this text's emotion
    shares = is_negative / ops.maximum(same_emotion_count, 1.0)  # each emotion's shares sum to 1
    total = ops.sum(is_negative, axis=1, keepdims=True)
    emotions = ops.sum(shares, axis=1, keepdims=True)
    return shares * total / ops.maximum(emotions, 1.0)


def _draw(weights, per_anchor, seed):
    logits = ops.where(weights > 0, ops.log(ops.maximum(weights, 1e-30)), -1e9)
    texts = ops.shape(weights)[1]
    logits = tf.pad(logits, [[0, 0], [0, ops.maximum(0, 1 - texts)]])  # a replica's part of a batch may have no text
    seed = tf.cast(seed, "int32")  # XLA takes no other; of Keras's, every number fits
    drawn = tf.random.stateless_categorical(logits, per_anchor, seed=seed)
    counts = ops.sum(ops.one_hot(drawn, texts, dtype="float32"), axis=1)
    has_any = ops.sum(weights, axis=1, keepdims=True) > 0
    return ops.where(has_any, counts, 0.0)


def check_settings(negatives: str, weights: str, per_anchor: int | None) -> None:
    """Raises `ValueError` for a setting that does not exist."""
    for name, value, known in (("negatives", negatives, NEGATIVES), ("negative_weights", weights, WEIGHTS)):
        if value not in known:
            raise ValueError(f"Argument `{name}` must be one of {known}. Received: {name}={value!r}")
    if per_anchor is not None and (not isinstance(per_anchor, int) or per_anchor < 1):
        raise ValueError(
            "Argument `negatives_per_anchor` must be None or an integer of at least 1. "
            f"Received: negatives_per_anchor={per_anchor!r}"
        )
