"""From a recording's bytes and its words to an emotion: the export's answers, good rows and bad ones."""

import numpy as np
import pytest
import tensorflow as tf
from wav_files import bad_files, good_files, noise, wav

from tfcr.features.vocabulary import read_vocabulary
from tfcr.features.words import split_words

_SCORES = ("logits", "audio_logits", "text_logits")


def ask(signature, audio, words):
    """The answers as NumPy arrays."""
    answers = signature(audio_bytes=tf.constant(audio, tf.string), transcript=tf.constant(words, tf.string))
    return {name: value.numpy() for name, value in answers.items()}


def test_a_bad_row_says_why_and_leaves_its_neighbours_alone(served):
    serve, bad = served["serving_default"], bad_files()
    audio, sentences = [], []
    for number, (content, sentence) in enumerate(bad.values()):
        audio += [content, wav(noise(0.3 + 0.1 * number, seed=number))]
        sentences += [sentence, None]
    words = [f"I do not know number {number}".encode() for number in range(len(audio))]
    together = ask(serve, audio, words)
    for row, sentence in enumerate(sentences):
        if sentence is None:
            alone = ask(serve, audio[row : row + 1], words[row : row + 1])
            assert together["error"][row] == b""
            for name in (*_SCORES, "probabilities"):
                np.testing.assert_allclose(together[name][row], alone[name][0], atol=1e-5)
            assert together["emotion"][row] == alone["emotion"][0] != b""
        else:
            assert sentence in together["error"][row].decode()
            assert together["emotion"][row] == b"" and not together["conflict"][row]
            for name in (*_SCORES, "probabilities"):
                np.testing.assert_array_equal(together[name][row], 0)


def test_odd_files_that_are_right_are_answered(served):
    good = good_files()
    del good["the longest"]  # below
    answers = ask(served["serving_default"], [content for content, _ in good.values()], [b"yes"] * len(good))
    assert set(answers["error"]) == {b""}
    same = [row for row, (_, samples) in enumerate(good.values()) if np.array_equal(samples, good["plain"][1])]
    assert len(same) > 5
    np.testing.assert_allclose(answers["logits"][same], answers["logits"][same[:1]].repeat(len(same), 0), atol=1e-6)


def test_the_longest_recording_is_answered(served):
    answers = ask(served["serving_default"], [wav(noise(300)), wav(noise(1))], [b"", b""])
    assert set(answers["error"]) == {b""} and np.isfinite(answers["logits"]).all()


def test_silence_and_no_words_have_finite_answers(served):
    silence = wav(np.zeros(8000, np.int16))
    answers = ask(
        served["serving_default"], [silence, silence, wav(noise(1))], [b"", b"I know", b"\xf0\x9f\x98\x80 [LAUGHTER]"]
    )
    assert set(answers["error"]) == {b""}
    assert np.isfinite(answers["logits"]).all() and (answers["emotion"] != b"").all()
    np.testing.assert_allclose(answers["probabilities"].sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(answers["text_logits"][[0, 2]], 0)  # no bias (Eq. 3), and no words
    assert not answers["conflict"][[0, 2]].any()


def test_a_transcript_that_is_not_utf8_is_a_bad_row(served):
    answers = ask(served["serving_default"], [wav(noise(1))] * 2, [b"caf\xe9", b"caf\xc3\xa9"])
    assert answers["error"].tolist() == [b"the transcript is not UTF-8", b""]


def test_an_empty_batch_has_an_empty_answer(served):
    for name in ("serving_default", "explain"):
        answers = ask(served[name], [], [])
        assert {len(value) for value in answers.values()} == {0}
        assert answers["logits"].shape == (0, 4)


def test_as_many_recordings_as_transcripts_are_wanted(served):
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many rows as each other"):
        ask(served["serving_default"], [wav(noise(1))] * 2, [b"one"])


def test_an_explanation_shows_what_the_answer_came_from(served, small_dataset):
    audio = [wav(noise(0.5)), wav(noise(2.5)), b"no recording"]
    words = [b"What do I know, now?", b"", b"lost"]
    answers, plain = ask(served["explain"], audio, words), ask(served["serving_default"], audio, words)
    for name, value in plain.items():
        if value.dtype.kind == "f":
            np.testing.assert_allclose(answers[name], value, atol=1e-6)
        else:
            np.testing.assert_array_equal(answers[name], value)
    # 0.5 s are (8000 - 256) // 128 + 1 = 61 frames and one segment, 2.5 s are 311 frames and three
    assert answers["num_frames"].tolist() == [61, 311, 0]
    assert answers["spectrogram"].shape == (3, 3, 128, 128)
    np.testing.assert_array_equal(answers["spectrogram"][0, 1:], -140)
    vocabulary, _, _ = read_vocabulary(small_dataset.folder)
    known = [word if word in vocabulary else word.lower() for word in split_words(words[0].decode())]
    known = [word for word in known if word in vocabulary]
    assert known
    assert [token.decode() for token in answers["tokens"][0] if token] == known
    assert not answers["tokens"][1:].any()
    attention = answers["attention"]
    assert attention.shape == (3, 30)
    np.testing.assert_allclose(attention.sum(axis=1), [1, 0, 0], atol=1e-6)
    assert (attention[0, : len(known)] > 0).all() and not attention[0, len(known) :].any()
    for modality in ("audio", "text"):
        scores = answers[f"{modality}_logits"][:2].astype(np.float64)
        expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(answers[f"{modality}_probabilities"][:2], expected, atol=1e-6)
        np.testing.assert_array_equal(answers[f"{modality}_probabilities"][2], 0)
