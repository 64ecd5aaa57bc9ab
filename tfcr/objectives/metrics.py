"""The figures of an evaluation, from scores and labels. No TensorFlow.

WA is the accuracy over utterances and UA the mean recall over the classes that occur (Han, Yu and Tashev 2014). Macro
F1 is the mean F1 over the classes that occur, and weighted F1 the mean over utterances of their class's F1.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from tfcr.objectives.calibration import calibration_error
from tfcr.objectives.confusions import mean_recall, recalls


def confusion(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Counts, int64 [classes, classes]: rows are true, columns predicted."""
    classes = logits.shape[1]
    cells = classes * labels + logits.argmax(axis=1)  # scikit-learn's would take a second to import
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def weighted_accuracy(labels: np.ndarray, logits: np.ndarray) -> float:
    """WA: the share of utterances whose largest score is their label's."""
    return float(np.mean(logits.argmax(axis=1) == labels))


def unweighted_accuracy(labels: np.ndarray, logits: np.ndarray) -> float:
    """UA: the mean recall over the classes that occur."""
    return float(mean_recall(confusion(labels, logits)))


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
    temperature: float | None = None,
) -> dict:
    """One part's entry in `metrics.json`.

    Args:
        labels: int64 [utterances].
        logits, audio_logits, text_logits: float [utterances, classes]; None for what the system does not define.
        emotions: the classes' names, in label order.
        training_means: mean `audio_logits` and `text_logits` [classes] over the training part; they centre the scores,
            to each of which a constant can be added and subtracted from the other without changing their sum.
        temperature: fitted on the validation part (`tfcr.objectives.calibration`); None for runs that have none.
    """
    matrix = confusion(labels, logits)
    by_class = recalls(matrix)
    scaled = None if temperature is None else calibration_error(labels, logits, temperature)
    return {
        "wa": weighted_accuracy(labels, logits),
        "ua": float(mean_recall(matrix)),
        "recall": _by_name(emotions, by_class),
        **_f1_figures(labels, logits.argmax(axis=1), emotions),
        "confusion": matrix.tolist(),
        "conflict_rate": _conflict_rate(audio_logits, text_logits),
        "conflict_rate_centred": _conflict_rate(audio_logits, text_logits, training_means),
        "wa_audio": None if audio_logits is None else weighted_accuracy(labels, audio_logits),
        "wa_text": None if text_logits is None else weighted_accuracy(labels, text_logits),
        "ece": calibration_error(labels, logits),
        "ece_scaled": scaled,
        "absent": [name for name, r in zip(emotions, by_class, strict=True) if np.isnan(r)],
    }


def _f1_figures(labels: np.ndarray, predicted: np.ndarray, emotions: Sequence[str]) -> dict:
    """Macro and weighted F1, and precision and F1 of each class, by scikit-learn.

    A class that does not occur has no F1 and is in no mean, as in UA; one that is never predicted has no precision.
    """
    from sklearn.metrics import f1_score, precision_recall_fscore_support  # takes a second to import

    classes = range(len(emotions))
    precision, _, f1, sizes = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=np.nan)
    of_those_that_occur = {"labels": np.flatnonzero(sizes), "zero_division": 0.0}
    return {
        "macro_f1": float(f1_score(labels, predicted, average="macro", **of_those_that_occur)),
        "weighted_f1": float(f1_score(labels, predicted, average="weighted", **of_those_that_occur)),
        "precision": _by_name(emotions, precision),
        "f1": _by_name(emotions, np.where(sizes > 0, f1, np.nan)),
    }


def _by_name(emotions: Sequence[str], values: np.ndarray) -> dict[str, float | None]:
    """Emotion → value; None for NaN."""
    return {name: None if np.isnan(value) else float(value) for name, value in zip(emotions, values, strict=True)}


def _conflict_rate(audio_logits, text_logits, training_means=None) -> float | None:
    if audio_logits is None or text_logits is None:
        return None
    return float(np.mean(conflicts(audio_logits, text_logits, training_means)))
