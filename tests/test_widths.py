"""Word vectors of any width go the whole way, from their file to an answer over REST."""

import dataclasses
import json

import numpy as np
import pytest
from glove import read_glove

from tfcr.errors import TfcrError

WIDTHS = (50, 100)


@pytest.mark.parametrize("system", ["fusion", "early-fusion", "mdre", "mha-2"])
def test_a_network_takes_vectors_of_the_datasets_width(tensorflow, small_config, system):
    from tfcr.models.layers.word_table import WordTable
    from tfcr.models.sizes import Sizes
    from tfcr.models.systems import configure
    from tfcr.models.systems import system as system_of
    from tfcr.training.build import parts_of

    config = configure({"system": system}, "paper")
    network = system_of(system).build(config, 4, Sizes(vocabulary=3, embedding_dim=50))
    if "embeddings" in network.input:
        assert network.input["embeddings"].shape == (None, 30, 50)
    else:
        (table,) = parts_of(network, WordTable)
        assert table.table.shape == (4, 50)


def _vectors(corpus, path, width):
    """GloVe's own vectors of 50 numbers where there are any; else made-up ones of the corpus's words."""
    from tfcr.corpora import iemocap
    from tfcr.features.words import lowered, split_words

    glove = read_glove()
    if width == 50 and glove is not None:
        return glove.write(path, 20_000)
    random = np.random.default_rng(width)
    transcripts = (utterance.transcript for utterance in iemocap.read_layout(corpus).utterances)
    words = sorted({lowered(word) for transcript in transcripts for word in split_words(transcript)})
    lines = (f"{word} {' '.join(f'{number:.4f}' for number in random.normal(0, 0.4, width))}\n" for word in words)
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def runs_of(small_corpus, small_config, tmp_path_factory):
    """Width → a dataset and a run that was trained on it."""
    from tfcr.preparation.options import Preparation
    from tfcr.preparation.prepare import prepare
    from tfcr.training.experiment import plan
    from tfcr.training.train import train_fold

    found = {}
    for width in WIDTHS:
        folder = tmp_path_factory.mktemp(f"width-{width}")
        vectors = _vectors(small_corpus, folder / "vectors.txt", width)
        asked = Preparation(
            "synthetic", small_corpus, folder / "data", f"of-{width}", embeddings=vectors, options={"utterances": 120}
        )
        dataset = prepare(asked)
        config = dataclasses.replace(small_config, alpha=0.1, epochs=1)
        found[width] = dataset, train_fold(plan(config, dataset.folder), folder / "run")
    return found


@pytest.mark.full
@pytest.mark.parametrize("width", WIDTHS)
def test_a_width_goes_the_whole_way(runs_of, tmp_path, width):
    import soundfile
    import tensorflow as tf

    from tfcr.features.vocabulary import read_vocabulary
    from tfcr.report.findings.conditions import group_by_condition
    from tfcr.report.findings.sections import divide
    from tfcr.serving.export.onnx_export import export_onnx
    from tfcr.serving.export.saved_model import export_run
    from tfcr.serving.predict import Predictor
    from tfcr.serving.recordings import Recording
    from tfcr.training.evaluate_run import evaluate_run

    dataset, run = runs_of[width]
    assert dataset.info["embeddings"]["dimension"] == dataset.embedding_dim == run.embedding_dim == width
    assert read_vocabulary(dataset.folder)[1].shape[1] == width
    assert evaluate_run(run).figures["wa"] == run.metrics["test"]["wa"]

    (section,) = divide(group_by_condition([run]))
    assert f"The word vectors have {width} numbers; the paper's have 300." in section.warnings

    version = export_run(run, tmp_path / "served")
    assert f"{width} numbers a word" in (version / "README.md").read_text(encoding="utf-8")
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 16_000), 16_000)
    (answer,) = Predictor(version).predict([Recording("a", tmp_path / "a.wav", "I don\u2019t know")])
    assert not answer.error

    random = np.random.default_rng(1)
    features = {
        "spectrogram": random.normal(-60, 20, (2, 1, 128, 128)).astype(np.float32),
        "num_frames": np.array([128, 9], np.int32),
        "embeddings": random.normal(size=(2, 30, width)).astype(np.float32),
        "num_tokens": np.array([3, 30], np.int32),
    }
    loaded = tf.saved_model.load(str(version))
    expected = loaded.signatures["features"](**{name: tf.constant(value) for name, value in features.items()})

    served = pytest.importorskip("tfcr.serving.server.served", reason="needs the extra serve").ServedModel(version)
    body = {"signature_name": "features", "inputs": {name: value.tolist() for name, value in features.items()}}
    outputs = json.loads(served.answer(json.dumps(body).encode()).content)["outputs"]
    np.testing.assert_allclose(outputs["logits"], expected["logits"], atol=1e-5)

    for package in ("onnx", "tf2onnx", "onnxruntime"):
        session = pytest.importorskip(package, reason="needs the extra onnx")
    onnx = export_onnx(run, tmp_path / "onnx")
    session = session.InferenceSession(str(onnx / "model.onnx"), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(["logits"], features)[0], expected["logits"], atol=1e-4)


@pytest.mark.full
def test_a_dataset_of_one_width_refuses_a_run_of_another(runs_of):
    from tfcr.training.evaluate_run import evaluate_run

    (narrow, _), (_, run) = runs_of[50], runs_of[100]
    with pytest.raises(TfcrError, match=r"data has word vectors of 50 numbers and .* was trained on 100") as said:
        evaluate_run(run, narrow.folder)
    assert "\n" not in str(said.value)
