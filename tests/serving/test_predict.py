"""`tfcr predict`: files, folders and manifests, answered in their order."""

import csv
import io
import json
import os
import pathlib

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from wav_files import noise, wav

from tfcr import cli
from tfcr.corpora.audio import read_audio
from tfcr.errors import TfcrError, UsageError
from tfcr.serving.loaded import THREADS, share_cores
from tfcr.serving.questions import BATCH
from tfcr.serving.recordings import find_recordings
from tfcr.serving.wav_bytes import encode_wav, recording_bytes

_EMOTIONS = ("neutral", "happiness", "sadness", "anger")
_COLUMNS = ["id", "path", "emotion", *(f"p_{emotion}" for emotion in _EMOTIONS)]
_COLUMNS += ["audio_emotion", "text_emotion", "conflict", "error"]


@pytest.fixture
def predict(exported, capsys):
    """Runs the command; its exit code, and the rows and messages it left."""

    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            cli.main(["predict", str(exported), *map(str, arguments)])
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err

    return run


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_manifest_is_answered_row_by_row_as_the_export_answers(predict, tiny_corpus, served):
    code, out, err = predict(tiny_corpus)
    rows = rows_of(out)
    assert code == 0
    assert err.startswith("16 of 16 transcripts have no word that the export knows")  # `Word1 of sadness.`
    assert list(rows[0]) == _COLUMNS
    assert [row["id"] for row in rows] == [f"u{number:02d}" for number in range(16)]
    with open(tiny_corpus / "manifest.csv", encoding="utf-8", newline="") as file:
        manifest = list(csv.DictReader(file))
    audio = [encode_wav(read_audio(tiny_corpus / row["path"])) for row in manifest]  # FLAC and WAV in turn
    words = [row["transcript"] for row in manifest]
    expected = served["serving_default"](audio_bytes=tf.constant(audio), transcript=tf.constant(words))
    assert [row["emotion"] for row in rows] == [emotion.decode() for emotion in expected["emotion"].numpy()]
    probabilities = np.array([[float(row[f"p_{emotion}"]) for emotion in _EMOTIONS] for row in rows])
    np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-5)
    for modality in ("audio", "text"):
        scores = expected[f"{modality}_logits"].numpy()
        said = [_EMOTIONS[row.argmax()] if np.ptp(row) else "" for row in scores]
        assert [row[f"{modality}_emotion"] for row in rows] == said
    assert [row["conflict"] for row in rows] == [str(bool(value)).lower() for value in expected["conflict"].numpy()]


def test_what_fails_is_named_and_the_rest_goes_on_in_its_order(predict, tmp_path):
    paths = []
    for number in range(BATCH + 4):  # more than a batch
        path = tmp_path / f"{number:02d}.wav"
        path.write_bytes(wav(noise(0.2, seed=number)))
        paths.append(path)
    paths[3].write_bytes(b"no recording")
    paths[5].write_bytes(paths[5].read_bytes()[:200])
    paths[7].unlink()
    paths[BATCH + 1].write_bytes(wav(np.zeros(16_000 * 301, np.int16)))
    code, out, err = predict(*paths[::-1])
    rows = rows_of(out)
    assert code == 1
    assert [row["path"] for row in rows] == [str(path) for path in paths[::-1]]
    failed = {str(paths[number]): reason for number, reason in (
        (3, "is not a recording"),
        (5, "cut short"),
        (7, "does not exist"),
        (BATCH + 1, "lasts 301.0 s; expected at most 300 s"),
    )}  # fmt: skip
    for row in rows:
        reason = failed.get(row["path"])
        assert (reason or "") in row["error"] and bool(row["error"]) == bool(reason) == (row["emotion"] == "")
        assert row["error"].count(row["path"]) == bool(reason)
        assert bool(row["p_anger"]) != bool(reason)
    lines = err.splitlines()
    assert len(lines) == 5 and all(line.startswith("no answer: ") for line in lines[:4])
    assert lines[4] == "Error: 4 of 20 recordings have no answer; `error` says why"


def test_words_that_nobody_knows_are_told_once(predict, tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.wav").write_bytes(wav(noise(0.2)))
    words = tmp_path / "words.csv"
    words.write_text("id,transcript\na,xyzzy plugh\nb,I know\nc, \n")
    code, _, err = predict(tmp_path, "--transcripts", words)
    assert (code, err) == (
        0,
        "1 of 2 transcripts has no word that the export knows: speech alone answered; "
        "`tfcr export --vocabulary` adds words\n",
    )


def test_json_lines_hold_the_same(predict, tmp_path):
    (tmp_path / "good ü.wav").write_bytes(wav(noise(0.4)))
    (tmp_path / "bad.wav").write_bytes(b"")
    arguments = (tmp_path / "good ü.wav", tmp_path / "bad.wav")
    code, out, _ = predict(*arguments, "--format", "jsonl")
    assert code == 1
    good, bad = (json.loads(line) for line in out.splitlines())
    row, _ = rows_of(predict(*arguments)[1])
    assert good["path"] == row["path"] and good["emotion"] == row["emotion"]
    assert list(good["probabilities"]) == list(_EMOTIONS)
    assert good["probabilities"]["anger"] == pytest.approx(float(row["p_anger"]), abs=1e-6)
    assert good["text_emotion"] == "" and good["conflict"] is False and good["error"] == ""
    assert bad["probabilities"] is None and bad["conflict"] is None and "is empty" in bad["error"]


def test_answers_go_into_a_file_whole(predict, tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(noise(0.4)))
    code, out, _ = predict(tmp_path / "a.wav", "--transcript", "I know", "--out", tmp_path / "answers.csv")
    assert (code, out) == (0, f"{tmp_path / 'answers.csv'}\n")
    (row,) = rows_of((tmp_path / "answers.csv").read_text(encoding="utf-8"))
    assert row["emotion"] and row["text_emotion"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "answers.csv"]


@pytest.mark.parametrize(("suffix", "rate", "channels"), [("flac", 16_000, 1), ("ogg", 44_100, 2), ("wav", 8_000, 1)])
def test_any_format_becomes_what_an_export_takes(suffix, rate, channels, tmp_path):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, noise(0.5, channels=channels), rate)
    samples, of_rate = soundfile.read(io.BytesIO(recording_bytes(path)))
    assert of_rate == 16_000 and samples.ndim == 1
    np.testing.assert_allclose(samples, read_audio(path), atol=2**-16)  # half a step of 16 bits


@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_that_is_ready_is_handed_over_as_it_is(channels, tmp_path):
    content = wav(noise(0.5, channels=channels))
    (tmp_path / "a.wav").write_bytes(content)
    assert recording_bytes(tmp_path / "a.wav") == content


def test_samples_beyond_16_bits_are_clipped():
    samples, _ = soundfile.read(io.BytesIO(encode_wav(np.array([-2, -1, 0.5, 1, 2]))), dtype="int16")
    assert samples.tolist() == [-32768, -32768, 16384, 32767, 32767]


def test_a_folder_is_searched_and_transcripts_are_found_by_path_name_or_stem(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("z.wav", "b/y.FLAC", "b/x.mp3", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "words.csv").write_text(
        f"id,transcript\n{tmp_path / 'z.wav'},by path\ny.FLAC,by name\nx,cafe\u0301\nother,unused\n", encoding="utf-8"
    )
    found = find_recordings([tmp_path], transcripts=tmp_path / "words.csv")
    assert [(recording.path.name, recording.transcript) for recording in found] == [
        ("x.mp3", "café"),  # composed, as a manifest's
        ("y.FLAC", "by name"),
        ("z.wav", "by path"),
    ]


def test_what_cannot_be_meant_is_refused(tmp_path):
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).touch()
    (tmp_path / "words.csv").write_text("id,transcript\nother,word\n")
    (tmp_path / "empty").mkdir()
    files = [tmp_path / "a.wav", tmp_path / "b.wav"]
    with pytest.raises(UsageError, match="the words of one recording; here are 2: use --transcripts"):
        find_recordings(files, transcript="Hello")
    with pytest.raises(UsageError, match="contradict each other"):
        find_recordings(files, transcript="Hello", transcripts=tmp_path / "words.csv")
    with pytest.raises(TfcrError, match="has no id of any recording, such as"):
        find_recordings(files, transcripts=tmp_path / "words.csv")
    with pytest.raises(TfcrError, match=r"has no recordings; expected files that end in \.wav"):
        find_recordings([tmp_path / "empty"])


def test_what_is_no_export_is_said_before_anything_is_loaded(tmp_path, capsys):
    (tmp_path / "a.wav").write_bytes(wav(noise(0.1)))
    for export, reason in ((tmp_path, "has no version of an export"), (tmp_path / "gone", "does not exist")):
        with pytest.raises(SystemExit) as end:
            cli.main(["predict", str(export), str(tmp_path / "a.wav")])
        assert end.value.code == 1
        assert f"{export} {reason}; make one with `tfcr export`" in capsys.readouterr().err


def test_an_out_that_is_a_folder_is_refused_before_anything_is_loaded(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.wav").write_bytes(wav(noise(0.1)))
    (tmp_path / "answers").mkdir()
    for out in ("answers", "."):
        with pytest.raises(SystemExit) as end:
            cli.main(["predict", "gone", "a.wav", "--out", out, "--format", "jsonl"])
        assert end.value.code == 2
        named = pathlib.Path(out, "answers.jsonl")
        assert capsys.readouterr().err == f"Error: --out {out} is a folder; name a file, such as {named}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "answers"]


@pytest.fixture
def threads_of(monkeypatch):
    """How many threads an operation of an export gets by so many cores, where TensorFlow has been told a number."""

    def of(cores, told=0):
        given = [told]
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
        monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: told)
        monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", given.append)
        share_cores()
        return given[-1]

    return of


def test_an_operation_of_an_export_is_split_over_half_of_the_cores(fresh_process, threads_of, monkeypatch):
    monkeypatch.delenv(THREADS, raising=False)
    assert fresh_process["op_threads"] == max(1, fresh_process["cores"] // 2)
    assert [threads_of(cores) for cores in (1, 2, 3, 16)] == [1, 1, 1, 8]


def test_what_the_user_has_said_of_threads_stays(threads_of, monkeypatch):
    monkeypatch.delenv(THREADS, raising=False)
    assert threads_of(16, told=3) == 3
    monkeypatch.setenv(THREADS, "5")
    assert threads_of(16) == 0  # TensorFlow reads it
    for nothing in ("", "0", "many"):
        monkeypatch.setenv(THREADS, nothing)
        assert threads_of(16) == 8
