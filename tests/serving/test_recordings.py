"""Which words and features of a file are whose: a name means one recording, or is refused. No TensorFlow."""

import os
import pathlib

import numpy as np
import pytest

from tfcr.errors import TfcrError
from tfcr.features.own import OwnFeatures, write_features
from tfcr.serving.feature_questions import _of_file
from tfcr.serving.recordings import find_recordings


@pytest.fixture
def place(tmp_path, monkeypatch):
    """`place(name, ...)`: a folder, entered, in which there are such recordings."""
    monkeypatch.chdir(tmp_path)

    def made(*names):
        for name in names:
            os.makedirs(os.path.dirname(tmp_path / name), exist_ok=True)
            (tmp_path / name).touch()
        return pathlib.Path()

    return made


def features_of(recordings, *names):
    """The number that each recording finds in a file where every name has its own, from 0; or why it finds none."""
    write_features("own.h5", ((name, np.full(1, number)) for number, name in enumerate(names)))
    source = _of_file(OwnFeatures(pathlib.Path("own.h5"), "audio"), "audio_features", (1,), None)

    def found(recording):
        try:
            return int(source(recording)["audio_features"][0])
        except TfcrError as error:
            return str(error)

    return {str(recording.path): found(recording) for recording in recordings}


def words_of(recordings_at, *names):
    """The words that each recording finds in a file where every name has itself."""
    (recordings_at / "words.csv").write_text("id,transcript\n" + "".join(f"{name},of {name}\n" for name in names))
    found = find_recordings([recordings_at], transcripts=recordings_at / "words.csv")
    return {str(recording.path): recording.transcript for recording in found}


def test_a_name_of_two_recordings_is_refused(place):
    here = place("ses1/001.wav", "ses2/001.wav", "ses2/002.wav")
    for name in ("001", "001.wav"):
        found = features_of(find_recordings([here]), name, "002")
        for session in ("ses1/001.wav", "ses2/001.wav"):
            assert f"has {name!r}, which names {session} and another recording; expected one name" in found[session]
            assert "\n" not in found[session]
        assert found["ses2/002.wav"] == 1
        with pytest.raises(TfcrError, match=f"--transcripts words.csv has '{name}', which names ses1/001.wav and"):
            words_of(here, name, "002")


def test_a_path_is_its_recordings_even_where_it_is_anothers_name(place):
    here = place("001.wav", "ses1/001.wav")
    recordings = find_recordings([here])
    assert features_of(recordings, "001.wav", "ses1/001.wav", "001") == {"001.wav": 0, "ses1/001.wav": 1}
    assert words_of(here, "001.wav", "ses1/001.wav") == {
        "001.wav": "of 001.wav",
        "ses1/001.wav": "of ses1/001.wav",
    }
    lacking = features_of(recordings, "001.wav")
    assert lacking["001.wav"] == 0 and "and another recording" in lacking["ses1/001.wav"]


def test_a_recording_that_is_given_twice_is_one(place):
    here = place("a.wav")
    (here / "link").symlink_to(".", target_is_directory=True)
    recordings = find_recordings([here / "a.wav", here / "a.wav", here.absolute() / "a.wav", here / "link" / "a.wav"])
    assert set(features_of(recordings, "a").values()) == {0}


def test_an_id_of_a_manifest_is_the_only_name(place):
    here = place("corpus/2.wav", "corpus/1.wav")
    (here / "corpus" / "manifest.csv").write_text(
        "id,path,transcript,emotion,speaker\n1,2.wav,one,anger,s\n2,1.wav,two,anger,s\n"
    )
    recordings = find_recordings([here / "corpus"])
    found = features_of(recordings, "2", "2.wav", "corpus/2.wav")
    assert "has no dataset '1'" in found["corpus/2.wav"] and found["corpus/1.wav"] == 0
    assert words_of(here / "corpus", "2") == {"corpus/2.wav": "one", "corpus/1.wav": "of 2"}


def test_an_id_of_two_manifests_is_refused(place):
    here = place("a/1.wav", "b/1.wav")
    for corpus in ("a", "b"):
        (here / corpus / "manifest.csv").write_text("id,path,transcript,emotion,speaker\n1,1.wav,one,anger,s\n")
    found = features_of(find_recordings([here / "a", here / "b"]), "1")
    assert all("has '1', which names" in why for why in found.values()) and len(found) == 2
