"""The exported `features` signature, in a process that knows nothing of this package."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from tfcr import runs
from tfcr.data.pipeline import Pipeline
from tfcr.errors import TfcrError
from tfcr.exports import MANIFEST, read_manifest
from tfcr.serving.export import export_run
from tfcr.training.train import plan, train_fold

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


@pytest.fixture(scope="module", params=["float32", "mixed_bfloat16"])
def trained(request, small_config, small_dataset, tmp_path_factory):
    config = dataclasses.replace(small_config, alpha=0.1, epochs=1, precision=request.param)
    experiment = plan(config, small_dataset.folder)
    return experiment, train_fold(experiment, tmp_path_factory.mktemp("export") / "run")


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


def test_the_features_signature_equals_the_trained_float32_model_in_a_fresh_process(trained, tmp_path):
    experiment, run = trained
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


def test_an_empty_transcript_and_silence_have_finite_answers(trained, tmp_path):
    _, run = trained
    version = export_run(run, tmp_path / "serving")
    answers = _answers(
        version,
        {
            "spectrogram": np.full((1, 1, 128, 128), -140, np.float32),
            "num_frames": np.array([60], np.int32),
            "embeddings": np.zeros((1, 30, 300), np.float32),
            "num_tokens": np.array([0], np.int32),
        },
        tmp_path,
    )
    assert np.isfinite(answers["logits"]).all()
    np.testing.assert_array_equal(answers["text_logits"], 0)  # no bias (Eq. 3), and no words


def test_versions_count_up_and_appear_whole(trained, tmp_path):
    _, run = trained
    (tmp_path / "serving" / "7").mkdir(parents=True)
    assert export_run(run, tmp_path / "serving").name == "8"
    assert not [path for path in (tmp_path / "serving").iterdir() if path.name.startswith(".export")]


def test_an_export_says_what_it_is_and_whether_it_is_intact(trained, tmp_path):
    _, run = trained
    version = export_run(run, tmp_path / "serving")
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


def test_broken_weights_and_wrong_places_are_refused(trained, tmp_path):
    import shutil

    _, run = trained
    copy = tmp_path / "copy"
    shutil.copytree(run.folder, copy)
    (copy / runs.WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(TfcrError, match="was changed since it was trained"):
        export_run(runs.open_run(copy), tmp_path / "serving")
    assert not (tmp_path / "serving").exists() or not list((tmp_path / "serving").glob("[0-9]*"))
    with pytest.raises(TfcrError, match="name the folder above the versions"):
        export_run(run, run.folder)


@pytest.mark.parametrize("system", ["audio", "text"])
def test_a_system_of_one_modality_leaves_out_what_it_does_not_have(system, small_config, small_dataset, tmp_path):
    config = dataclasses.replace(small_config, system=system, epochs=1)
    experiment = plan(config, small_dataset.folder)
    run = train_fold(experiment, tmp_path / "run")
    version = export_run(run, tmp_path / "serving")
    inputs = ("spectrogram", "num_frames") if system == "audio" else ("embeddings", "num_tokens")
    answers = _answers(version, _test_fold(experiment, inputs), tmp_path)
    assert set(answers) == {"emotion", "probabilities", "logits", f"{system}_logits"}
    np.testing.assert_allclose(answers["logits"], run.predictions.logits, atol=1e-5)
