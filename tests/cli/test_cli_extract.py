"""`tfcr extract` with an extractor of this test's, and what it says where nothing can be extracted."""

import importlib.util
import shutil

import h5py
import numpy as np
import pytest

from tfcr.extraction import extractor

CORPUS = ("extract", "--corpus", "manifest", "--root")


class Loudness:
    """Of every recording the mean square; of every transcript how many letters."""

    longest = None

    def __init__(self, modality):
        self.modality = modality
        self.description = {"kind": "loudness", "modality": modality}

    def features_of(self, batch):
        if self.modality == "text":
            return [np.array([len(words)], np.float32) for words in batch]
        return [np.array([np.mean(samples**2)], np.float32) for samples in batch]


@pytest.fixture
def extractors(monkeypatch):
    """Stand for those of the extras: openSMILE's hears, a model reads."""
    monkeypatch.setattr(extractor, "open_smile", lambda *arguments: Loudness("audio"))
    monkeypatch.setattr(extractor, "pretrained", lambda *arguments: Loudness("text"))


def test_recordings_and_transcripts_of_a_corpus(tfcr, extractors, tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tiny_corpus / "wav" / "u01.wav").write_bytes(b"no recording")
    ended = tfcr(*CORPUS, tiny_corpus, "--opensmile", "eGeMAPSv02")
    assert ended.code == 1 and ended.out == "eGeMAPSv02.h5\n"
    first, *_, last = ended.err.splitlines()
    assert first.startswith("no features: ") and "u01.wav is not a recording" in first
    assert last == (
        "Error: 1 of 16 utterances has no features; eGeMAPSv02.h5 has the others, and the same command adds those that "
        "were mended"
    )
    with h5py.File("eGeMAPSv02.h5") as file:
        assert len(file) == 15
    ended = tfcr(*CORPUS, tiny_corpus, "--model", "models/words/", "--pool", "mean")
    assert (ended.code, ended.out) == (0, "words.h5\n"), ended.err
    with h5py.File("words.h5") as file:
        assert len(file) == 16


def test_those_of_a_dataset(tensorflow, tfcr, extractors, small_dataset, small_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for options in (("--opensmile", "a", "--root", small_corpus), ("--model", "b")):
        ended = tfcr("extract", "--data", small_dataset.folder, *options)
        assert ended.code == 0, ended.err
        with h5py.File(f"{options[1]}.h5") as file:
            assert sorted(file) == [row.id for row in small_dataset.index]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "expected one of --model and --opensmile"),
        (("--model", "m", "--opensmile", "s"), "expected one of --model and --opensmile"),
        (("--model", "m", "--data", "d", "--corpus", "manifest"), "--data and --corpus contradict each other"),
        (("--model", "m", "--corpus", "manifest"), "needs --root"),
        (("--model", "m", "--level", "lld"), "--level is of --opensmile"),
        (("--opensmile", "s", "--layer", "3"), "--layer is of a --model"),
        (("--opensmile", "s", "--pool", "mean"), "functionals are one vector"),
        (("--model", "m", "--layer", "first"), "layer must be a number from 0"),
        (("--model", "m", "--window", "2", "--overlap", "2"), "overlap must be less than window"),
    ],
)
def test_options_that_say_nothing_together(fails, options, message):
    assert message in fails("extract", *options, code=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "m", "--window", "9"), "--window is of a model of speech; m takes words"),
        (("--model", "m", "--overlap", "2"), "--overlap is of a model of speech; m takes words"),
        (("--model", "m", "--root", "r"), "--root is where recordings lie, and m takes words; leave it out"),
        (
            ("--model", ".", "--revision", "main"),
            "--revision is of a model of the Hub, and . is a folder; leave it out",
        ),
        (("--model", "m", "--allow-partial"), "--allow-partial is of a --corpus"),
        (("--opensmile", "s", "--transcripts", "t"), "--transcripts is for a model of words"),
    ],
)
def test_options_that_would_change_nothing(fails, extractors, options, message):
    assert message in fails("extract", *options, code=2)


def test_a_file_may_serve_several_extractions(tfcr, extractors, small_dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e.yaml").write_text("root: there\nwindow: 20\noverlap: 2\nrevision: main\nallow_partial: true\n")
    (tmp_path / "words").mkdir()
    ended = tfcr("extract", "--config", "e.yaml", "--data", small_dataset.folder, "--model", "words")
    assert (ended.code, ended.out) == (0, "words.h5\n"), ended.err


def test_an_incomplete_release_goes_on_where_that_is_allowed(tfcr, fails, extractors, iemocap_tree, tmp_path):
    part = tmp_path / "part"
    shutil.copytree(iemocap_tree / "Session1", part / "Session1")
    typed = ("extract", "--corpus", "iemocap", "--root", part, "--model", "m", "--out", tmp_path / "m.h5")
    assert "--allow-partial to go on" in fails(*typed, code=1)
    assert tfcr(*typed, "--allow-partial").code == 0
    with h5py.File(tmp_path / "m.h5") as file:
        assert {id[:5] for id in file} == {"Ses01"}


@pytest.mark.parametrize(
    ("option", "package", "extra"),
    [
        ("--model", "torch", "pretrained"),
        ("--model", "transformers", "pretrained"),
        ("--opensmile", "opensmile", "opensmile"),
    ],
)
def test_an_extra_that_is_not_installed(fails, tiny_corpus, monkeypatch, option, package, extra):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else name)
    line = fails(*CORPUS, tiny_corpus, option, "name", code=1)
    wanted = f"needs a package that is not installed ({package}); in tfcr's clone, pip install '.[{extra}]'"
    assert line == f"Error: {option} name {wanted}"


def test_a_dataset_whose_recordings_lie_nowhere_known(fails, extractors, small_dataset):
    line = fails("extract", "--data", small_dataset.folder, "--opensmile", "a", code=1)
    assert "does not keep where its recordings lie; name the folder of its corpus (synthetic) by --root" in line
