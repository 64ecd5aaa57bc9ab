"""Runs on one's own features: exported, asked about recordings, and served, they answer as they were tested.

What made the features is a stand-in here: an extractor needs extras, and answers nothing about this.
"""

import contextlib
import csv
import dataclasses
import importlib.util
import io
import json
import pathlib
import re
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tfcr import cli, runs
from tfcr.corpora import synthetic
from tfcr.corpora.audio import read_audio
from tfcr.errors import TfcrError
from tfcr.exports import read_manifest
from tfcr.features.own import OwnFeatures, write_features
from tfcr.preparation.options import Preparation
from tfcr.preparation.prepare import prepare
from tfcr.serving import feature_questions
from tfcr.serving.export.onnx_export import export_onnx
from tfcr.serving.export.saved_model import export_run, restored_network
from tfcr.serving.predict import Predictor
from tfcr.serving.recordings import Recording
from tfcr.training.experiment import pipeline_of, plan, read_run_config
from tfcr.training.train import train_fold

_UTTERANCES = 60


class Stand:
    """An extractor that stands in: a few numbers of every 0.1 s of speech, or of every word."""

    def __init__(self, modality, form):
        self.description = {"kind": "stand-in", "model": f"{modality} {form}", "libraries": {"none": "1"}}
        self.modality = modality
        self.form = form

    def features(self, said):
        if self.modality == "audio":
            frames = said[: len(said) // 1600 * 1600].reshape(-1, 1600)
            steps = np.stack([frames.std(axis=1), np.abs(np.diff(frames)).mean(axis=1), frames.max(axis=1)], axis=1)
        else:
            steps = np.array([[len(word), ord(word[0]) / 100, word.count("e")] for word in said.split()])
        steps = steps.astype(np.float32)
        return {"vector": steps.mean(axis=0), "time": steps, "layers": np.stack([steps, steps**2])}[self.form]


FORMS = {"vector": (3,), "time": (None, 3), "layers": (2, None, 3)}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """The utterances of a small corpus, by id."""
    root = tmp_path_factory.mktemp("said") / "corpus"
    return root, {each.id: each for each in synthetic.read(root, seed=0, utterances=_UTTERANCES).utterances}


@pytest.fixture(scope="module")
def features(said, tmp_path_factory):
    """Files of features of that corpus, by modality and form; those of vectors do not say what made them."""
    _, utterances = said
    folder, files = tmp_path_factory.mktemp("features"), {}
    for modality in ("audio", "text"):
        for form in FORMS:
            extractor = Stand(modality, form)

            def rows(extractor=extractor):
                for id, each in utterances.items():
                    is_speech = extractor.modality == "audio"
                    yield id, extractor.features(read_audio(each.audio).astype("f4") if is_speech else each.transcript)

            path = folder / f"{modality}-{form}.h5"
            write_features(path, rows(), None if form == "vector" else extractor.description)
            files[modality, form] = OwnFeatures(path, modality)
    return files


@pytest.fixture(scope="module")
def dataset(tensorflow, said, features, tmp_path_factory):
    own, options = tuple(features.values()), {"utterances": _UTTERANCES}
    return prepare(
        Preparation("synthetic", said[0], tmp_path_factory.mktemp("own") / "d", "d", own=own, options=options)
    )


# name → system, form of its features of speech and of words (None: the paper's), pooling
RUNS = {
    "layers": ("fusion", "layers", "vector", "attention"),
    "means": ("fusion", "time", "time", "mean"),
    "beside-words": ("fusion", "time", None, "attention"),
    "beside-pictures": ("fusion", None, "vector", "mean"),
    "audio": ("audio", "vector", None, "mean"),
    "text": ("text", None, "layers", "mean"),
}
SHORT = "layers"  # one run that has most; each other takes as long
EVERY = [name if name == SHORT else pytest.param(name, marks=pytest.mark.full) for name in RUNS]


@pytest.fixture(scope="module")
def trained(small_config, dataset, tmp_path_factory):
    """A run by its name; trained once."""
    done = {}

    def train(name):
        if name not in done:
            system, audio, text, pooling = RUNS[name]
            config = dataclasses.replace(
                small_config,
                system=system,
                epochs=1,
                pooling=pooling,
                projection_units=4,
                audio_features=audio and f"audio-{audio}",
                text_features=text and f"text-{text}",
            )
            done[name] = train_fold(plan(config, dataset.folder), tmp_path_factory.mktemp("trained") / name)
        return done[name]

    return train


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """The version of a run's export by the run's name."""
    done = {}

    def export(name):
        if name not in done:
            done[name] = export_run(trained(name), tmp_path_factory.mktemp("exported") / name)
        return done[name]

    return export


@pytest.fixture
def extractors(monkeypatch):
    """The descriptions of the extractors that were asked for; they are there."""
    asked = []

    def made(description):
        asked.append(description)
        return Stand(*description["model"].split())

    monkeypatch.setattr(feature_questions, "extractor_of", made)
    return asked


def fold_of(run, dataset):
    """What the network takes of the test fold, padded to the longest, in the order of the run's predictions."""
    experiment, network = plan(read_run_config(run.folder), dataset.folder), restored_network(run)
    rows = {}
    for x, positions in pipeline_of(experiment.config, dataset, network).utterances(experiment.split.test, 64):
        for row, position in enumerate(positions.numpy()):
            rows[position] = {name: value.numpy()[row] for name, value in x.items()}
    columns = [rows[position] for position in sorted(rows)]
    return {name: feature_questions._padded([row[name] for row in columns]) for name in columns[0]}


def recordings_of(run, said):
    _, utterances = said
    return [Recording(id, utterances[id].audio, utterances[id].transcript) for id in run.predictions.id]


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def probabilities(answers):
    assert [answer.error for answer in answers] == [""] * len(answers)
    return np.array([list(answer.probabilities.values()) for answer in answers])


@pytest.mark.parametrize("name", EVERY)
def test_the_one_signature_takes_the_features_and_answers_as_the_run_was_tested(name, trained, exported, dataset):
    run, (_, audio, text, _) = trained(name), RUNS[name]
    x = fold_of(run, dataset)
    signatures = tf.saved_model.load(str(exported(name))).signatures
    assert read_manifest(exported(name))["signatures"] == {"features": list(x)}
    for modality, form in (("audio", audio), ("text", text)):
        if form is not None:
            taken = signatures["features"].structured_input_signature[1][f"{modality}_features"]
            assert tuple(taken.shape) == (None, *FORMS[form])
            assert (f"num_{modality}_features" in x) == (form != "vector")
    answers = signatures["features"](**{each: tf.constant(value) for each, value in x.items()})
    for scores in ("logits", "audio_logits", "text_logits"):
        stored = getattr(run.predictions, scores)
        assert (scores in answers) == (stored is not None)
        if stored is not None:
            np.testing.assert_allclose(answers[scores], stored, atol=1e-5)
    assert np.ptp(run.predictions.logits, axis=0).max() > 1e-3  # features do decide


@pytest.mark.parametrize("name", EVERY)
def test_recordings_go_in_and_the_runs_own_answers_come_out(name, trained, exported, said, features, extractors):
    run, (_, audio, text, _) = trained(name), RUNS[name]
    of_unknown_origin = {
        of: features[of, form].path for of, form in (("audio", audio), ("text", text)) if form == "vector"
    }
    answers = list(Predictor(exported(name), of_unknown_origin).predict(recordings_of(run, said)))
    np.testing.assert_allclose(probabilities(answers), softmax(run.predictions.logits), atol=1e-5)
    assert [answer.recording.id for answer in answers] == run.predictions.id.tolist()
    for modality, form in (("audio", audio), ("text", text)):
        assert (Stand(modality, form).description in extractors) == (form in ("time", "layers"))


@pytest.mark.parametrize("name", EVERY)
def test_files_of_features_stand_for_their_extractor(name, trained, exported, said, features):
    run, (_, audio, text, _) = trained(name), RUNS[name]
    files = {of: features[of, form].path for of, form in (("audio", audio), ("text", text)) if form}
    answers = list(Predictor(exported(name), files).predict(recordings_of(run, said)))
    np.testing.assert_allclose(probabilities(answers), softmax(run.predictions.logits), atol=1e-5)


@pytest.mark.full
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "tf2onnx", "onnxruntime")),
    reason="needs the extra onnx, and onnxruntime",
)
@pytest.mark.parametrize("name", RUNS)
def test_onnx_answers_as_the_run_was_tested(name, trained, dataset, tmp_path):
    import onnxruntime

    run, x = trained(name), fold_of(trained(name), dataset)
    version = export_onnx(run, tmp_path / "onnx")
    session = onnxruntime.InferenceSession(str(version / "model.onnx"), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], x)
    np.testing.assert_allclose(logits, run.predictions.logits, atol=1e-5)
    (alone,) = session.run(["logits"], {each: value[:1] for each, value in x.items()})  # of another batch
    np.testing.assert_allclose(alone, run.predictions.logits[:1], atol=1e-5)
    axes = {each.name: each.shape for each in session.get_inputs()}
    _, audio, _, _ = RUNS[name]
    if audio not in (None, "vector"):
        assert axes["audio_features"] == ["batch", *("time" if size is None else size for size in FORMS[audio])]


@pytest.mark.parametrize("name", EVERY)
def test_a_server_answers_features_by_rest(name, trained, exported, dataset):
    pytest.importorskip("fastapi", reason="needs the extra serve")
    from tfcr.serving.server.served import ServedModel

    run, x = trained(name), fold_of(trained(name), dataset)
    model = ServedModel(exported(name))
    model.warm_up()
    rows = [{each: value[row].tolist() for each, value in x.items()} for row in range(len(run.predictions.id))]
    for asked in ({"signature_name": "features"}, {}):
        reply = model.answer(json.dumps({**asked, "instances": rows}).encode())
        found = json.loads(reply.content)["predictions"]
        np.testing.assert_allclose([row["logits"] for row in found], run.predictions.logits, atol=1e-5)
        assert {row["emotion"] for row in found} <= set(run.emotions)


def test_the_page_says_why_it_has_no_recorder(exported):
    pytest.importorskip("fastapi", reason="needs the extra serve")
    from tfcr.serving.server import page
    from tfcr.serving.server.served import ServedModel

    shown = []
    gradio = SimpleNamespace(
        Blocks=lambda **_: contextlib.nullcontext("page"), Markdown=lambda text, **_: shown.append(text)
    )
    assert page._page(gradio, ServedModel(exported("layers")), None, 1, pathlib.Path()) == "page"
    assert page.WITHOUT_RECORDER in shown[0] and "chooses among neutral" in shown[0] and shown[1] == page.LIMITS


def test_the_card_names_inputs_and_extractors(exported):
    card = (exported("layers") / "README.md").read_text(encoding="utf-8")
    for part in (
        "It takes features of speech (`audio_features` float32 [batch, 2, time, 3], of which `num_audio_features` "
        "int32 [batch] steps are real) and features of the words (`text_features` float32 [batch, 3]), and answers",
        "| features of speech | audio-layers, kind stand-in, model audio layers, libraries none 1 |",
        "| features of the words | text-vector, made by what their file does not say |",
        "needs the very same",
    ):
        assert part in card, part
    assert "word vectors" not in card and "vocabulary" not in card


def command(capsys, *arguments):
    """Exit code, standard output and error stream of `tfcr`."""
    with pytest.raises(SystemExit) as end:
        cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return end.value.code, captured.out, captured.err


def test_the_dataset_and_the_export_name_the_extractor(dataset, exported, trained, capsys):
    made = "kind stand-in, model audio layers, libraries none 1"
    _, out, _ = command(capsys, "inspect", dataset.folder, "--no-figure")
    (line,) = (line for line in out.splitlines() if line.startswith("features audio-layers"))
    assert "audio_features [2, time, 3]" in line and line.endswith(f"; {made}")
    _, out, _ = command(capsys, "inspect", exported("layers"))
    assert f"audio_features: {made}" in out
    # nobody knows what made the vectors
    assert trained("layers").extractors == {"audio_features": Stand("audio", "layers").description}


def test_the_command_answers_by_files_where_nothing_is_known_of_what_made_them(
    trained, exported, said, features, capsys, extractors
):
    run = trained("layers")
    paths = [recording.path for recording in recordings_of(run, said)]  # named as their utterances are
    code, out, err = command(
        capsys, "predict", exported("layers"), *paths, "--text-features", features["text", "vector"].path
    )
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    found = [[float(row[f"p_{emotion}"]) for emotion in run.emotions] for row in rows]
    np.testing.assert_allclose(found, softmax(run.predictions.logits), atol=1e-5)


def test_what_is_missing_is_one_line(exported, said, features, capsys, extractors, tmp_path):
    words = ("--text-features", features["text", "vector"].path)
    recording = next(iter(said[1].values())).audio
    code, _, err = command(capsys, "predict", exported("layers"), recording)
    assert code == 1 and err == (
        f"Error: {exported('layers')} was trained on features of unknown origin: their file did not say what made "
        "them; give those of these recordings by --text-features FILE.h5, a dataset [3] for each, called by its "
        "id in a manifest, else by path, name or name without ending\n"
    )
    code, _, err = command(capsys, "predict", exported("layers"), recording, *words, "--transcript", "Hello")
    assert code == 2 and "reads no words but those of --text-features; leave --transcript" in err

    def of_speech(path):
        return command(capsys, "predict", exported("layers"), recording, *words, "--audio-features", path)

    code, _, err = of_speech(tmp_path / "no.h5")
    assert code == 1 and f"--audio-features {tmp_path / 'no.h5'} does not exist" in err
    code, _, err = of_speech(words[1])
    assert code == 1 and "no answer: " in err and "its features have the shape [3]; expected [2, time, 3]" in err
    code, _, err = of_speech(features["audio", "time"].path)
    assert (
        code == 1 and "model audio time, libraries none 1; the export takes what is made by kind stand-in, mod" in err
    )
    lacking = tmp_path / "lacking.h5"
    write_features(lacking, [("somebody", np.ones((2, 1, 3)))])
    code, out, err = of_speech(lacking)
    assert code == 1 and f"no answer: {recording}: --audio-features {lacking} has no dataset" in err
    assert len(out.splitlines()) == 2


@pytest.mark.full
def test_an_export_on_other_features_takes_none_of_ones_own(exported, said, features, capsys):
    recording = next(iter(said[1].values())).audio
    given = ("--audio-features", features["audio", "time"].path)
    code, _, err = command(capsys, "predict", exported("beside-pictures"), recording, *given)
    assert code == 2 and "takes no --audio-features; it was not trained on such features" in err


def test_a_recording_that_fails_stops_no_other(exported, said, features, extractors, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"no recording")
    good = next(iter(said[1].values()))
    recordings = [Recording(good.id, tmp_path / "broken.wav"), Recording(good.id, good.audio)]
    words = {"text": features["text", "vector"].path}
    broken, answered = Predictor(exported("layers"), words).predict(recordings)
    assert "is not a recording" in broken.error and broken.emotion == "" and broken.audio_emotion == ""
    assert answered.error == "" and answered.emotion


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (np.zeros((2, 0, 3)), "it is too short to have features"),
        (np.full((2, 4, 3), np.nan), "its features are not all finite numbers"),
        (np.zeros((4, 3)), r"its features have the shape \[4, 3\]; expected \[2, time, 3\]"),
        (RuntimeError("no kernel"), "no kernel"),
    ],
)
def test_what_an_extractor_cannot_make_is_an_error_of_its_recording(made, reason, tiny_corpus):
    class Broken(Stand):
        def features(self, said):
            if isinstance(made, Exception):
                raise made
            return made

    recording = Recording("u00", tiny_corpus / "wav" / "u00.flac")
    source = feature_questions._of_extractor(Broken("audio", "layers"), "audio", "audio_features", (2, None, 3))
    (question,) = feature_questions.of_features([recording], [source])
    assert question.good == [] and re.fullmatch(f"{re.escape(str(recording.path))}: {reason}", question.errors[0])


def test_without_its_extra_one_line_says_what_to_install(exported, monkeypatch):
    def lacking(description):
        raise TfcrError("needs a package that is not installed")

    monkeypatch.setattr(feature_questions, "extractor_of", lacking)
    what = r"is not installed; or give those of these recordings by --audio-features FILE.h5, a dataset \[2, time, 3\]"
    with pytest.raises(TfcrError, match=what):
        Predictor(exported("layers"))


def test_a_run_that_does_not_know_the_shape_of_its_features_is_refused(trained, tmp_path):
    earlier = runs.Run(trained("layers").folder)
    del earlier.metrics["own_features"]  # as read for this object alone
    with pytest.raises(TfcrError, match="does not say what shape its audio_features have; train the run again"):
        export_run(earlier, tmp_path / "out")


def test_batches_of_long_features_are_small():
    def source(recording):
        return {"audio_features": np.zeros((int(recording.id), 1000), np.float32), "n": np.array(1, np.int32)}

    rows = [Recording(str(steps), pathlib.Path("x")) for steps in (10,) * 20 + (9000, 9000, 10)]
    questions = list(feature_questions.of_features(rows, [source]))
    assert [len(question.recordings) for question in questions] == [16, 4, 1, 1, 1]
    assert questions[0].inputs["audio_features"].shape == (16, 10, 1000)
