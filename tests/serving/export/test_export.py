"""Exports, in a process that knows nothing of this package."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfcr import runs
from tfcr.corpora import manifest, synthetic
from tfcr.data.pipeline import Pipeline
from tfcr.dataset_info import open_dataset
from tfcr.errors import TfcrError
from tfcr.exports import MANIFEST, read_manifest
from tfcr.files import NoRoomError
from tfcr.models.restore import restore_network
from tfcr.preparation.options import Preparation
from tfcr.preparation.prepare import prepare
from tfcr.serving.export.onnx_export import export_onnx
from tfcr.serving.export.saved_model import export_run
from tfcr.training.evaluate import UtteranceOutputs
from tfcr.training.experiment import plan, read_run_config
from tfcr.training.train import train_fold

_LOAD = """
import sys
import numpy as np
import tensorflow as tf
features = tf.saved_model.load(sys.argv[1]).signatures["features"]
arrays = np.load(sys.argv[2])
answers = features(**{name: tf.constant(arrays[name]) for name in arrays.files})
plain = {name: value.numpy() for name, value in answers.items()}
plain["emotion"] = np.array([emotion.decode() for emotion in plain["emotion"]])
np.savez(sys.argv[3], **plain)
assert not any(name.split(".")[0] == "tfcr" for name in sys.modules)
"""


def _answers(version, arrays, tmp_path):
    np.savez(tmp_path / "in.npz", **arrays)
    arguments = [sys.executable, "-c", _LOAD, str(version), str(tmp_path / "in.npz"), str(tmp_path / "out.npz")]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return dict(np.load(tmp_path / "out.npz"))


_SERVE = """
import json, sys
import numpy as np
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
asked = json.load(open(sys.argv[2]))
parts = []
for begin in range(0, len(asked["paths"]), 16):
    inputs = {"audio_bytes": [open(path, "rb").read() for path in asked["paths"][begin : begin + 16]]}
    inputs["transcript"] = asked["transcripts"][begin : begin + 16]
    answers = serve(**{name: tf.constant(inputs[name]) for name in inputs})
    parts.append({name: value.numpy() for name, value in answers.items()})
plain = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
for name in ("emotion", "error"):
    plain[name] = np.array([text.decode() for text in plain[name]])
np.savez(sys.argv[3], **plain)
assert "tfcr" not in sys.modules and "soundfile" not in sys.modules
"""


def serve(version, recordings, tmp_path):
    """Answers from files and words, without a warning, by a process of TensorFlow alone, on a machine set to Turkish.

    Args:
        recordings: pairs of path and transcript.
    """
    asked = {"paths": [str(path) for path, _ in recordings], "transcripts": [words for _, words in recordings]}
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    arguments = [sys.executable, "-c", _SERVE, str(version), str(tmp_path / "asked.json"), str(tmp_path / "out.npz")]
    environment = {**os.environ, "LC_ALL": "tr_TR.UTF-8"}
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert "WARNING:absl" not in done.stderr, done.stderr
    return dict(np.load(tmp_path / "out.npz"))


def evaluated(run, data):
    """Scores of every utterance of a dataset, as `tfcr evaluate` computes them, by id."""
    dataset, config = open_dataset(data), read_run_config(run.folder)
    network = restore_network(config, len(run.emotions), run.folder / runs.WEIGHTS)
    outputs = UtteranceOutputs(network, Pipeline(dataset, network.input))(np.arange(len(dataset.index)))
    return [row.id for row in dataset.index], outputs


def _test_fold(experiment, inputs):
    """Every test utterance in one batch, padded with what must not count."""
    pipeline = Pipeline(experiment.dataset, inputs)
    longest = max(experiment.dataset.index[position].num_segments for position in experiment.split.test)
    rows = {name: [] for name in inputs}
    order = []
    for x, position in pipeline.utterances(experiment.split.test, batch_size=1):
        order.append(int(position[0]))
        for name in inputs:
            value = x[name][0].numpy()
            if name == "spectrogram":
                value = np.concatenate([value, np.full((longest - len(value), 128, 128), 55, np.float32)])
            rows[name].append(value)
    ranks = np.argsort(order)
    return {name: np.stack(values)[ranks] for name, values in rows.items()}


@pytest.mark.full
def test_the_features_signature_equals_the_float32_model_of_a_half_precision_training_in_a_fresh_process(
    small_config, small_dataset, tmp_path
):
    experiment = plan(
        dataclasses.replace(small_config, alpha=0.1, epochs=1, precision="mixed_bfloat16"), small_dataset.folder
    )
    run = train_fold(experiment, tmp_path / "run")
    version = export_run(run, tmp_path / "serving")
    assert version == tmp_path / "serving" / "1"
    arrays = _test_fold(experiment, ("spectrogram", "num_frames", "embeddings", "num_tokens"))
    answers = _answers(version, arrays, tmp_path)
    expected = run.predictions
    for name in ("logits", "audio_logits", "text_logits"):
        assert answers[name].dtype == np.float32
        np.testing.assert_allclose(answers[name], getattr(expected, name), atol=1e-5)
    np.testing.assert_allclose(answers["probabilities"].sum(axis=1), 1, atol=1e-6)
    said = [run.emotions[label] for label in expected.logits.argmax(axis=1)]
    assert answers["emotion"].tolist() == said
    np.testing.assert_array_equal(
        answers["conflict"], expected.audio_logits.argmax(axis=1) != expected.text_logits.argmax(axis=1)
    )


def test_every_signature_runs_an_lstm_over_few_rows_as_one_kernel(served):
    for name in ("serving_default", "features"):
        functions = served[name].graph.as_graph_def().library.function
        assert "BlockLSTMV2" in {node.op for function in functions for node in function.node_def}, name


def test_every_signature_convolves_segments_in_blocks(served):
    for name in ("serving_default", "features"):
        functions = served[name].graph.as_graph_def().library.function
        convolve = {each.signature.name for each in functions if any(node.op == "Conv2D" for node in each.node_def)}
        assert convolve and all("while_body" in function for function in convolve), name


def test_the_spectrum_of_a_recording_is_computed_on_the_processor_whatever_else_there_is(served):
    functions = served["serving_default"].graph.as_graph_def().library.function
    devices = {node.device.upper() for function in functions for node in function.node_def if node.op == "RFFT"}
    assert devices and all("CPU:0" in device for device in devices)


def test_recordings_and_words_are_answered_as_evaluated_in_a_fresh_process(
    trained_run, exported, small_corpus, tmp_path
):
    run, version = trained_run, exported
    of = {each.id: each for each in synthetic.read(small_corpus, seed=0, utterances=120).utterances}
    recordings = [(of[id].audio, of[id].transcript) for id in run.predictions.id]
    answers = serve(version, recordings, tmp_path)
    assert set(answers["error"]) == {""}
    for name in ("logits", "audio_logits", "text_logits"):
        np.testing.assert_allclose(answers[name], getattr(run.predictions, name), atol=1e-5)


@pytest.mark.full
def test_the_preset_of_the_authors_is_answered_as_evaluated(small_authors, authors_dataset, small_corpus, tmp_path):
    config = dataclasses.replace(small_authors, alpha=0.0, epochs=1, start="fresh")
    run = train_fold(plan(config, authors_dataset.folder), tmp_path / "run")
    version = export_run(run, tmp_path / "serving")
    of = {each.id: each for each in synthetic.read(small_corpus, seed=0, utterances=120).utterances}
    ids, expected = evaluated(run, authors_dataset.folder)
    answers = serve(version, [(of[id].audio, of[id].transcript) for id in ids], tmp_path)
    for name in ("logits", "audio_logits", "text_logits"):
        np.testing.assert_allclose(answers[name], expected[name], atol=1e-5)


@pytest.mark.full
@pytest.mark.parametrize("preset", ["paper", "authors"])
def test_every_real_recording_is_answered_as_evaluated(preset, small_config, small_authors, real_corpus, tmp_path):
    dataset = prepare(Preparation("manifest", real_corpus, tmp_path / "data", "real", preset=preset))
    small = {"conv_filters": 8, "lstm_units": 16} if preset == "paper" else {"alpha": 0.0, "start": "fresh"}
    config = dataclasses.replace(small_config if preset == "paper" else small_authors, epochs=2, **small)
    run = train_fold(plan(config, dataset.folder), tmp_path / "run")
    version = export_run(run, tmp_path / "serving")
    ids, expected = evaluated(run, dataset.folder)
    rows = np.searchsorted(ids, run.predictions.id)
    np.testing.assert_allclose(expected["logits"][rows], run.predictions.logits, atol=1e-5)  # what was evaluated
    of = {each.id: each for each in manifest.read(real_corpus).utterances}
    answers = serve(version, [(of[id].audio, of[id].transcript) for id in ids], tmp_path)
    assert len(ids) > 300 and set(answers["error"]) == {""}
    for name in ("logits", "audio_logits", "text_logits"):
        np.testing.assert_allclose(answers[name], expected[name], atol=1e-4)

    onnxruntime = pytest.importorskip("onnxruntime")
    model = export_onnx(run, tmp_path / "onnx") / "model.onnx"
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    features = tf.saved_model.load(str(version)).signatures["features"]
    seen = 0
    inputs = [value.name for value in session.get_inputs()]
    for x, positions in Pipeline(dataset, inputs).utterances(np.arange(len(ids))):
        answers, expected = session.run(names, {name: value.numpy() for name, value in x.items()}), features(**x)
        for name, value in zip(names, answers, strict=True):
            np.testing.assert_allclose(value.astype(float), expected[name].numpy().astype(float), atol=1e-4)
        seen += len(positions)
    assert seen == len(ids)


def test_versions_count_up_and_appear_whole(trained_run, tmp_path):
    (tmp_path / "serving" / "7").mkdir(parents=True)
    (tmp_path / "serving" / ".export-killed" / "version").mkdir(parents=True)  # kill -9 leaves it
    version = export_run(trained_run, tmp_path / "serving")
    assert version.name == "8"
    assert read_manifest(version)["model"] == "serving"
    assert (version / "README.md").read_text().startswith("# serving, version 8\n")
    assert b"\x0a\x07serving\x1a" in (version / "assets.extra" / "tf_serving_warmup_requests").read_bytes()
    assert not [path for path in (tmp_path / "serving").iterdir() if path.name.startswith(".export")]


def test_an_export_says_what_it_is_and_whether_it_is_intact(trained_run, exported, tmp_path):
    run, version = trained_run, tmp_path / "1"
    shutil.copytree(exported, version)
    content = read_manifest(version)
    assert content["emotions"] == run.emotions
    assert content["run"]["dataset_sha256"] == run.metrics["dataset_sha256"]
    data = next((version / "variables").glob("*.data-*"))
    changed = bytearray(data.read_bytes())
    changed[100] ^= 1
    data.write_bytes(changed)
    with pytest.raises(TfcrError, match="was changed since it was exported"):
        read_manifest(version)
    (version / MANIFEST).write_text(json.dumps(content))
    data.unlink()
    with pytest.raises(TfcrError, match="is missing; export the run again"):
        read_manifest(version)


def test_broken_weights_and_wrong_places_are_refused(trained_run, tmp_path):
    run = trained_run
    copy = tmp_path / "copy"
    shutil.copytree(run.folder, copy)
    (copy / runs.WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(TfcrError, match="was changed since it was trained"):
        export_run(runs.open_run(copy), tmp_path / "serving")
    assert not (tmp_path / "serving").exists() or not list((tmp_path / "serving").glob("[0-9]*"))
    with pytest.raises(TfcrError, match="name the folder above the versions"):
        export_run(run, run.folder)
    own = tmp_path / "own"
    shutil.copytree(run.folder, own)
    (own / runs.CONFIG).write_text(
        (own / runs.CONFIG).read_text().replace("audio_features: null", "audio_features: hubert")
    )
    with pytest.raises(TfcrError, match="does not say what shape its audio_features have; train the run again"):
        export_run(runs.open_run(own), tmp_path / "serving")
    (tmp_path / "onnx" / "1").mkdir(parents=True)
    (tmp_path / "onnx" / "1" / "model.onnx").touch()
    with pytest.raises(TfcrError, match="has versions of another kind"):
        export_run(run, tmp_path / "onnx")


@pytest.mark.parametrize("system", ["audio", "text"])
def test_a_system_of_one_modality_leaves_out_what_it_does_not_have(
    system, single_run, small_config, small_dataset, small_corpus, tmp_path
):
    experiment = plan(dataclasses.replace(small_config, system=system, epochs=1), small_dataset.folder)
    run = single_run(system)
    version = export_run(run, tmp_path / "serving")
    inputs = ("spectrogram", "num_frames") if system == "audio" else ("embeddings", "num_tokens")
    features = tf.saved_model.load(str(version)).signatures["features"]
    answers = features(**{name: tf.constant(value) for name, value in _test_fold(experiment, inputs).items()})
    assert set(answers) == {"emotion", "probabilities", "logits", f"{system}_logits"}
    np.testing.assert_allclose(answers["logits"], run.predictions.logits, atol=1e-5)
    of = {each.id: each for each in synthetic.read(small_corpus, seed=0, utterances=120).utterances}
    rows = [of[id] for id in run.predictions.id]
    asked = [row.audio.read_bytes() for row in rows] if system == "audio" else [row.transcript for row in rows]
    serve = tf.saved_model.load(str(version)).signatures["serving_default"]
    answers = serve(**{"audio_bytes" if system == "audio" else "transcript": tf.constant(asked)})
    assert set(answers) == {"emotion", "probabilities", "logits", f"{system}_logits", "error"}
    np.testing.assert_allclose(answers["logits"], run.predictions.logits, atol=1e-5)


@pytest.mark.full
def test_an_export_for_which_there_is_no_room_leaves_nothing_and_the_same_call_goes_on(trained_run, small_disk):
    disk, resize = small_disk
    out = disk / "tfcr"
    for room in (1 << 14, 1 << 17, 1 << 20):
        resize(room)
        message = (
            rf"^{disk} cannot take .*|^{out}.* cannot take .* \(No space left on device\); make room, and the same"
        )
        with pytest.raises(NoRoomError, match=message):
            export_run(trained_run, out)
        assert [path.name for path in out.rglob("*") if path.name != ".lock"] == []
    resize(1 << 28)
    assert read_manifest(export_run(trained_run, out))["emotions"] == trained_run.emotions
