"""A trained run as an ONNX model: the signature `features`, for runtimes other than TensorFlow (extra `onnx`).

ONNX has no operators for WAV files, hash tables and regular expressions, so it takes what they become.
"""

import contextlib
import importlib
import io
import json
import logging
import os
import pathlib
import warnings

import keras
import tensorflow as tf

from tfcr import files
from tfcr.errors import missing_extra
from tfcr.exports import MODEL, ONNX
from tfcr.models.kernels import portable
from tfcr.models.network import over_utterances
from tfcr.models.systems import OWN_FIELDS
from tfcr.runs import Run
from tfcr.serving.export import model_card
from tfcr.serving.export.saved_model import dataset_if_there, describe, next_version, restored_network
from tfcr.serving.graph.feature_model import answers_of

LABELS = "labels.txt"
OPSET = 17


def export_onnx(run: Run, out: str | os.PathLike, *, data: str | os.PathLike | None = None) -> pathlib.Path:
    """Writes the run's model as `model.onnx` under the next integer version below `out`; the version appears whole.

    Its inputs are those of the signature `features`, its outputs too, but for `emotion`: the names stand in
    `labels.txt`, in the order of the scores, and in the model's metadata under `emotions`, as JSON.

    Args:
        data: where the run's dataset lies now, for the model card.

    Returns:
        The version's folder.

    Raises:
        TfcrError: the extra is not installed, a system that does not export, or an `out` that is something else.
    """
    onnx, tf2onnx = _packages()
    network = over_utterances(restored_network(run))
    dataset = dataset_if_there(run, data)
    with next_version(out, ONNX) as (version, number):
        model = _converted(tf2onnx, network)
        _name_sizes(model)
        entry = model.metadata_props.add()
        entry.key, entry.value = "emotions", json.dumps(run.emotions, ensure_ascii=False)
        onnx.checker.check_model(model)
        with files.written_whole(version / ONNX) as temporary:
            temporary.write_bytes(model.SerializeToString(deterministic=True))
        files.write_text(version / LABELS, "".join(f"{emotion}\n" for emotion in run.emotions))
        files.write_text(version / model_card.FILE, model_card.model_card(run, MODEL, number, dataset, onnx=True))
        inputs = [value.name for value in model.graph.input]
        describe(run, version, {"format": "onnx", "signatures": {"features": inputs}, "vocabulary": None})
    return pathlib.Path(out) / number


def _packages() -> list:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [importlib.import_module(name) for name in ("onnx", "tf2onnx")]
    except ImportError as error:
        raise missing_extra("--format onnx", error.name, "onnx") from None


def _converted(tf2onnx, network: keras.Model):
    """The `onnx.ModelProto` of a network over utterances."""
    names = list(network.input)
    specification = [tf.TensorSpec(network.input[name].shape, network.input[name].dtype, name=name) for name in names]

    @tf.function(input_signature=specification)
    def features(*values):
        answer = answers_of(network(dict(zip(names, values, strict=True)), training=False))
        return {name: tf.identity(value, name=name) for name, value in answer.items()}

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()), portable():
        warnings.simplefilter("ignore")
        model, _ = tf2onnx.convert.from_function(features, input_signature=specification, opset=OPSET)
    return model


def _name_sizes(model) -> None:
    """Calls the open sizes of inputs and outputs what they are."""
    for value in (*model.graph.input, *model.graph.output):
        sizes = value.type.tensor_type.shape.dim
        sizes[0].dim_param = "batch"
        if value.name == "spectrogram":
            sizes[1].dim_param = "segments"
        elif value.name in OWN_FIELDS.values() and len(sizes) > 2:
            sizes[-2].dim_param = "time"
