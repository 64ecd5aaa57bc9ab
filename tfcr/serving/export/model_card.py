"""The model card of an export: what it was made from, how good it is, what it is for and what not."""

import pathlib

import jinja2
import numpy as np

from tfcr import corpora, protocols
from tfcr.dataset_info import Dataset
from tfcr.features.own import in_words
from tfcr.models.systems import OWN_FIELDS
from tfcr.objectives.calibration import calibration_error
from tfcr.objectives.confusions import f1s, precisions, recalls
from tfcr.objectives.metrics import conflicts
from tfcr.runs import Predictions, Run
from tfcr.schema import EMBEDDING_DIM, MAX_SECONDS
from tfcr.statistics import (
    MIN_CLUSTERS,
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
_OF = {"audio": "speech", "text": "the words"}  # modality → what its features are of
_FEATURES = {"audio": "spectrograms", "text": "word vectors"}


def model_card(
    run: Run, model: str, version: str, dataset: Dataset | None = None, num_words: int | None = None, onnx: bool = False
) -> str:
    """The card in Markdown.

    Args:
        model, version: the name it is served by, and the number.
        dataset: that the run was trained on, if it is there.
        num_words: that it knows, or that lie beside it; None where it takes word vectors or no words.
        onnx: whether it takes features alone, as a run on one's own features does anyway.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = lambda text: text.replace("|", "\\|")  # of a table, which a stroke would end
    metrics, predictions = run.metrics, run.predictions
    system = metrics["system"]
    clusters = dialogues(predictions)
    corpus = metrics.get("corpus", dataset.info["corpus"] if dataset else "unknown")
    number = len(set(clusters.names))
    environment.filters["in_words"] = in_words
    return environment.get_template("model_card.md").render(
        model=model,
        version=version,
        format="an ONNX model" if onnx else "a TensorFlow SavedModel",
        description=_DESCRIPTIONS[system],
        takes=_features(run) if onnx or run.own_features else _TAKES[system],
        own_features=[
            (_OF[modality], metrics[field], run.extractors.get(field))
            for modality, field in OWN_FIELDS.items()
            if field in run.own_features
        ],
        run={**_UNRECORDED, **metrics, "corpus": corpus},
        dataset=dataset.info if dataset else None,
        emotions=run.emotions,
        licence=corpora.licence(corpus),
        has_text=system != "audio" and "text_features" not in run.own_features,
        num_words=num_words,
        vocabulary="assets.extra/vocabulary.h5" if run.own_features else "assets/vocabulary.txt",
        speakers_shared=metrics.get("speakers_shared", protocols.shares_speakers(metrics["protocol"])),
        figures=_figures(run, predictions, clusters),
        classes=_classes(run),
        ece=calibration_error(predictions.label, predictions.logits),
        ece_scaled=None
        if metrics.get("temperature") is None
        else calibration_error(predictions.label, predictions.logits, metrics["temperature"]),
        clusters=clusters.kind,
        num_clusters=number,
        few_clusters=number < MIN_CLUSTERS,
    )


_UNRECORDED = {  # by runs of earlier versions
    "num_folds": None,
    "split": None,
    "class_weights": "none",
    "noise": None,
    "subset": None,
    "transductive": False,
    "unreadable": 0,
    "temperature": None,
    "embeddings": "unknown",
    "embedding_dim": EMBEDDING_DIM,
}


def _features(run: Run) -> str:
    """What a network takes in place of recordings and transcripts, in words."""
    taken = []
    for modality in ("audio", "text") if run.metrics["system"] == "fusion" else (run.metrics["system"],):
        field = OWN_FIELDS[modality]
        shape = run.own_features.get(field)
        if shape is None:
            taken.append(_FEATURES[modality])
            continue
        sizes = ", ".join(["batch", *("time" if size is None else str(size) for size in shape)])
        counted = f", of which `num_{field}` int32 [batch] steps are real" if None in shape else ""
        taken.append(f"features of {_OF[modality]} (`{field}` float32 [{sizes}]{counted})")
    return " and ".join(taken)


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
            interval = bootstrap_interval(alone, clusters)
            rows.append(_row(f"WA of {name} alone", test[f"wa_{name}"], interval))
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
