"""The figures of an evaluation, from scores and labels. No TensorFlow.

WA is the accuracy over utterances and UA the mean recall over the classes that occur (Han, Yu and Tashev 2014).
"""

from collections.abc import Mapping, Sequence

import numpy as np


def confusion(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Counts, int64 [classes, classes]: rows are true, columns predicted."""
    classes = logits.shape[1]
    cells = classes * labels + logits.argmax(axis=1)  # scikit-learn's would take a second to import
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def recalls(matrix: np.ndarray) -> np.ndarray:
    """Recall of every class, float64 [classes]; NaN for one that does not occur."""
    totals = matrix.sum(axis=1)
    return np.divide(np.diag(matrix), totals, out=np.full(len(matrix), np.nan), where=totals > 0)


def weighted_accuracy(labels: np.ndarray, logits: np.ndarray) -> float:
    """WA: the share of utterances whose largest score is their label's."""
    return float(np.mean(logits.argmax(axis=1) == labels))


def unweighted_accuracy(labels: np.ndarray, logits: np.ndarray) -> float:
    """UA: the mean recall over the classes that occur."""
    return float(np.nanmean(recalls(confusion(labels, logits))))


def both_name_an_emotion(audio_logits: np.ndarray, text_logits: np.ndarray) -> np.ndarray:
    """Where each modality's scores differ. Equal scores, as of a transcript without words, name no emotion.

    Args:
        audio_logits, text_logits: float [utterances, classes].

    Returns:
        bool [utterances].
    """
    return (np.ptp(audio_logits, axis=1) > 0) & (np.ptp(text_logits, axis=1) > 0)


def conflicts(
    audio_logits: np.ndarray, text_logits: np.ndarray, training_means: Mapping[str, np.ndarray] | None = None
) -> np.ndarray:
    """Where argmax s_a and argmax s_t differ (Eq. 2-4).

    There is no conflict where a modality names no emotion (`both_name_an_emotion`).

    Args:
        audio_logits, text_logits: float [utterances, classes].
        training_means: mean scores [classes] of both, by these names, which are subtracted before argmax.

    Returns:
        bool [utterances].
    """
    both = both_name_an_emotion(audio_logits, text_logits)
    if training_means is not None:
        audio_logits = audio_logits - training_means["audio_logits"]
        text_logits = text_logits - training_means["text_logits"]
    return both & (audio_logits.argmax(axis=1) != text_logits.argmax(axis=1))


def evaluation(
    labels: np.ndarray,
    logits: np.ndarray,
    audio_logits: np.ndarray | None,
    text_logits: np.ndarray | None,
    emotions: Sequence[str],
    training_means: dict[str, np.ndarray],
) -> dict:
    """One part's entry in `metrics.json`.

    Args:
        labels: int64 [utterances].
        logits, audio_logits, text_logits: float [utterances, classes]; None for what the system does not define.
        emotions: the classes' names, in label order.
        training_means: mean `audio_logits` and `text_logits` [classes] over the training part; they centre the scores,
            to each of which a constant can be added and subtracted from the other without changing their sum.
    """
    matrix = confusion(labels, logits)
    by_class = recalls(matrix)
    return {
        "wa": weighted_accuracy(labels, logits),
        "ua": float(np.nanmean(by_class)),
        "recall": {name: None if np.isnan(r) else float(r) for name, r in zip(emotions, by_class, strict=True)},
        "confusion": matrix.tolist(),
        "conflict_rate": _conflict_rate(audio_logits, text_logits),
        "conflict_rate_centred": _conflict_rate(audio_logits, text_logits, training_means),
        "wa_audio": None if audio_logits is None else weighted_accuracy(labels, audio_logits),
        "wa_text": None if text_logits is None else weighted_accuracy(labels, text_logits),
        "absent": [name for name, r in zip(emotions, by_class, strict=True) if np.isnan(r)],
    }


def _conflict_rate(audio_logits, text_logits, training_means=None) -> float | None:
    if audio_logits is None or text_logits is None:
        return None
    return float(np.mean(conflicts(audio_logits, text_logits, training_means)))
