"""The file of features: whole or not at all, the same bytes wherever it was cut off, broken recordings named."""

import contextlib
import dataclasses
import errno
import json
import os
import tracemalloc

import h5py
import numpy as np
import pytest
import soundfile

from tfcr import files
from tfcr.errors import TfcrError, UsageError
from tfcr.extraction import extract as module
from tfcr.extraction.extract import batches_by_length, extract
from tfcr.extraction.settings import Settings
from tfcr.extraction.sources import Source, Sources, recordings_of_corpus, transcripts_of_corpus
from tfcr.extraction.windows import windows
from tfcr.features.own import OwnFeatures
from tfcr.preparation.options import Progress

RATE = 50  # features a second


@dataclasses.dataclass
class Envelope:
    """An extractor that needs no package: the loudest of every 320 samples, and their mean.

    Attributes:
        calls: batches so far.
        ends_after: raises KeyboardInterrupt instead of one more.
    """

    settings: Settings = dataclasses.field(default_factory=lambda: Settings(window=2, overlap=1))
    name: str = "envelope"
    calls: int = 0
    ends_after: int = 10**9
    modality = "audio"
    longest = 2 * 16_000

    @property
    def description(self):
        return {"kind": "test", "model": self.name, "layer": self.settings.layer, "pool": self.settings.pool}

    def features_of(self, batch):
        self.calls += 1
        if self.calls > self.ends_after:
            raise KeyboardInterrupt
        return [self.settings.shaped(self._states(samples)) for samples in batch]

    def parts(self, blocks):
        for window in windows(blocks, self.settings.window, self.settings.overlap):
            yield window.kept(self._states(window.samples), RATE)

    def _states(self, samples):
        if len(samples) < 320:
            raise RuntimeError("Kernel size can't be greater\nthan actual input size")
        steps = samples[: len(samples) // 320 * 320].reshape(-1, 320)
        return np.stack([steps.max(axis=1), steps.mean(axis=1)], axis=-1)[np.newaxis].repeat(
            2 if self.settings.layer == "all" else 1, axis=0
        )


class OfSettings(Envelope):
    """One that has a configuration beside its weights."""

    @property
    def description(self):
        return super().description | {"settings_sha256": "0" * 64}


SECONDS = {"a": 1.0, "b": 0.5, "c": 1.7, "d": 0.5, "e": 5.03, "f": 0.7, "g": 1.9}


@pytest.fixture
def corpus(tmp_path):
    """Seven recordings of noise; `e` is longer than two windows."""
    root = tmp_path / "corpus"
    root.mkdir()
    rng = np.random.default_rng(0)
    rows = ["id,path,transcript,emotion,speaker"]
    for id, seconds in SECONDS.items():
        soundfile.write(root / f"{id}.wav", rng.uniform(-0.5, 0.5, round(16_000 * seconds)), 16_000)
        rows.append(f"{id},{id}.wav,the words of {id},anger,s")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


def recordings(root):
    return recordings_of_corpus("manifest", root, {})


def arrays(path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        return {id: file[id][()] for id in file}


@pytest.mark.parametrize("layer", ["last", "all"])
@pytest.mark.parametrize("pool", ["none", "mean"])
def test_the_file_has_what_a_direct_call_gives_cut_or_not(corpus, tmp_path, layer, pool):
    extractor = Envelope(Settings(layer=layer, pool=pool, window=2, overlap=1))
    out = tmp_path / "envelope.h5"
    found = extract(recordings(corpus), extractor, out, batch_size=3)
    assert (found.count, found.failed) == (7, {})
    for id, features in arrays(out).items():
        samples = soundfile.read(corpus / f"{id}.wav", dtype="float32")[0]
        expected = extractor.settings.shaped(extractor._states(samples))
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, expected, rtol=1e-6, atol=1e-7)
    with h5py.File(out) as file:
        assert json.loads(file.attrs["extractor"]) == extractor.description
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    own = OwnFeatures(out, "audio")
    assert own.extractor() == extractor.description
    shape = {"last-none": (None, 2), "last-mean": (2,), "all-none": (2, None, 2), "all-mean": (2, None, 2)}
    assert own.feature_set(list(SECONDS)).fields[0].shape == shape[f"{layer}-{pool}"]


def test_one_that_was_cut_off_goes_on_and_has_the_same_bytes(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SAVED_EVERY", 0.0)  # every batch
    at_once, cut_off = tmp_path / "once" / "f.h5", tmp_path / "cut" / "f.h5"
    extract(recordings(corpus), Envelope(), at_once, batch_size=2)
    with pytest.raises(KeyboardInterrupt):
        extract(recordings(corpus), Envelope(ends_after=2), cut_off, batch_size=2)
    assert not cut_off.exists()
    said, second = [], Envelope()
    extract(recordings(corpus), second, cut_off, batch_size=2, progress=Progress(said.append))
    assert said == ["4 of 7 utterances are there already"] and second.calls == 1  # and the long recording
    assert cut_off.read_bytes() == at_once.read_bytes()
    third = Envelope()
    extract(recordings(corpus), third, cut_off, progress=Progress(said.append))
    assert third.calls == 0 and "was extracted before" in said[-1]


def test_one_whose_plan_says_nothing_begins_anew(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SAVED_EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        extract(recordings(corpus), Envelope(ends_after=1), tmp_path / "f.h5", batch_size=2)
    [plan] = tmp_path.rglob("plan.json")
    plan.write_text("[]")
    said = []
    extract(recordings(corpus), Envelope(), tmp_path / "f.h5", batch_size=2, progress=Progress(said.append))
    assert "computed anew" in said[0] and len(arrays(tmp_path / "f.h5")) == 7


def test_one_that_goes_on_in_other_batches_keeps_what_is_there_and_says_it(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SAVED_EVERY", 0.0)
    at_once, cut_off = tmp_path / "once" / "f.h5", tmp_path / "cut" / "f.h5"
    extract(recordings(corpus), Envelope(), at_once, batch_size=3)
    with pytest.raises(KeyboardInterrupt):
        extract(recordings(corpus), Envelope(ends_after=1), cut_off, batch_size=2)
    said, second = [], Envelope()
    extract(recordings(corpus), second, cut_off, batch_size=3, progress=Progress(said.append))
    assert said == [
        "what is there already was computed by --batch 2, which may change the last digits of features, nothing else",
        "2 of 7 utterances are there already",
    ]
    assert second.calls == 2  # one of b, d | f and a c g, and the long recording
    assert list(arrays(cut_off)) == list(arrays(at_once))
    for id, features in arrays(at_once).items():
        np.testing.assert_allclose(arrays(cut_off)[id], features, rtol=1e-6)


def test_only_of_parts_that_are_there_it_is_said_by_which_batch(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SAVED_EVERY", 0.0)
    out, said = tmp_path / "f.h5", []
    for batch_size, ends_after in ((4, 0), (3, 1), (2, 1), (2, 9)):  # the first was killed before anything was there
        with contextlib.suppress(KeyboardInterrupt):
            extractor = Envelope(ends_after=ends_after)
            extract(recordings(corpus), extractor, out, batch_size, Progress(said.append))
    assert [sentence for sentence in said if "--batch" in sentence] == [
        f"what is there already was computed by {batches}, which may change the last digits of features, nothing else"
        for batches in ("--batch 3", "--batch 2 and --batch 3")
    ]


@pytest.mark.parametrize(
    ("changed", "how"),
    [
        ({"sha256": "1"}, "made by other weights of the model"),
        ({"settings_sha256": "1"}, "made by another configuration, tokenizer or feature extractor of the model"),
        ({"versions": {"tfcr": "1", "torch": "3"}}, "made with torch '2', not '3'"),
        ({"layer": 3}, "made with layer 'last', not 3"),
        ({"precision": "half"}, "that do not say their precision"),
        ({}, "of other recordings or words"),
    ],
)
def test_parts_of_something_else_are_removed_and_what_differs_is_said(corpus, tmp_path, monkeypatch, changed, how):
    described = {"sha256": "0", "settings_sha256": "0", "layer": "last", "versions": {"tfcr": "1", "torch": "2"}}

    class Described(Envelope):
        description = property(lambda self: described)

    monkeypatch.setattr(module, "_SAVED_EVERY", 0.0)
    out, said = tmp_path / "f.h5", []
    with pytest.raises(KeyboardInterrupt):
        extract(recordings(corpus), Described(ends_after=1), out, batch_size=2)
    if not changed:
        (corpus / "b.wav").write_bytes((corpus / "d.wav").read_bytes())
    described |= changed
    assert extract(recordings(corpus), Described(), out, batch_size=2, progress=Progress(said.append)).count == 7
    assert said == [f"what was extracted for {out} before it was cut off has features {how}, and is computed anew"]


@pytest.mark.parametrize("batch_size", [2, 1])
def test_what_failed_is_tried_again_by_one_that_goes_on(corpus, tmp_path, monkeypatch, batch_size):
    class Full(Envelope):
        def features_of(self, batch):
            if any(len(samples) == 8_000 for samples in batch):
                raise TfcrError("the GPU's memory is full; lower --batch, or --window")
            return super().features_of(batch)

    monkeypatch.setattr(module, "_SAVED_EVERY", 0.0)
    at_once, cut_off, said = tmp_path / "once" / "f.h5", tmp_path / "cut" / "f.h5", []
    extract(recordings(corpus), Envelope(), at_once, batch_size=2)
    with pytest.raises(KeyboardInterrupt):  # without b and d, of 0.5 s
        extract(recordings(corpus), Full(ends_after=1), cut_off, batch_size=2)
    found = extract(recordings(corpus), Envelope(), cut_off, batch_size, Progress(said.append))
    assert (found.count, found.failed) == (7, {}) and said[-1] == "2 of 7 utterances are there already"
    assert cut_off.read_bytes() == at_once.read_bytes()


def test_thousands_without_features_are_all_named(tmp_path):
    class Deaf(Envelope):
        modality, longest = "text", None

        def features_of(self, batch):
            if any(batch):
                raise ValueError("no word is known " * 3)
            return [np.ones(3, np.float32) for _ in batch]

    words = [Source(f"u{number:04d}", number, transcript="x" * (number > 0)) for number in range(2_000)]
    found = extract(Sources(words, {}, "here"), Deaf(), tmp_path / "f.h5", batch_size=100)
    assert (found.count, len(found.failed)) == (1, 1_999)


def test_broken_recordings_are_named_and_the_others_done(corpus, tmp_path):
    good = (corpus / "c.wav").read_bytes()
    (corpus / "a.wav").write_bytes(b"no recording")
    (corpus / "c.wav").write_bytes(good[:-2000])  # its header promises more
    soundfile.write(corpus / "d.wav", np.zeros(10), 16_000)
    sources, out = recordings(corpus), tmp_path / "f.h5"
    found = extract(sources, Envelope(), out)
    assert found.count == 4 and sorted(arrays(out)) == ["b", "e", "f", "g"]
    assert "a.wav is not a recording" in found.failed["a"] and "c.wav is cut short" in found.failed["c"]
    assert found.failed["d"].startswith("d: no features can be computed (Kernel size can't be greater than actual")
    assert not any("\n" in why for why in found.failed.values())

    (corpus / "c.wav").write_bytes(good)  # mended
    again = Envelope()
    assert sorted(extract(recordings(corpus), again, out).failed) == ["a", "d"]
    assert sorted(arrays(out)) == ["b", "c", "e", "f", "g"]


def test_one_that_no_longer_opens_costs_itself_alone(corpus, tmp_path, monkeypatch):
    sources, out = recordings(corpus), tmp_path / "f.h5"

    def digest(path):
        if path.name == "a.wav":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return digested(path)

    digested = files.sha256_of_file
    monkeypatch.setattr(files, "sha256_of_file", digest)
    (corpus / "a.wav").write_bytes(b"no recording any more")  # as root, who runs tests in containers, any file opens
    found = extract(sources, Envelope(), out)
    assert list(found.failed) == ["a"] and sorted(arrays(out)) == sorted(set(SECONDS) - {"a"})


def test_what_a_kill_left_beside_the_file_is_removed(corpus, tmp_path):
    (tmp_path / f".f.h5.{'ab' * 6}.tmp").touch()
    extract(recordings(corpus), Envelope(), tmp_path / "f.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "f.h5"]


def test_a_long_recording_that_breaks_leaves_nothing_of_itself(corpus, tmp_path):
    path = corpus / "e.wav"
    sources = recordings(corpus)
    path.write_bytes(path.read_bytes()[:-60_000])
    found = extract(sources, Envelope(), tmp_path / "f.h5")
    assert list(found.failed) == ["e"] and "e" not in arrays(tmp_path / "f.h5")


def test_an_index_error_of_a_library_names_the_recording(corpus, tmp_path, monkeypatch):
    def states(self, samples):
        if len(samples) == 16_000:
            raise IndexError("index out of range in self")
        return np.zeros((1, len(samples) // 320, 2))

    monkeypatch.setattr(Envelope, "_states", states)
    failed = extract(recordings(corpus), Envelope(), tmp_path / "f.h5").failed
    assert list(failed) == ["a"] and "index out of range in self" in failed["a"]


def test_a_recording_other_than_the_prepared_one_is_named(corpus, tmp_path):
    sources = recordings(corpus)
    found = [dataclasses.replace(each, recording="0" * 16 if each.id == "b" else "") for each in sources.found]
    failed = extract(dataclasses.replace(sources, found=found), Envelope(), tmp_path / "f.h5").failed
    assert list(failed) == ["b"] and "another recording than the one that was prepared" in failed["b"]


def test_a_file_of_another_extractor_is_not_touched(corpus, tmp_path):
    out = tmp_path / "f.h5"
    extract(recordings(corpus), Envelope(), out)
    before = out.read_bytes()
    with pytest.raises(UsageError, match=r"has features made with model 'envelope', not 'other'"):
        extract(recordings(corpus), Envelope(name="other"), out)
    assert out.read_bytes() == before
    with pytest.raises(
        UsageError, match=r"has features that do not say their configuration, tokenizer or feature extra"
    ):
        extract(recordings(corpus), OfSettings(), out)
    out.write_text("mine")
    with pytest.raises(TfcrError, match="is no file of features"):
        extract(recordings(corpus), Envelope(), out)
    assert out.read_text() == "mine"
    with pytest.raises(TfcrError, match=r"--out \S+ is a folder; name a file, such as \S+/features.h5$"):
        extract(recordings(corpus), Envelope(), tmp_path)


def test_where_nothing_has_features_there_is_no_file(corpus, tmp_path):
    for path in corpus.glob("*.wav"):
        soundfile.write(path, np.zeros(10), 16_000)
    with pytest.raises(TfcrError, match=r"nothing in .* has features; the first: a: no features"):
        extract(recordings(corpus), Envelope(), tmp_path / "f.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus"]


def test_batches_have_recordings_of_like_length_and_long_ones_alone():
    sources = [Source(id, length) for id, length in (("a", 5), ("b", 90), ("c", 3), ("d", 5), ("e", 80), ("f", 4))]
    batches = batches_by_length(sources, longest=10, size=3)
    assert [[each.id for each in batch] for batch in batches] == [["c", "f", "a"], ["d"], ["e"], ["b"]]


def test_words_come_from_the_corpus_or_a_file_for_it(corpus, tmp_path):
    assert transcripts_of_corpus("manifest", corpus, {}).found[1].transcript == "the words of b"
    heard = tmp_path / "heard.csv"
    heard.write_text("id,transcript\n" + "".join(f"{id},recognised {id}\n" for id in SECONDS))
    assert transcripts_of_corpus("manifest", corpus, {}, heard).found[1].transcript == "recognised b"


@pytest.mark.full
def test_memory_is_flat_over_an_hour(tmp_path):
    peaks = []
    for minutes in (3, 60):
        root = tmp_path / str(minutes)
        root.mkdir()
        with soundfile.SoundFile(root / "a.wav", "w", 16_000, 1) as file:
            for minute in range(minutes):
                file.write(np.random.default_rng(minute).uniform(-0.5, 0.5, 960_000))
        (root / "manifest.csv").write_text("id,path,transcript,emotion,speaker\na,a.wav,,anger,s\n")
        tracemalloc.start()
        extract(recordings(root), Envelope(), root / "f.h5")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert arrays(root / "f.h5")["a"].shape == (minutes * 3_000, 2)
    assert peaks[1] < 1.1 * peaks[0]


def test_ids_that_cannot_stand_in_one_file_are_refused_before_anything_is_computed(corpus, tmp_path):
    sources = recordings(corpus)
    renamed = [dataclasses.replace(each, id={"b": "a/b"}.get(each.id, each.id)) for each in sources.found]
    extractor = Envelope()
    with pytest.raises(TfcrError, match="the ids 'a' and 'a/b' cannot stand in one file"):
        extract(dataclasses.replace(sources, found=renamed), extractor, tmp_path / "f.h5")
    assert extractor.calls == 0 and sorted(path.name for path in tmp_path.iterdir()) == ["corpus"]


def test_features_of_other_words_under_the_same_id_are_not_taken_for_these(tmp_path):
    def of(words):
        return Sources([Source("u1", len(words), transcript=words)], {}, "here")

    class Lengths(Envelope):
        modality, longest = "text", None

        def features_of(self, batch):
            return [np.full(3, len(words), np.float32) for words in batch]

    out = tmp_path / "words.h5"
    extract(of("abc"), Lengths(), out)
    before = out.read_bytes()
    assert extract(of("abc"), Lengths(), out).count == 1
    with pytest.raises(UsageError, match="has features of 'u1' made of other words; remove it, or name another"):
        extract(of("something else"), Lengths(), out)
    assert out.read_bytes() == before
    more = Sources([*of("abc").found, Source("u2", 2, transcript="hi")], {}, "here")
    assert extract(more, Lengths(), out).count == 2
    with pytest.raises(UsageError, match="of 'u1' made of other words"):  # of what was taken over too
        extract(of("abd"), Lengths(), out)
