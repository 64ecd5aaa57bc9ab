"""How the two losses and the examples of a batch become one number (Eq. 7)."""

import numpy as np
from keras import ops


def combine(classification_loss, contrastive_loss, alpha: float):
    """(1 - alpha) L1 + alpha L2 (Eq. 7). Shapes stay."""
    return (1.0 - alpha) * classification_loss + alpha * contrastive_loss


def balanced_class_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Weights of the cross-entropy (Eq. 5), inverse to the classes' frequencies; their mean over `labels` is 1.

    Args:
        labels: int64 [utterances], of the training part.

    Returns:
        float64 [num_classes]; 1 for a class that does not occur.
    """
    counts = np.bincount(labels, minlength=num_classes)
    occur = counts > 0
    return np.divide(len(labels) / occur.sum(), counts, out=np.ones(num_classes), where=occur)


def weighted_mean(losses, sample_weight=None, size=None):
    """The mean over a batch of loss times weight.

    Args:
        losses: float [batch].
        sample_weight: float [batch] whose mean over an epoch is 1, or None for equal weights. The divisor is the number
            of examples rather than the batch's own sum of weights, which would make an utterance weigh more in the
            company of long ones.
        size: int [], the examples of the whole batch where `losses` are a part of them: the means of all parts sum to
            the batch's. By default they are all.
    """
    if sample_weight is not None:
        losses = losses * ops.cast(sample_weight, losses.dtype)
    return ops.mean(losses) if size is None else ops.sum(losses) / ops.cast(size, losses.dtype)
