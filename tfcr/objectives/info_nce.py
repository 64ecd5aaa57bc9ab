"""InfoNCE over one positive and weighted negatives (Eq. 6)."""

from keras import ops

_ABSENT = -1e30  # a score whose exponential is zero; -inf would make gradients NaN


def info_nce(scores, positives, weights):
    """InfoNCE of every anchor (Eq. 6): -log(exp(p) / (exp(p) + sum over j of w_j exp(s_j))).

    Args:
        scores: float [anchors, texts], entry (i, j) pairs audio i with text j.
        positives: float [anchors], the score of each anchor with its own text.
        weights: float [anchors, texts], how often a text counts as a negative; 0 where it is none.

    Returns:
        float32 [anchors] (float64 for float64 scores), never negative; 0 for an anchor without negatives.
    """
    dtype = "float64" if scores.dtype == "float64" else "float32"  # half precision overflows in the sum
    scores, positives, weights = (ops.cast(x, dtype) for x in (scores, positives, weights))
    is_negative = weights > 0
    negatives = ops.where(is_negative, scores + ops.log(ops.where(is_negative, weights, 1.0)), _ABSENT)
    candidates = ops.concatenate([positives[:, None], negatives], axis=1)
    return ops.logsumexp(candidates, axis=1) - positives
