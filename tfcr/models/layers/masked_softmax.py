"""The softmax over the real steps of padded sequences."""

from keras import ops


def masked_softmax(scores, counts):
    """Attention weights from scores.

    Args:
        scores: float32 [batch, steps].
        counts: int [batch], how many steps of each are real; more than `steps` counts as `steps`.

    Returns:
        float32 [batch, steps], which sum to 1, or to 0 where no step is real.
    """
    real = ops.arange(ops.shape(scores)[1], dtype="int32")[None, :] < ops.cast(counts, "int32")[:, None]
    return ops.where(real, ops.softmax(ops.where(real, scores, -1e9), axis=1), 0.0)
