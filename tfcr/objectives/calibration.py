"""Whether probabilities are true: expected calibration error, and the one temperature that mends most of it.

Guo, Pleiss, Sun and Weinberger (2017), "On Calibration of Modern Neural Networks". No TensorFlow.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

BINS = 15  # of equal width, as in the paper; a bin holds its upper end
_TEMPERATURES = 0.01, 100.0  # between which one is sought


@dataclass(frozen=True)
class Reliability:
    """Predictions by their confidence, the probability of the class that is predicted.

    Attributes:
        count: int64 [BINS], predictions.
        confidence, accuracy: float64 [BINS], the mean confidence and the share that is right; NaN for an empty bin.
    """

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: the mean over predictions of |accuracy - confidence| of their bin."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float(np.nansum(self.count * gaps) / self.count.sum())


def reliability(right: np.ndarray, confidence: np.ndarray) -> Reliability:
    """Sorts predictions into bins.

    Args:
        right: bool [predictions].
        confidence: float [predictions], from above 0 to 1.
    """
    bins = np.digitize(confidence, np.linspace(0, 1, BINS + 1)[1:-1], right=True)
    count = np.bincount(bins, minlength=BINS)
    means = (
        np.divide(np.bincount(bins, values, BINS), count, out=np.full(BINS, np.nan), where=count > 0)
        for values in (confidence, right)
    )
    return Reliability(count, *means)


def confidences(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """The largest of the probabilities softmax(logits / temperature), float64 [utterances]."""
    return softmax(logits.astype(np.float64) / temperature, axis=1).max(axis=1)


def calibration_error(labels: np.ndarray, logits: np.ndarray, temperature: float = 1.0) -> float:
    """The expected calibration error of softmax(logits / temperature), from 0 to 1."""
    return reliability(logits.argmax(axis=1) == labels, confidences(logits, temperature)).error


def fit_temperature(labels: np.ndarray, logits: np.ndarray) -> float:
    """The temperature at which softmax(logits / temperature) has the least cross-entropy; it changes no prediction.

    Args:
        labels: int64 [utterances], of the validation part.
        logits: float [utterances, classes].
    """
    logits = logits.astype(np.float64)

    def cross_entropy(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(logsumexp(scaled, axis=1) - scaled[np.arange(len(labels)), labels]))

    found = minimize_scalar(cross_entropy, bounds=np.log(_TEMPERATURES), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))
