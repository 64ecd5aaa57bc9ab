"""The ONNX model answers as the signature `features` does."""

import importlib.util
import json
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfcr.errors import TfcrError
from tfcr.exports import read_manifest
from tfcr.serving.export.onnx_export import export_onnx
from tfcr.serving.predict import Predictor

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "tf2onnx", "onnxruntime")),
    reason="needs the extra onnx, and onnxruntime",
)


@pytest.fixture(scope="module")
def version(trained_run, tmp_path_factory):
    return export_onnx(trained_run, tmp_path_factory.mktemp("onnx") / "versions")


def _inputs(rows, segments):
    random = np.random.default_rng(rows)
    return {
        "spectrogram": random.normal(-60, 20, (rows, segments, 128, 128)).astype(np.float32),
        "num_frames": random.integers(1, 128 * segments + 1, rows).astype(np.int32),
        "embeddings": random.normal(size=(rows, 30, 300)).astype(np.float32),
        "num_tokens": np.array([0, 1, 30, 45, 7][:rows], np.int32),
    }


@needs_onnx
def test_its_convolutions_are_those_of_the_text(version):
    import onnx

    graph = onnx.load(version / "model.onnx").graph
    shapes = {value.name: list(value.dims) for value in graph.initializer}
    kernels = [shapes[node.input[1]][2:] for node in graph.node if node.op_type == "Conv"]
    assert kernels and all(kernel == [3, 3] for kernel in kernels)


@needs_onnx
@pytest.mark.parametrize(("rows", "segments"), [(1, 1), (5, 3)])
def test_onnx_answers_as_the_features_signature_does(version, served, rows, segments):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(version / "model.onnx"), providers=["CPUExecutionProvider"])
    inputs = _inputs(rows, segments)
    expected = served["features"](**{name: tf.constant(value) for name, value in inputs.items()})
    names = [output.name for output in session.get_outputs()]
    answers = dict(zip(names, session.run(names, inputs), strict=True))
    assert set(answers) == set(expected) - {"emotion"}
    for name in ("logits", "audio_logits", "text_logits", "probabilities"):
        assert answers[name].dtype == np.float32
        np.testing.assert_allclose(answers[name], expected[name].numpy(), atol=1e-4)
    np.testing.assert_array_equal(answers["conflict"], expected["conflict"].numpy())
    labels = (version / "labels.txt").read_text(encoding="utf-8").splitlines()
    assert json.loads(session.get_modelmeta().custom_metadata_map["emotions"]) == labels
    said = [labels[label] for label in answers["logits"].argmax(axis=1)]
    assert said == [emotion.decode() for emotion in expected["emotion"].numpy()]


@needs_onnx
def test_a_version_of_onnx_says_what_it_is(version, trained_run):
    content = read_manifest(version)
    assert content["format"] == "onnx" and content["emotions"] == trained_run.emotions
    assert "an ONNX model" in (version / "README.md").read_text(encoding="utf-8")
    with pytest.raises(TfcrError, match="is an ONNX model"):
        Predictor(version)


def test_without_the_extra_one_line_names_it(trained_run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(TfcrError, match=r"pip install '\.\[onnx\]'"):
        export_onnx(trained_run, tmp_path / "onnx")
    assert not (tmp_path / "onnx").exists()
