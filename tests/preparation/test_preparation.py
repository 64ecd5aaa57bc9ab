"""From a corpus to records: what a dataset says of itself, and that it is whole or not there, whatever happens."""

import collections
import csv
import dataclasses
import errno
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tfcr import __version__, corpora, files, schema
from tfcr.corpora.utterance import Utterance
from tfcr.dataset_info import INDEX, INFO, open_dataset
from tfcr.errors import TfcrError, UsageError
from tfcr.verification import verify

pytestmark = pytest.mark.usefixtures("tensorflow")


@pytest.fixture
def prepared(tiny_corpus, tmp_path):
    """Prepares the tiny corpus with any options and returns the dataset."""

    def run(workers=1, **options):
        from tfcr.preparation.options import Preparation
        from tfcr.preparation.prepare import prepare

        defaults = {"corpus": "manifest", "root": tiny_corpus, "out": tmp_path / "out", "name": "tiny"}
        return prepare(Preparation(**{**defaults, **options}), workers)

    return run


def shards(folder: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.tfrecord"))}


def stamps(folder: pathlib.Path) -> dict[str, tuple]:
    """What changes when a file is written: its inode and the time."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (INFO, ".lock")
    }


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def records(dataset) -> list:
    import tensorflow as tf

    from tfcr.data.records import parse, to_record

    paths = [str(dataset.folder / shard.name) for shard in dataset.shards]
    found = [to_record(parse(record)) for record in tf.data.TFRecordDataset(paths)]
    return sorted(found, key=lambda record: record.id)


def edit_manifest(root: pathlib.Path, change) -> None:
    """Rewrites every row of the manifest by `change(row)`."""
    path = root / "manifest.csv"
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:
            change(row)
            writer.writerow(row)


# ---- what a dataset says --------------------------------------------------------------------------------------------


def test_the_info_file_says_all_that_users_were_told(small_dataset):
    info = json.loads((small_dataset.folder / INFO).read_text(encoding="utf-8"))
    assert (info["corpus"], info["preset"], info["version"]) == ("synthetic", "paper", __version__)
    assert info["emotions"] == ["neutral", "happiness", "sadness", "anger"]
    assert set(info["counts"]) == {"emotion", "speaker", "session", "script"}
    assert info["audio"] == {
        "sample_rate": 16000,
        "fft_length": 256,
        "hop_length": 128,
        "bins": 128,
        "segment_frames": 128,
        "spectrogram_unit": "dB: 10 log10 of the power spectral density in 1/Hz",
        "floor_db": -140.0,
    }
    assert info["embeddings"]["transductive"] is True
    assert {"source", "coverage", "words", "words_with_vector", "out_of_vocabulary"} <= set(info["embeddings"])
    assert all(set(shard) == {"name", "records", "bytes", "sha256"} for shard in info["shards"])


def test_counts_add_up(small_dataset):
    info, rows = small_dataset.info, small_dataset.index
    assert info["utterances"] == len(rows) == sum(shard.records for shard in small_dataset.shards)
    for name, counts in info["counts"].items():
        assert counts == collections.Counter(getattr(row, name) for row in rows)
    assert list(info["counts"]["emotion"]) == info["emotions"]
    assert info["segments"] == sum(row.num_segments for row in rows)
    assert info["seconds"] == pytest.approx(sum(row.num_samples for row in rows) / 16000)
    assert set(info["left_out"]) <= {"frustration", "undecided"} and info["left_out"]


def test_numbers_of_the_index_follow_from_the_samples(small_dataset):
    for row in small_dataset.index:
        # The window takes 256 samples and moves by 128; a segment has 128 frames.
        assert row.num_frames == (row.num_samples - 256) // 128 + 1
        assert row.num_segments == -(-row.num_frames // 128)


def test_shards_are_eight_at_least_contiguous_and_sorted_by_id(small_dataset):
    names = [shard.name for shard in small_dataset.shards]
    assert names == [f"small-{number:05d}-of-00008.tfrecord" for number in range(8)]
    ids = [record.id for record in records(small_dataset)]
    assert ids == sorted(ids) == [row.id for row in small_dataset.index]
    counts = [shard.records for shard in small_dataset.shards]
    assert max(counts) - min(counts) <= 1


def test_a_record_is_what_the_corpus_and_the_index_say(small_dataset, small_corpus):
    from tfcr.corpora import read
    from tfcr.corpora.audio import read_audio
    from tfcr.features.spectrogram import spectrogram

    by_id = {utterance.id: utterance for utterance in read("synthetic", small_corpus, utterances=120).utterances}
    for record, row in list(zip(records(small_dataset), small_dataset.index, strict=True))[::10]:
        utterance = by_id[record.id]
        for name in ("speaker", "session", "script", "transcript"):
            assert getattr(record, name) == getattr(utterance, name)
        assert record.emotion == schema.MERGE.get(utterance.emotion, utterance.emotion) == row.emotion
        assert record.label == schema.EMOTIONS.index(record.emotion) == row.label
        segments, frames = spectrogram(read_audio(utterance.audio))
        np.testing.assert_array_equal(record.spectrogram, segments)
        assert record.num_frames == frames == row.num_frames
        assert len(record.tokens) == row.num_tokens


def test_the_dataset_is_intact_and_its_identity_is_its_content(prepared, tmp_path):
    one, other = prepared(), prepared(out=tmp_path / "elsewhere")
    verify(one)
    assert one.sha256 == other.sha256
    assert contents(one.folder)[INFO] == contents(other.folder)[INFO]


@pytest.mark.parametrize(
    ("segments", "utterances", "shards"),
    [
        (5, 3, 3),  # never a shard without a record
        (5, 1000, 8),
        (27_279, 5_531, 20),  # IEMOCAP: 27,279 x 64 KiB + 5,531 x 36 kB = 1.99 GB
    ],
)
def test_a_shard_has_about_100_mb_and_there_are_eight_at_least(small_dataset, segments, utterances, shards):
    from tfcr.preparation.description import number_of_shards

    row = dataclasses.replace(small_dataset.index[0], num_segments=0)
    rows = [row] * (utterances - 1) + [dataclasses.replace(row, num_segments=segments)]
    assert number_of_shards(rows, 300) == shards


# ---- again, and with several workers --------------------------------------------------------------------------------


def test_the_number_of_workers_changes_no_byte(prepared, tmp_path):
    one, three = prepared(workers=1), prepared(workers=3, out=tmp_path / "three")
    assert shards(one.folder) == shards(three.folder)
    assert one.info == three.info


def test_running_again_writes_nothing(prepared):
    folder = prepared().folder
    before = stamps(folder)
    info = (folder / INFO).read_bytes()
    prepared()
    after = stamps(folder)
    del before[INDEX], after[INDEX]
    assert after == before
    assert (folder / INFO).read_bytes() == info


def test_a_dataset_prepared_again_is_the_one_prepared_last(prepared, tmp_path):
    from tfcr.dataset_info import latest_dataset

    prepared(out=tmp_path / "data" / "one")
    prepared(out=tmp_path / "data" / "two")
    os.utime(tmp_path / "data" / "two" / INFO, ns=(0, 0))
    os.utime(tmp_path / "data" / "one" / INFO, ns=(1, 1))
    assert latest_dataset(tmp_path / "data").name == "one"
    prepared(out=tmp_path / "data" / "two")
    assert latest_dataset(tmp_path / "data").name == "two"


def deleted(path):
    path.unlink()


def cut(path):
    path.write_bytes(path.read_bytes()[:-1000])


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def emptied(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [deleted, cut, flipped, emptied])
def test_running_again_mends_a_shard_to_the_same_bytes_and_leaves_the_others(prepared, damage):
    folder = prepared().folder
    good, before = shards(folder), stamps(folder)
    broken = sorted(good)[3]
    damage(folder / broken)
    verify(prepared())
    assert shards(folder) == good
    after = stamps(folder)
    assert all(after[name] == before[name] for name in good if name != broken)


@pytest.mark.parametrize("damage", [deleted, cut, flipped, emptied, lambda path: path.write_text("{}")])
def test_running_again_mends_the_receipt_of_a_shard(prepared, damage):
    folder = prepared().folder
    good = shards(folder)
    (receipt,) = folder.glob(".*-00003-of-*.json")
    damage(receipt)
    verify(prepared())
    assert shards(folder) == good


def test_running_again_mends_the_index(prepared):
    folder = prepared().folder
    before = (folder / INDEX).read_bytes()
    flipped(folder / INDEX)
    verify(prepared())
    assert (folder / INDEX).read_bytes() == before


@pytest.mark.parametrize("damage", [cut, flipped, emptied, lambda path: path.write_text("{}")])
def test_running_again_mends_the_info_file(prepared, damage):
    folder = prepared().folder
    before = (folder / INFO).read_bytes()
    damage(folder / INFO)
    verify(prepared())
    assert (folder / INFO).read_bytes() == before


# ---- something else in the folder -----------------------------------------------------------------------------------


def refused(folder, prepare) -> str:
    """The one line in which `prepare()` is refused, leaving every byte below `folder` as it was."""
    before = contents(folder)
    with pytest.raises(TfcrError) as raised:
        prepare()
    assert contents(folder) == before
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"name": "other"}, "name"),
        ({"emotions": ("happiness", "neutral", "sadness", "anger")}, "emotions"),
        ({"merge": {"boredom": "neutral"}}, "merge"),
        ({"corpus": "synthetic"}, "corpus"),
    ],
)
def test_other_options_are_refused_and_nothing_changes(prepared, tmp_path, options, named):
    prepared()
    assert f"prepared with {named} " in refused(tmp_path, lambda: prepared(**options))


def test_another_conflict_rate_does_not_rewrite_the_corpus(prepared, tmp_path):
    options = {"corpus": "synthetic", "root": tmp_path / "out" / "corpus", "name": "synthetic"}
    prepared(**options, options={"utterances": 40})
    again = {"utterances": 40, "conflict_rate": 0.4}
    assert "conflict_rate 0.2, not 0.4" in refused(tmp_path, lambda: prepared(**options, options=again))


def test_other_transcripts_are_refused(prepared, tiny_corpus, tmp_path):
    prepared()
    words = tmp_path / "words.csv"
    words.write_text("id,transcript\n" + "".join(f"u{number:02d},hello\n" for number in range(16)))
    assert "from other transcripts or labels; remove" in refused(tmp_path, lambda: prepared(transcripts=words))


def test_parts_that_a_corpus_has_now_are_refused_in_a_dataset_without_them(prepared, tiny_corpus, tmp_path):
    before = prepared().sha256
    manifest = tiny_corpus / "manifest.csv"
    header, *rows = manifest.read_text().splitlines()
    manifest.write_text("\n".join([f"{header},part", *(f"{row},train" for row in rows)]) + "\n")
    with pytest.raises(TfcrError, match="a dataset prepared from other official parts; remove it, or choose another"):
        prepared()
    manifest.write_text("\n".join([header, *rows]) + "\n")
    assert prepared().sha256 == before


def test_other_word_vectors_are_refused(prepared, tmp_path):
    prepared()
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("of " + " ".join(["0.5"] * 300) + "\n", encoding="utf-8")
    assert "from other word vectors; remove" in refused(tmp_path, lambda: prepared(embeddings=vectors))


def test_a_mark_that_tells_no_inputs_apart_still_refuses_others_and_accepts_its_own(prepared, tiny_corpus, tmp_path):
    mark = prepared().folder / ".preparation.json"
    content = files.read_json(mark)
    del content["inputs"]
    files.write_json(mark, content)
    prepared()
    edit_manifest(tiny_corpus, lambda row: row.update(speaker="s9"))
    assert "other recordings, transcripts or word vectors" in refused(tmp_path, lambda: prepared())


def test_the_mark_has_digests_of_json(prepared, tiny_corpus):
    prepared()
    utterances = sorted(corpora.read("manifest", tiny_corpus).utterances, key=lambda utterance: utterance.id)
    names = ("id", "audio", "transcript", "emotion", "speaker", "session", "script")
    told = [{name: "" if name == "audio" else getattr(utterance, name) for name in names} for utterance in utterances]
    inputs = files.read_json(tiny_corpus.parent / "out" / ".preparation.json")["inputs"]
    assert inputs["transcripts or labels"] == hashlib.sha256(json.dumps(told).encode()).hexdigest()


def test_another_recording_of_the_same_length_is_refused(prepared, tiny_corpus, tmp_path):
    prepared()
    path = tiny_corpus / "wav" / "u01.wav"
    samples, rate = soundfile.read(path, dtype="int16")
    size = path.stat().st_size
    soundfile.write(path, samples[::-1], rate)
    assert path.stat().st_size == size
    assert "from other recordings; remove" in refused(tmp_path, lambda: prepared())


def test_records_of_unknown_origin_are_refused(prepared, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious.tfrecord").write_bytes(b"somebody's")
    assert "unknown origin" in refused(tmp_path, prepared)


def test_a_folder_that_another_process_prepares_is_refused(prepared, tmp_path):
    with files.locked(tmp_path / "out", "preparing"), pytest.raises(TfcrError, match="another process is preparing"):
        prepared()


# ---- killed, broken, full -------------------------------------------------------------------------------------------

_KILLED = """
import itertools, os, signal, sys
from tfcr.cli import main
from tfcr.preparation import shards

serialise, written = shards.serialise, itertools.count(1)

def serialise_and_die(record):
    if next(written) == 8:  # the second one of the fourth shard: three are finished, one is half-written
        os.kill(os.getpid(), signal.SIGKILL)
    return serialise(record)

shards.serialise = serialise_and_die
main(sys.argv[1:])
"""


def test_the_same_command_goes_on_after_a_kill(prepared, tiny_corpus, tmp_path):
    out = tmp_path / "killed"
    command = ["prepare-tfrecords", "--corpus", "manifest", "--root", tiny_corpus, "--out", out, "--name", "tiny"]
    killed = subprocess.run([sys.executable, "-c", _KILLED, *command, "--workers", "1"], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (out / INFO).exists()
    finished = stamps(out)
    assert len(shards(out)) == 3
    assert list(out.glob(".*.tmp"))  # the half-written one
    verify(prepared(out=out))
    assert shards(out) == shards(prepared(out=tmp_path / "undisturbed").folder)
    assert all(stamps(out)[name] == finished[name] for name in finished if name.endswith(".tfrecord"))
    assert not list(out.glob(".*.tmp"))


def test_going_on_says_what_is_there_already_and_reading_is_said_first(prepared, tiny_corpus, tmp_path):
    from tfcr.preparation.options import Preparation, Progress
    from tfcr.preparation.prepare import prepare

    said: list[str] = []
    out = prepared().folder
    (out / INFO).unlink()
    sorted(out.glob("*.tfrecord"))[3].unlink()
    prepare(Preparation("manifest", tiny_corpus, out, "tiny"), progress=Progress(said.append))
    assert said[0] == f"Reading manifest at {tiny_corpus}"
    assert "7 of 8 shards are there already" in said


def test_the_synthetic_corpus_is_announced_before_it_is_written(tmp_path):
    from tfcr.preparation.options import Preparation, Progress
    from tfcr.preparation.prepare import prepare

    said: list[str] = []
    corpus = Preparation("synthetic", tmp_path / "corpus", tmp_path / "out", "synthetic", options={"utterances": 40})
    for _ in range(2):
        prepare(corpus, progress=Progress(said.append))
    # 40 utterances of 0.015 s
    assert said[0] == f"Writing the synthetic corpus to {tmp_path / 'corpus'}, which takes about 1 s"
    assert f"Reading synthetic at {tmp_path / 'corpus'}" in said
    assert sum(sentence.startswith("No --embeddings") for sentence in said) == 1  # the second time it is known


def broken_flac(tiny_corpus, damage) -> tuple[pathlib.Path, bytes]:
    """Breaks a recording whose header stays good; it is in the fifth of eight shards."""
    path = tiny_corpus / "wav" / "u04.flac"
    good = path.read_bytes()
    half = len(good) // 2
    path.write_bytes(good[:half] + (b"\0" * (len(good) - half) if damage == "zeros" else b""))
    return path, good


@pytest.mark.parametrize("damage", ["zeros", "cut"])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_broken_recording_is_named_and_once_it_is_mended_the_same_command_completes(
    prepared, tiny_corpus, tmp_path, damage, workers
):
    path, good = broken_flac(tiny_corpus, damage)
    out = tmp_path / "out"
    with pytest.raises(TfcrError, match=r"u04.flac"):
        prepared(workers=workers)
    assert not (out / INFO).exists()
    finished = stamps(out)
    assert len(shards(out)) >= 4 // workers
    assert not list(out.glob(".*.tmp"))
    path.write_bytes(good)
    verify(prepared(workers=workers))
    assert shards(out) == shards(prepared(out=tmp_path / "undisturbed").folder)
    assert all(stamps(out)[name] == finished[name] for name in finished if name.endswith(".tfrecord"))


def test_unreadable_recordings_are_left_out_on_request_and_stand_in_the_dataset(
    prepared, tiny_corpus, tmp_path, capsys
):
    from tfcr.cli.inspect import describe_dataset

    broken_flac(tiny_corpus, "cut")  # u04
    (tiny_corpus / "wav" / "u01.wav").write_bytes(b"")
    dataset = prepared(skip_unreadable=True)
    verify(dataset)
    assert {row.id for row in dataset.index} == {f"u{number:02d}" for number in range(16)} - {"u01", "u04"}
    assert [(each["id"], each["emotion"]) for each in dataset.info["unreadable"]] == [
        ("u01", "happiness"),
        ("u04", "neutral"),
    ]
    assert any("2 of 16 recordings cannot be read and were left out" in each for each in dataset.info["notes"])
    describe_dataset(dataset)
    assert "unreadable: 2 recordings (u01, u04) left out\n" in capsys.readouterr().out
    before = stamps(dataset.folder)
    assert prepared(skip_unreadable=True).sha256 == dataset.sha256
    after = stamps(dataset.folder)
    assert all(after[name] == before[name] for name in before if name.endswith(".tfrecord"))


def test_one_run_lists_what_breaks_off_in_the_middle(prepared, tiny_corpus):
    for number in (2, 8, 12):
        path = tiny_corpus / "wav" / f"u{number:02d}.flac"
        path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(TfcrError, match=r"^3 of 16 recordings cannot be read: .*u02\.flac.*u08\.flac.*u12\.flac"):
        prepared()


def test_a_recording_whose_file_has_another_name_is_named_with_its_utterance(prepared, tiny_corpus):
    other = tiny_corpus / "wav" / "other.flac"
    edit_manifest(tiny_corpus, lambda row: row.update(path="wav/other.flac") if row["id"] == "u12" else None)
    with pytest.raises(TfcrError, match=r"^utterance 'u12': .*other\.flac does not exist; expected"):
        prepared()
    content = (tiny_corpus / "wav" / "u12.flac").read_bytes()
    other.write_bytes(content[: len(content) // 2])  # its header stays good
    with pytest.raises(TfcrError, match=r"^utterance 'u12': .*other\.flac"):
        prepared()


def test_a_recording_with_a_broken_header_is_named_before_anything_is_written(prepared, tiny_corpus, tmp_path):
    path = tiny_corpus / "wav" / "u15.wav"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TfcrError, match=r"u15.wav is cut short"):
        prepared()
    assert not (tmp_path / "out").exists()


class _FullDisk:
    """A writer whose disk is full after some records."""

    def __init__(self, writer, error, after):
        self.writer, self.error, self.left = writer, error, after

    def __call__(self, path):
        self.file = self.writer(path)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, record):
        self.left -= 1
        if self.left < 0:
            raise self.error
        self.file.write(record)


@pytest.mark.parametrize("kind", ["tensorflow", "system"])
def test_a_full_disk_leaves_nothing_half_written_and_the_same_call_goes_on(
    prepared, tmp_path, monkeypatch, tensorflow, kind
):
    error = {
        "tensorflow": tensorflow.errors.ResourceExhaustedError(None, None, "No space left on device"),
        "system": OSError(errno.ENOSPC, "No space left on device"),
    }[kind]
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(tensorflow.io, "TFRecordWriter", _FullDisk(tensorflow.io.TFRecordWriter, error, 5))
        with pytest.raises(OSError if kind == "system" else TfcrError, match="No space left on device"):
            prepared()
    assert not (out / INFO).exists()
    assert not list(out.glob(".*.tmp"))
    assert len(shards(out)) == 2  # of two records each; the fifth record was the third shard's first
    verify(prepared())
    assert shards(out) == shards(prepared(out=tmp_path / "undisturbed").folder)


# ---- emotions -------------------------------------------------------------------------------------------------------


def test_emotions_in_another_order_get_other_labels(prepared):
    dataset = prepared(emotions=("anger", "sadness", "neutral"), merge={})
    assert dataset.emotions == ["anger", "sadness", "neutral"]
    assert {(row.emotion, row.label) for row in dataset.index} == {("anger", 0), ("sadness", 1), ("neutral", 2)}
    assert dataset.info["left_out"] == {"happiness": 4}
    assert dataset.info["counts"]["emotion"] == {"anger": 4, "sadness": 4, "neutral": 4}
    assert [record.label for record in records(dataset)] == [row.label for row in dataset.index]


def excited(row):
    if row["id"] in ("u01", "u05"):
        row["emotion"] = "excitement"


def test_excitement_joins_happiness(prepared, tiny_corpus):
    edit_manifest(tiny_corpus, excited)
    dataset = prepared()
    assert dataset.info["counts"]["emotion"]["happiness"] == 4
    assert not dataset.info["left_out"]


def test_excitement_can_be_a_class_of_its_own(prepared, tiny_corpus):
    edit_manifest(tiny_corpus, excited)
    dataset = prepared(emotions=(*schema.EMOTIONS, "excitement"), merge={})
    assert dataset.info["counts"]["emotion"]["happiness"] == 2
    assert {row.label for row in dataset.index if row.emotion == "excitement"} == {4}


def test_labels_are_translated_unless_they_are_classes_of_the_dataset(prepared, tiny_corpus, tmp_path):
    codes = {"neutral": "Neu", "happiness": "joy", "sadness": "sad", "anger": "ANG"}
    edit_manifest(tiny_corpus, lambda row: row.update(emotion=codes[row["emotion"]]))
    dataset = prepared()
    assert dataset.info["counts"]["emotion"] == dict.fromkeys(schema.EMOTIONS, 4)
    assert sum("labels are read as emotions of other names" in note for note in dataset.info["notes"]) == 1
    own = prepared(out=tmp_path / "own", emotions=("neutral", "joy"), merge={"ANG": "neutral"})
    assert own.info["counts"]["emotion"] == {"neutral": 8, "joy": 4} and own.info["left_out"] == {"sadness": 4}


def test_an_emotion_that_nobody_has_is_an_error_that_names_those_there_are(prepared, tmp_path):
    with pytest.raises(TfcrError, match=r"'boredom'.*anger, happiness, neutral, sadness"):
        prepared(emotions=("neutral", "boredom"), merge={})
    assert not (tmp_path / "out").exists()


def test_an_emotion_in_other_words_gets_a_suggestion(prepared):
    with pytest.raises(TfcrError, match=r"'angry' \(did you mean 'anger'\?\); the corpus has anger, happiness"):
        prepared(emotions=("neutral", "angry"), merge={})


@pytest.mark.parametrize(
    "options",
    [
        {"emotions": ("neutral",)},
        {"emotions": ("neutral", "neutral")},
        {"emotions": ("neutral", "")},
        {"emotions": ("neutral", "anger"), "merge": {"excitement": "happiness"}},
        {"merge": {"anger": "sadness"}},
        {"name": ""},
        {"name": "a/b"},
        {"name": ".hidden"},
        {"corpus": "iemocarp"},
        {"options": {"conflict_rate": 0.4}},
    ],
    ids=str,
)
def test_options_that_make_no_dataset_are_wrong_usage(prepared, tmp_path, options):
    with pytest.raises(UsageError):
        prepared(**options)
    assert not (tmp_path / "out").exists()


# ---- words ----------------------------------------------------------------------------------------------------------


def test_transcripts_from_a_file_replace_the_corpuss(prepared, tmp_path):
    words = tmp_path / "words.csv"
    lines = [f"u{number:02d},heard {number} times" for number in range(16)]
    words.write_text("\n".join(["id,transcript", *lines, "zz,no such utterance"]) + "\n", encoding="utf-8")
    dataset = prepared(transcripts=words)
    found = records(dataset)
    assert found[7].transcript == "heard 7 times"
    assert found[7].tokens == ["heard", "7", "times"]
    assert dataset.info["transcripts"] == {"source": "words.csv", "sha256": files.sha256_of_file(words)}
    assert "words.csv replaced 16 transcripts of the corpus." in dataset.info["notes"]
    assert "words.csv has 1 id that the corpus lacks; the first is 'zz'." in dataset.info["notes"]
    assert dataset.info["embeddings"]["source"] == "Word2Vec trained on this dataset's own transcripts"
    assert prepared(out=tmp_path / "own").info["transcripts"] is None


@pytest.mark.parametrize("separator", [";", "\t"])
def test_transcripts_are_read_as_a_manifest_is(tmp_path, separator):
    from tfcr.preparation.transcripts import read_transcripts

    words = tmp_path / "words.csv"
    lines = [("Confidence", "ID", "Transcript"), ("0,9", "a", '"Well,\r\nno"'), ("", "", ""), ("0,1", "b", "")]
    words.write_bytes("\r\n".join(separator.join(line) for line in lines).encode("utf-16"))
    assert read_transcripts(words).words == {"a": "Well,\r\nno", "b": ""}


def test_ids_of_a_transcript_file_are_compared_as_the_manifests_are(tmp_path):
    from tfcr.preparation.transcripts import read_transcripts

    utterance = Utterance("é", tmp_path / "a.wav", "No.", "anger", "ann", "", "")
    words = tmp_path / "words.csv"
    words.write_text("id,transcript\n e\N{COMBINING ACUTE ACCENT} , No\u0308! \n\n", encoding="utf-8")
    assert [each.transcript for each in read_transcripts(words).replace([utterance])] == ["Nö!"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,transcript\nu00,Well, no\n", "line 2: 3 values for 2 columns"),
        ('id,transcript\nu00,"a\nb"\n\nu01\n', "line 5: 1 value for 2 columns"),
        ("id,transcript\nu00,a\n", "lacks 15 utterances, the first of them 'u01'"),
        ("id,words\nu00,a\n", "line 1: column 'transcript' is missing; expected id, transcript, found id, words"),
        ("", "is empty; expected the header id,transcript"),
        (b"id,transcript\nu00,\xff\n", r"line 2: not UTF-8 \(byte 0xff\)"),
        (None, "does not exist"),
        ("id,transcript\nu00,a\nu00,b\n", "line 3: the id 'u00' stands twice, in line 2 too"),
        ("id,transcript,Transcript\nu00,a,b\n", "line 1: column 'transcript' stands twice"),
        ("id;transcript\nu00.wav;a\n", "lacks 16 utterances, the first of them 'u00'; its own first is 'u00.wav'"),
        ("ID\ttranscript\n\ta\n", "line 2: 'id' is empty"),
        ("id,transcript\n", "has no rows below its header"),
    ],
)
def test_transcripts_that_do_not_fit_are_named(prepared, tmp_path, content, message):
    words = tmp_path / "words.csv"
    if content is not None:
        words.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(TfcrError, match=f"--transcripts {words}.*{message}"):
        prepared(transcripts=words)
    assert not (tmp_path / "out").exists()


def test_silence_without_words_is_fine(prepared, tiny_corpus):
    edit_manifest(tiny_corpus, lambda row: row.update(transcript=""))
    soundfile.write(tiny_corpus / "wav" / "u01.wav", np.zeros(160, np.int16), 16_000)  # shorter than a window
    dataset = prepared()
    assert {row.num_tokens for row in dataset.index} == {0}
    assert dataset.info["embeddings"]["coverage"] is None
    silent = records(dataset)[1]
    assert silent.num_frames == 1 and silent.spectrogram.shape == (1, 128, 128)
    assert (silent.spectrogram == schema.FLOOR_DB).all()
    assert all(np.isfinite(record.spectrogram).all() and not record.embeddings.any() for record in records(dataset))


def test_words_without_a_vector_are_counted(prepared, tmp_path):
    vectors = tmp_path / "vectors.txt"
    numbers = " ".join(["0.5"] * 300)
    vectors.write_text(f"of {numbers}\nword1 {numbers}\n", encoding="utf-8")
    dataset = prepared(embeddings=vectors)
    words = dataset.info["embeddings"]
    # "Word<0, 1 or 2> of <emotion>." 16 times; of is always known, Word1 in lower case at numbers 1, 4, 7, 10, 13.
    assert (words["words"], words["words_with_vector"]) == (48, 16 + 5)
    assert words["transductive"] is False
    assert words["source"] == "vectors.txt"
    assert words["sha256"] == files.sha256_of_file(vectors)
    assert words["out_of_vocabulary"]["Word0"] == 6


@pytest.mark.parametrize(
    ("known", "warned"),
    [("word0 word1 word2 of neutral happiness sadness anger", False), ("of", True)],  # "of" is one word in three
)
def test_few_words_with_a_vector_are_told_before_training(tiny_corpus, tmp_path, tensorflow, known, warned):
    from tfcr.preparation.options import Preparation, Progress
    from tfcr.preparation.prepare import prepare

    vectors, said = tmp_path / "vectors.txt", []
    vectors.write_text("".join(f"{word} {' '.join(['0.5'] * 300)}\n" for word in known.split()), encoding="utf-8")
    dataset = prepare(
        Preparation("manifest", tiny_corpus, tmp_path / "out", "tiny", embeddings=vectors),
        progress=Progress(said.append),
    )
    share = "33.3" if warned else "100.0"
    assert f"{share} % of 48 words have a vector; 0 utterances have no word with one." in said
    warnings = [line.removeprefix("Warning: ") for line in said if line.startswith("Warning: ")]
    assert len(warnings) == warned and all(line in dataset.info["notes"] for line in warnings)


def test_transcripts_of_a_script_without_spaces_have_one_note(prepared, tiny_corpus):
    sentence = "\u4eca\u65e5\u306f\u5929\u6c17\u304c\u3044\u3044\u3067\u3059\u306d\u3002"
    edit_manifest(tiny_corpus, lambda row: row.update(transcript=sentence if row["id"] < "u12" else "\u5929\u6c17"))
    (note,) = (note for note in prepared().info["notes"] if "without spaces" in note)
    assert note.startswith("75.0 % of the transcripts") and "segmented" in note


def test_vectors_of_none_of_the_words_are_refused_unless_there_are_no_words(prepared, tiny_corpus, tmp_path):
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("slovo " + " ".join(["0.5"] * 300) + "\n", encoding="utf-8")
    with pytest.raises(TfcrError, match=r"vectors.txt: 0 of 48 words have a vector, not even 'of'.*another language"):
        prepared(embeddings=vectors)
    assert not (tmp_path / "out").exists()
    edit_manifest(tiny_corpus, lambda row: row.update(transcript=""))
    prepared(embeddings=vectors)


@pytest.mark.parametrize("missing", ["embeddings", "transcripts"])
def test_a_missing_file_is_said_before_the_corpus_is_read(prepared, tmp_path, missing):
    with pytest.raises(TfcrError, match=f"--{missing} .*none.csv does not exist; expected"):
        prepared(root=tmp_path / "no-corpus", **{missing: tmp_path / "none.csv"})


def test_recordings_that_are_too_short_or_stand_twice_are_noted(prepared, tiny_corpus):
    wav = tiny_corpus / "wav"
    soundfile.write(wav / "u01.wav", np.zeros(255, np.int16), 16_000)  # a window takes 256
    soundfile.write(wav / "u03.wav", np.zeros(256, np.int16), 16_000)
    (wav / "u07.wav").write_bytes((wav / "u05.wav").read_bytes())
    first = prepared().info["notes"]
    assert first == [
        "1 recording is shorter than one window (256 samples at 16 kHz); the first is 'u01'.",
        "2 recordings are nothing but silence: 'u01', 'u03'.",
        "2 utterances share their recording with another one, the first are 'u05' and 'u07'; "
        "of such a pair one can fall into training and the other into the test.",
        "2 utterances have the same recording and different labels, the first are 'u05' (happiness) and 'u07' (anger).",
    ]
    assert prepared().info["notes"] == first


def test_recordings_that_carry_no_emotion_are_noted_by_kind(prepared, tiny_corpus):
    """Each kind once, with the count and the first names; also when the shards are there already."""
    wav = tiny_corpus / "wav"
    noise = np.random.default_rng(0).normal(0, 0.1, 8000)
    for number in (1, 3, 5, 7):
        soundfile.write(wav / f"u{number:02d}.wav", np.zeros((8000, 2)), 16_000)
    soundfile.write(wav / "u09.wav", np.stack([noise, -noise], axis=1), 16_000)
    soundfile.write(wav / "u11.wav", 32768 * noise, 16_000, subtype="FLOAT")
    samples, rate = soundfile.read(wav / "u00.flac", dtype="int16")
    soundfile.write(wav / "u13.wav", samples, rate)  # the same samples in another container
    edit_manifest(tiny_corpus, lambda row: row["id"] == "u13" and row.update(emotion="neutral"))
    expected = [
        "4 recordings are nothing but silence: 'u01', 'u03', 'u05' and 1 more.",
        "1 recording has channels that cancel each other out, as one is the other's negative, so that their mean is "
        "silence: 'u09'; give one channel of each alone.",
        "1 recording has samples far above 1, which floats are not to exceed: 'u11'; scale them to [-1, 1).",
        "2 utterances share their recording with another one, the first are 'u00' and 'u13'; "
        "of such a pair one can fall into training and the other into the test.",
    ]
    assert prepared(workers=2).info["notes"] == expected
    assert prepared().info["notes"] == expected


def test_an_id_that_stands_twice_in_a_corpus_is_an_error(small_dataset):
    from tfcr.corpora.utterance import Utterance
    from tfcr.preparation.selection import select

    twice = [Utterance("a", pathlib.Path("a.wav"), "", "anger", "s")] * 3
    with pytest.raises(TfcrError, match="'a' stands 3 times"):
        select(twice, ["anger", "neutral"], {})


def test_an_unfinished_dataset_does_not_open(prepared, tmp_path):
    folder = prepared().folder
    (folder / INFO).unlink()
    with pytest.raises(TfcrError, match="not a finished dataset"):
        open_dataset(folder)
