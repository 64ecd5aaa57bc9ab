"""The model card of an export: what it was made from, how good it is, what it is for and what not."""

import pathlib

import jinja2
import numpy as np

from tfcr import corpora, protocols
from tfcr.dataset_info import Dataset
from tfcr.objectives.calibration import calibration_error
from tfcr.objectives.confusions import f1s, precisions, recalls
from tfcr.objectives.metrics import conflicts
from tfcr.runs import Predictions, Run
from tfcr.schema import EMBEDDING_DIM, MAX_SECONDS
from tfcr.statistics import (
    MIN_SPEAKERS,
    Clusters,
    Interval,
    bootstrap_interval,
    bootstrap_intervals,
    cluster_matrices,
    dialogues,
)
from tfcr.statistics.matrices import F1_MEASURES

FILE = "README.md"

_TEMPLATES = pathlib.Path(__file__).parent / "templates"
_DESCRIPTIONS = {
    "fusion": "A model that hears speech and reads its words, and names the emotion that they carry.",
    "audio": "A model that hears speech and names the emotion that it carries.",
    "text": "A model that reads words that were said and names the emotion that they carry.",
}
_RECORDING = f"a recording (WAV, 16 kHz, 16 bits, mono or stereo, at most {MAX_SECONDS} s)"
_TAKES = {
    "fusion": f"{_RECORDING} and the words that are said in it",
    "audio": _RECORDING,
    "text": "the words that were said",
}
_FEATURES = {
    "fusion": "spectrograms and word vectors",
    "audio": "spectrograms",
    "text": "word vectors",
}


def model_card(
    run: Run, model: str, version: str, dataset: Dataset | None = None, num_words: int | None = None, onnx: bool = False
) -> str:
    """The card in Markdown.

    Args:
        model, version: the name it is served by, and the number.
        dataset: that the run was trained on, if it is there.
        num_words: that it knows; None where it takes word vectors or no words.
        onnx: whether it takes features alone.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    metrics, predictions = run.metrics, run.predictions
    system = metrics["system"]
    clusters = dialogues(predictions)
    corpus = metrics.get("corpus", dataset.info["corpus"] if dataset else "unknown")
    number = len(set(clusters.names))
    return environment.get_template("model_card.md").render(
        model=model,
        version=version,
        format="an ONNX model" if onnx else "a TensorFlow SavedModel",
        description=_DESCRIPTIONS[system],
        takes=_FEATURES[system] if onnx else _TAKES[system],
        run={**_UNRECORDED, **metrics, "corpus": corpus},
        dataset=dataset.info if dataset else None,
        emotions=run.emotions,
        licence=corpora.licence(corpus),
        has_text=system != "audio",
        num_words=num_words,
        speakers_shared=protocols.shares_speakers(metrics["protocol"]),
        figures=_figures(run, predictions, clusters),
        classes=_classes(run),
        ece=calibration_error(predictions.label, predictions.logits),
        ece_scaled=None
        if metrics.get("temperature") is None
        else calibration_error(predictions.label, predictions.logits, metrics["temperature"]),
        clusters=clusters.kind,
        num_clusters=number,
        few_clusters=number < MIN_SPEAKERS,
    )


_UNRECORDED = {  # by runs of earlier versions
    "num_folds": None,
    "transductive": False,
    "unreadable": 0,
    "temperature": None,
    "embeddings": "unknown",
    "embedding_dim": EMBEDDING_DIM,
}


def _figures(run: Run, predictions: Predictions, over: Clusters) -> list[dict[str, str]]:
    """WA, UA, F1, those of the modalities alone, and the conflict rate of the test part, with their intervals."""
    test, labels, clusters = run.metrics["test"], predictions.label, over.names
    right = (predictions.logits.argmax(axis=1) == labels).astype(float)
    rows = [
        _row("WA", test["wa"], bootstrap_interval(right, clusters)),
        _row("UA", test["ua"], bootstrap_interval(right, clusters, labels)),
        *_f1_rows(predictions, clusters),
    ]
    if predictions.audio_logits is not None and predictions.text_logits is not None:
        for name, scores in (("audio", predictions.audio_logits), ("text", predictions.text_logits)):
            alone = (scores.argmax(axis=1) == labels).astype(float)
            rows.append(_row(f"WA of {name} alone", test[f"wa_{name}"], bootstrap_interval(alone, clusters)))
        differ = conflicts(predictions.audio_logits, predictions.text_logits).astype(float)
        what = "conflicts, where audio and text alone say different emotions"
        rows.append(_row(what, test["conflict_rate"], bootstrap_interval(differ, clusters)))
    return rows


def _f1_rows(predictions: Predictions, clusters: np.ndarray) -> list[dict[str, str]]:
    said = np.eye(predictions.logits.shape[1])[predictions.logits.argmax(axis=1)]
    matrices = cluster_matrices(predictions.label, said, clusters)
    intervals = bootstrap_intervals(F1_MEASURES, matrices)
    names = {"macro_f1": "macro F1", "weighted_f1": "weighted F1"}
    return [_row(names[name], f1(matrices.sum(axis=0)), intervals[name]) for name, f1 in F1_MEASURES.items()]


def _classes(run: Run) -> list[tuple[str, list[str]]]:
    """Recall, precision and F1 of every class, in %."""
    matrix = np.array(run.metrics["test"]["confusion"])
    measures = {"recall": recalls(matrix), "precision": precisions(matrix), "F1": f1s(matrix)}
    return [(name, ["–" if np.isnan(one) else f"{100 * one:.1f}" for one in each]) for name, each in measures.items()]


def _row(name: str, value: float, interval: Interval | None) -> dict[str, str]:
    between = "–" if interval is None else f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"
    return {"name": name, "value": f"{100 * value:.1f}", "interval": between}
