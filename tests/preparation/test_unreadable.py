"""Recordings that cannot be read: one run lists all, and they can be left out."""

import errno
import os

import numpy as np
import pytest
import soundfile

from tfcr.corpora.paths import LFS_POINTER
from tfcr.corpora.utterance import Utterance
from tfcr.errors import TfcrError
from tfcr.preparation.unreadable import note, readable


def in_order(function, utterances):
    return [function(utterance) for utterance in utterances]


@pytest.fixture
def utterances(tmp_path) -> list[Utterance]:
    """Thirty good recordings of two emotions, a tenth of a second each."""
    samples = np.random.default_rng(0).integers(-3000, 3000, 1600).astype(np.int16)
    soundfile.write(tmp_path / "good.flac", samples, 16_000)
    content = (tmp_path / "good.flac").read_bytes()
    made = []
    for number in range(30):
        path = tmp_path / f"u{number:02d}.flac"
        path.write_bytes(content)
        made.append(Utterance(path.stem, path, "", ("neutral", "anger")[number % 2], "ann"))
    return made


def refused(utterances, skip=False) -> tuple[str, list[str]]:
    said: list[str] = []
    with pytest.raises(TfcrError) as raised:
        readable(utterances, skip, in_order, said.append)
    assert "\n" not in str(raised.value)
    return str(raised.value), said


def test_good_recordings_give_their_samples(utterances):
    kept, samples, broken = readable(utterances, False, in_order, pytest.fail)
    assert kept == utterances and samples == [1600] * 30 and not broken


def test_one_error_lists_all_kinds_of_broken_recordings(utterances):
    paths = [utterance.audio for utterance in utterances]
    paths[1].write_bytes(b"")
    paths[3].write_bytes(LFS_POINTER + b"\noid sha256:00\nsize 3\n")
    paths[5].unlink()
    paths[5].mkdir()
    paths[7].unlink()
    paths[7].with_suffix(".wav").touch()
    paths[9].unlink()
    content = paths[11].read_bytes()
    paths[11].write_bytes(content[: len(content) // 2])  # its header is good: seen by decoding alone
    line, said = refused(utterances)
    assert line.startswith(f"6 of 30 recordings cannot be read: {paths[1]} is empty (0 bytes); ")
    assert f"{paths[3]} is a pointer of Git LFS instead of sound; " in line
    assert f"{paths[5]} is a folder; " in line
    assert f"{paths[7]} does not exist; " in line
    assert f"{paths[9]} does not exist; {paths[11]}" in line
    assert line.endswith(". Mend them; --skip-unreadable leaves out what cannot be read")
    assert said == [
        f"{paths[1]} is empty (0 bytes); expected a WAV, FLAC, OGG or MP3 recording; looking at all others too"
    ]


def test_the_first_twenty_are_named_and_all_are_counted(utterances):
    for utterance in utterances[:25]:
        utterance.audio.write_bytes(b"")
    line, _ = refused(utterances)
    assert line.startswith("25 of 30 recordings cannot be read: ")
    assert line.count("is empty (0 bytes)") == 20 and "u19.flac" in line and "u20.flac" not in line
    assert "; and 5 more. Mend them; " in line


@pytest.mark.parametrize("instead", ["folder", "pointer", "other suffix", "no folder"])
def test_what_is_there_instead_of_the_one_recording_is_said(utterances, instead, tmp_path):
    path = utterances[4].audio
    path.unlink()
    if instead == "folder":
        path.mkdir()
        expected = f"{path} is a folder; expected a recording"
    elif instead == "pointer":
        path.write_bytes(LFS_POINTER + b"\n")
        expected = f"{path} is a pointer of Git LFS instead of sound; `git lfs pull` fetches it"
    elif instead == "other suffix":
        path.with_suffix(".m4a").touch()
        expected = f"{path} does not exist; its folder has u04.m4a"
    else:
        path = tmp_path / "none" / "u04.flac"
        utterances[4] = Utterance("u04", path, "", "neutral", "ann")
        expected = f"{path} does not exist, nor does its folder"
    line, _ = refused(utterances)
    assert line == f"{expected}; --skip-unreadable leaves out what cannot be read"


def test_broken_recordings_are_left_out_on_request_and_noted(utterances):
    utterances[2].audio.write_bytes(b"")
    content = utterances[3].audio.read_bytes()
    utterances[3].audio.write_bytes(content[: len(content) // 2])
    kept, samples, broken = readable(utterances, True, in_order, pytest.fail)
    assert [utterance.id for utterance in kept] == [f"u{number:02d}" for number in range(30) if number not in (2, 3)]
    assert len(samples) == 28
    assert [each.to_dict()["id"] for each in broken] == ["u02", "u03"]
    sentence = note(broken, 30)
    assert sentence.startswith("2 of 30 recordings cannot be read and were left out (anger 1, neutral 1); ")
    assert sentence.endswith("u02.flac is empty (0 bytes).")


@pytest.mark.parametrize("skip", [False, True])
def test_a_recording_that_may_not_be_opened_is_one_of_those_that_cannot_be_read(utterances, monkeypatch, skip):
    opened, secret = open, utterances[3].audio

    def denied(path, *arguments, **options):
        if path == secret:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr("builtins.open", denied)
    reason = f"{secret} cannot be read (Permission denied)"
    if skip:
        _, _, broken = readable(utterances, True, in_order, pytest.fail)
        assert note(broken, 30) == f"1 of 30 recordings cannot be read and was left out (anger 1); the first: {reason}."
    else:
        assert refused(utterances)[0] == f"{reason}; --skip-unreadable leaves out what cannot be read"


def test_an_emotion_without_any_recording_left_is_named(utterances):
    for utterance in utterances[::2]:
        utterance.audio.write_bytes(b"")
    line, _ = refused(utterances, skip=True)
    assert line.startswith("no recording of the emotion 'neutral' can be read; the first: ")


def test_where_nothing_can_be_read_nothing_can_be_left_out(utterances):
    for utterance in utterances:
        utterance.audio.unlink()
    for skip in (False, True):
        line, _ = refused(utterances, skip)
        assert line.startswith("30 of 30 recordings cannot be read: ") and line.endswith("; and 10 more. Mend them")
