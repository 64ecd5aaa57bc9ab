"""What the page says of an answer: from the signature `explain` to a few sentences, without a browser."""

import dataclasses
import io

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from matplotlib.image import imread
from wav_files import bad_files, noise, wav

pytest.importorskip("orjson", reason="needs the extra serve")

from tfcr.errors import TfcrError
from tfcr.serving.server.explanation import Word, draw_spectrogram, explain, render, render_error
from tfcr.serving.server.served import ServedModel


@pytest.fixture(scope="module")
def model(exported):
    return ServedModel(exported)


@pytest.fixture
def speech(tmp_path):
    """A FLAC file of 44.1 kHz and 1.5 s."""
    path = tmp_path / "speech.flac"
    soundfile.write(path, np.repeat(noise(1.5, channels=2), 3, axis=0)[:66_150], 44_100)
    return path


def test_what_is_shown_is_what_the_model_answers(model, exported, served, tmp_path):
    path = tmp_path / "speech.wav"
    path.write_bytes(wav(noise(1.5)))
    found = explain(model, path, "I know xyzzy you!")
    row = served["explain"](audio_bytes=tf.constant([wav(noise(1.5))]), transcript=tf.constant(["I know xyzzy you!"]))
    assert (model.name, model.version) == (exported.parent.name, 1)
    assert found.emotion == row["emotion"].numpy()[0].decode()
    for shown, name in ((found.together, ""), (found.speech, "audio_"), (found.words, "text_")):
        assert list(shown) == ["neutral", "happiness", "sadness", "anger"]
        np.testing.assert_allclose(list(shown.values()), row[f"{name}probabilities"].numpy()[0], atol=1e-6)
    assert found.conflict == bool(row["conflict"].numpy()[0])
    attention = row["attention"].numpy()[0]
    shown = [(word.text, word.attention, word.known) for word in found.read]
    assert [text for text, *_ in shown] == ["I", "know", "xyzzy", "you"]
    assert shown[2] == ("xyzzy", None, False)
    np.testing.assert_allclose([shown[place][1] for place in (0, 1, 3)], attention[:3], atol=1e-6)
    assert (found.seconds, found.silent) == (1.5, False)
    page = render(found)
    said = max(found.speech, key=found.speech.get), max(found.words, key=found.words.get)
    if found.conflict:
        assert f"Speech and words conflict: speech alone says {said[0]}, words alone say {said[1]}." in page
    else:
        assert f"Speech and words agree: both say {said[0]}." in page
    assert f"It sounds like <strong>{found.emotion}</strong>" in page
    assert "1 word is not in the model&#39;s vocabulary" in page and "Spectrogram of 1.5 seconds" in page


def test_the_parts_of_a_word_are_shown_as_they_were_read(model, tmp_path):
    (tmp_path / "speech.wav").write_bytes(wav(noise(1)))
    read = explain(model, tmp_path / "speech.wav", "I\u2014know xyzzy-you foo-bar").read
    assert [(word.text, word.known) for word in read] == [
        *[("I", True), ("know", True), ("xyzzy", False), ("you", True)],
        ("foo-bar", False),  # no part of which has a vector
    ]
    assert sum(word.attention or 0 for word in read) == pytest.approx(1, abs=1e-5)


def test_speech_of_any_format_without_words_is_answered_by_speech_alone(model, speech):
    found = explain(model, speech, None)
    assert found.seconds == pytest.approx(1.5, abs=1e-4)
    assert (found.words, found.conflict, found.read) == (None, False, [])
    assert found.together == pytest.approx(found.speech)
    assert "No words were typed: speech decides alone." in render(found)
    assert "None of the words is in the model&#39;s vocabulary" in render(explain(model, speech, "xyzzy"))


def test_a_model_that_reads_missing_words_is_not_said_to_decide_by_speech_alone(model, speech):
    found = explain(model, speech, "xyzzy")
    spoken = dataclasses.replace(found, words=found.speech)  # as the network of `authors` has it
    page = render(spoken)
    assert "None of the words is in the model&#39;s vocabulary. This model gives even missing words a say" in page
    assert "speech decides alone" not in page and "both say" not in page


def test_silence_is_answered_and_named(model, tmp_path):
    (tmp_path / "silence.wav").write_bytes(wav(np.zeros(8000, np.int16)))
    found = explain(model, tmp_path / "silence.wav", "I know")
    assert found.silent and sum(found.together.values()) == pytest.approx(1)
    assert "The recording is silent" in render(found)


def test_words_beyond_the_thirtieth_have_no_part(model, speech):
    found = explain(model, speech, " ".join(["you"] * 33))
    assert [word.attention is None for word in found.read] == [False] * 30 + [True] * 3
    assert found.read[-1] == Word("you", None, True)
    assert "The model reads 30 words; 3 words behind them had no part." in render(found)


def test_what_is_typed_is_text_and_never_html(model, speech):
    page = render(explain(model, speech, "<script>alert(1)</script> you"))
    assert "<script" not in page and "script&gt;alert(1)&lt;/script" in page
    assert "<b>" not in render_error("<b>\nfile")


def test_what_cannot_be_answered_is_one_sentence_without_the_servers_folders(model, tmp_path):
    for number, (content, _) in enumerate(bad_files().values()):
        path = tmp_path / f"{number}.wav"
        path.write_bytes(content)
        try:
            explain(model, path, "")
        except TfcrError as error:  # some of them soundfile reads, as tfcr predict does
            assert str(error).startswith(path.name) and str(tmp_path) not in str(error)
            assert "\n" not in render_error(str(error))
    with pytest.raises(TfcrError, match="there is no speech yet"):
        explain(model, None, "I know")
    with pytest.raises(TfcrError, match=r"^gone\.wav does not exist"):
        explain(model, tmp_path / "gone.wav", "")
    (tmp_path / "speech.wav").write_bytes(wav(noise(0.2)))
    with pytest.raises(TfcrError, match="6000 characters of words; expected at most 5000"):
        explain(model, tmp_path / "speech.wav", "x" * 6000)


@pytest.mark.parametrize("preset", ["paper", "authors"])
def test_a_picture_of_any_length_is_drawn(preset):
    for segments, frames in ((1, 1), (1, 100), (300, 38_000)):
        picture = np.random.default_rng(0).normal(size=(segments, 128, 128)).astype(np.float32)
        assert imread(io.BytesIO(draw_spectrogram(picture, frames, preset))).shape == (322, 1008, 4)
    flat = np.full((1, 128, 128), -140, np.float32)
    assert draw_spectrogram(flat, 50, preset).startswith(b"\x89PNG")


@pytest.mark.full
@pytest.mark.parametrize("system", ["audio", "text"])
def test_a_model_of_one_modality_has_one_column_and_asks_for_what_it_takes(
    system, small_config, small_dataset, speech, tmp_path
):
    from tfcr.serving.export.saved_model import export_run
    from tfcr.training.experiment import plan
    from tfcr.training.train import train_fold

    config = dataclasses.replace(small_config, system=system, epochs=1)
    run = train_fold(plan(config, small_dataset.folder), tmp_path / "run")
    model = ServedModel(export_run(run, tmp_path / "my-model"))
    assert (model.name, model.inputs) == ("my-model", ["audio_bytes" if system == "audio" else "transcript"])
    found = explain(model, speech if system == "audio" else None, "I know")
    assert (found.picture is None, found.read is None) == (system == "text", system == "audio")
    page = render(found)
    assert '<th scope="col">Answer</th>' in page and "alone" not in page
    gradio = pytest.importorskip("gradio")
    fastapi = pytest.importorskip("fastapi")
    from tfcr.serving.server.page import mount_page

    app = fastapi.FastAPI()
    with mount_page(app, model, None, 1, 1 << 20):
        kinds = {type(block) for block in app.routes[-1].app.app.get_blocks().blocks.values()}
    assert (gradio.Audio in kinds, gradio.Textbox in kinds) == (system == "audio", system == "text")
