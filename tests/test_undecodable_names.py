"""Names that are not UTF-8, as on an old disk: carried where a recording has one, else refused before any work."""

import os
import pathlib

import numpy as np
import pytest
import soundfile

from tfcr import exports, files, report, runs
from tfcr.cli import main
from tfcr.corpora import Corpus, audio, crema_d, emo_db, read
from tfcr.corpora.utterance import Utterance
from tfcr.dataset_info import open_dataset
from tfcr.errors import TfcrError
from tfcr.features.embeddings import load_word_vectors
from tfcr.preparation.transcripts import read_transcripts
from tfcr.serving.recordings import find_recordings
from tfcr.serving.wav_bytes import recording_bytes
from tfcr.wording import printable

LATIN = os.fsdecode(b"M\xe4rz")


@pytest.fixture
def folder(tmp_path) -> pathlib.Path:
    """A folder with such a name, and in it a recording with such a name."""
    folder = tmp_path / LATIN
    folder.mkdir()
    soundfile.write(os.fsencode(folder / f"{LATIN}.wav"), np.zeros(1600), 16_000, format="WAV")
    return folder


def test_names_are_shown_with_the_bytes_that_are_not_utf_8():
    assert printable(f"/data/{LATIN} β") == r"/data/M\xe4rz β"
    assert printable("\ud800") == r"\ud800"


def test_a_recording_is_read_whatever_bytes_its_path_has(folder):
    path = folder / f"{LATIN}.wav"
    assert audio.num_samples(path) == len(audio.read_audio(path)) == 1600
    assert recording_bytes(path).startswith(b"RIFF")
    assert [recording.path for recording in find_recordings([folder])] == [path]


def test_a_corpus_in_such_a_folder_is_read_and_its_notes_can_be_written(folder):
    for name in ("03a01Fa.wav", "03a01Wa.wav"):
        (folder / name).write_bytes((folder / f"{LATIN}.wav").read_bytes())
    corpus = read("emo-db", folder)
    assert [utterance.audio for utterance in corpus.utterances] == [folder / "03a01Fa.wav", folder / "03a01Wa.wav"]
    assert all(note.encode() for note in corpus.notes)
    assert rf"M\xe4rz{os.sep}M\xe4rz.wav" in corpus.notes[0]


def test_an_id_that_is_not_utf_8_is_refused_as_the_corpus_is_read(folder, monkeypatch):
    found = Corpus([Utterance(LATIN, folder / f"{LATIN}.wav", "", "anger", "ann")])
    monkeypatch.setattr(crema_d, "read", lambda root: found)
    with pytest.raises(TfcrError, match=r"M\\xe4rz\.wav: its id 'M\\\\xe4rz' is not UTF-8; rename the file") as raised:
        read("crema-d", folder)
    assert str(raised.value).encode()
    assert emo_db  # the corpus of the test above


@pytest.mark.parametrize(
    "use",
    [
        open_dataset,
        runs.open_run,
        exports.latest_version,
        lambda path: report.write_report([], path),
        lambda path: files.locked(path, "training").__enter__(),
    ],
    ids=["dataset", "run", "export", "report", "a folder to write to"],
)
def test_a_folder_of_tfcrs_own_is_refused_before_any_work(folder, use, monkeypatch):
    with pytest.raises(TfcrError, match="has a name that is not UTF-8") as raised:
        use(folder)
    assert str(raised.value).encode()
    monkeypatch.chdir(folder)  # and one below such a folder
    with pytest.raises(TfcrError, match=r"M\\xe4rz/data has a name that is not UTF-8"):
        use(pathlib.Path("data"))
    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["prepare-tfrecords", "--corpus", "emo-db", "--root", ".", "--out"],
        ["train", "--data"],
        ["inspect"],
        ["report"],
        ["export"],
        ["predict"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_command_says_so_in_one_line(folder, arguments, capsys, tensorflow):
    further = [str(folder / f"{LATIN}.wav")] if arguments == ["predict"] else []
    (folder / "x").mkdir()
    (folder / "x" / "config.yaml").touch()
    with pytest.raises(SystemExit) as ended:
        main([*arguments, str(folder / "x"), *further])
    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("Error: ")


def test_files_of_words_with_such_a_name_can_be_named_in_a_dataset(folder):
    words = folder / f"{LATIN}.csv"
    words.write_text("id,transcript\na,Yes.\n", encoding="utf-8")
    replaced = read_transcripts(words)
    assert replaced.to_dict()["source"] == r"M\xe4rz.csv"
    assert all(note.encode() for note in replaced.notes([], []))
    vectors = folder / f"{LATIN}.vec"
    vectors.write_text("1 300\nyes " + "0.5 " * 300 + "\n", encoding="utf-8")
    assert load_word_vectors(vectors, {"yes"}).source == r"M\xe4rz.vec"
