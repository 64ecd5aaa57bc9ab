"""Runs made up by hand: small enough to count on one's fingers."""

import pathlib
from collections.abc import Sequence

import numpy as np
import yaml

from tfcr import files
from tfcr.runs import METRICS, PREDICTIONS, Predictions, Run, open_run, write_history, write_predictions

EMOTIONS = ("neutral", "happiness", "sadness", "anger")
UNDER_NOISE = {"share": 0.5, "kinds": ["white", "pink"], "snr": [0.0, 20.0], "words": 0.2}  # as `noise: {}` trains


def fabricated(
    folder: pathlib.Path,
    *,
    label: Sequence[int] = (0, 0, 1, 1, 2, 2, 3, 3),
    predicted: Sequence[int] = (0, 0, 1, 1, 2, 2, 3, 0),
    audio: Sequence[int] | None = (0, 0, 1, 1, 2, 0, 3, 0),
    text: Sequence[int] | None = (0, 1, 1, 1, 2, 2, 3, 0),
    emotions: Sequence[str] = EMOTIONS,
    ids: Sequence[str] | None = None,
    speakers: Sequence[str] | None = None,
    embeddings: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
    history: list[dict] | None = None,
    settings: dict | None = None,
    **metrics,
) -> Run:
    """Writes a run whose predictions are the given classes (as one-hot logits)."""
    predictions = _predictions(label, predicted, audio, text, ids, speakers, embeddings, len(emotions))
    cell = {"fold": metrics.get("fold", 0), "seed": metrics.get("seed", 0)}
    folder.mkdir(parents=True)
    write_predictions(folder / PREDICTIONS, predictions)
    write_history(folder, history or two_epochs())
    config = {"alpha": metrics.get("alpha", 0.0), "batch_size": 64, **cell, **(settings or {})}
    files.write_text(folder / "config.yaml", yaml.safe_dump(config))
    test = figures_of(predictions, emotions, metrics.get("training_means"))
    test |= metrics.pop("test", {})
    files.write_json(folder / METRICS, described(emotions, test, len(label)) | metrics)
    return open_run(folder)


def two_epochs() -> list[dict]:
    """A history that is kept at its second epoch."""
    return [
        {"epoch": 1, "loss": 1.4, "val_loss": 1.5, "val_wa": 0.4, "val_ua": 0.35, "seconds": 2.0},
        {"epoch": 2, "loss": 1.1, "val_loss": 1.3, "val_wa": 0.6, "val_ua": 0.55, "seconds": 2.0},
    ]


def _predictions(label, predicted, audio, text, ids, speakers, embeddings, classes) -> Predictions:
    count = len(label)
    ids = ids or [f"utterance-{index:04d}" for index in range(count)]
    return Predictions(
        id=np.array(ids),
        speaker=np.array(speakers or ["A"] * count),
        session=np.array([""] * count),
        script=np.array([""] * count),
        label=np.array(label, np.int64),
        logits=_one_hot(predicted, classes),
        audio_logits=None if audio is None else _one_hot(audio, classes),
        text_logits=None if text is None else _one_hot(text, classes),
        audio_embedding=embeddings[0],
        text_embedding=embeddings[1],
    )


def _one_hot(chosen: Sequence[int | None], classes: int) -> np.ndarray:
    """A row of zeros for None: a modality that says nothing."""
    rows = np.vstack([np.eye(classes, dtype=np.float32), np.zeros((1, classes), np.float32)])
    return rows[[classes if one is None else one for one in chosen]]


def figures_of(predictions: Predictions, emotions: Sequence[str], means: dict | None = None) -> dict:
    """What metrics.json says of the test part."""
    predicted = predictions.logits.argmax(axis=1)
    confusion = np.zeros((len(emotions), len(emotions)), int)
    np.add.at(confusion, (predictions.label, predicted), 1)
    occurs = confusion.sum(axis=1) > 0
    recall = [float(confusion[k, k] / confusion[k].sum()) if occurs[k] else None for k in range(len(emotions))]
    audio, text = _argmax(predictions.audio_logits), _argmax(predictions.text_logits)
    both = audio is not None and text is not None
    speak = predictions.audio_logits.any(axis=1) & predictions.text_logits.any(axis=1) if both else None
    return {
        "wa": float((predicted == predictions.label).mean()),
        "ua": float(np.mean([value for value in recall if value is not None])),
        "recall": dict(zip(emotions, recall, strict=True)),
        "confusion": confusion.tolist(),
        "conflict_rate": float(((audio != text) & speak).mean()) if both else None,
        "conflict_rate_centred": _centred_rate(predictions, means) if both else None,
        "wa_audio": None if audio is None else float((audio == predictions.label).mean()),
        "wa_text": None if text is None else float((text == predictions.label).mean()),
        "absent": [emotion for emotion, present in zip(emotions, occurs, strict=True) if not present],
    }


def _centred_rate(predictions: Predictions, means: dict | None) -> float:
    means = means or {"audio_logits": 0, "text_logits": 0}
    audio = predictions.audio_logits - np.array(means["audio_logits"])
    text = predictions.text_logits - np.array(means["text_logits"])
    return float((audio.argmax(axis=1) != text.argmax(axis=1)).mean())


def _argmax(logits: np.ndarray | None) -> np.ndarray | None:
    return None if logits is None else logits.argmax(axis=1)


def described(emotions: Sequence[str], test: dict, size: int) -> dict:
    """The content of metrics.json."""
    return {
        "schema": 1,
        "version": "0.1.0",
        "dataset": "iemocap",
        "dataset_sha256": "ab" * 32,
        "preset": "paper",
        "threads": 1,
        "best_epoch": 2,
        "system": "fusion",
        "protocol": "random",
        "fold": 0,
        "alpha": 0.0,
        "seed": 0,
        "fold_seed": 0,
        "emotions": list(emotions),
        "transductive": False,
        "embeddings": "word2vec-google-news-300",
        "sizes": {"train": 8 * size, "validation": size, "test": size},
        "test": test,
        "validation": test,
        "seconds": 120.0,
        "epochs": 2,
        "precision": "float32",
    }
