"""Names decide nothing: whatever the ids, a training's batches are those of a full shuffle of all segments."""

import dataclasses
import itertools

import numpy as np
import pytest

from tfcr import files
from tfcr.dataset_info import INDEX, INFO, SCHEMA, IndexRow, Shard, content_sha256, open_dataset, write_index
from tfcr.record_order import RECORD_ORDER, record_order, shard_bounds

EMOTIONS = ("neutral", "happiness", "sadness", "anger")
SPEAKERS = 10
BATCH = 64
SHARDS = 8
SEGMENTS_MOST = 8  # of an utterance; 4.5 on average


@dataclasses.dataclass(frozen=True)
class Utterance:
    label: int
    speaker: int
    segments: int


def id_by_emotion(number: int, each: Utterance) -> str:
    return f"{each.label}_{number:05d}"


def id_by_speaker_and_emotion(number: int, each: Utterance) -> str:
    return f"{each.speaker:02d}_{each.label}_{number:05d}"


def id_in_step_with_the_shards(number: int, each: Utterance) -> str:
    """Sorted by it, each eighth of the utterances has runs of the same emotions at the same places."""
    return f"{number % SHARDS}_{each.label}_{number:05d}"


def id_by_length(number: int, each: Utterance) -> str:
    return f"{each.segments}_{number:05d}"


ORDERS = [id_by_emotion, id_by_speaker_and_emotion, id_in_step_with_the_shards, id_by_length]


@pytest.fixture(scope="module")
def make(tensorflow, tmp_path_factory):
    """A dataset whose records say which utterance they are of and how many segments it has, and nothing else."""
    from tfcr.data.records import serialise

    def made(name_of, segments: int):
        random = np.random.default_rng(segments)
        # Emotions of unequal frequency, each speaker with another number of utterances.
        utterances, total = [], 0
        while total < segments:
            counted = int(min(random.integers(1, SEGMENTS_MOST + 1), segments - total))
            label, speaker = random.choice(4, p=[0.4, 0.3, 0.2, 0.1]), min(random.integers(SPEAKERS, size=2))
            utterances.append(Utterance(int(label), int(speaker), counted))
            total += counted
        named = sorted((name_of(number, each), each) for number, each in enumerate(utterances))
        folder = tmp_path_factory.mktemp("ordered")
        rows = [
            IndexRow(id, EMOTIONS[each.label], each.label, str(each.speaker), "", "", 0, 1, each.segments, 0, "")
            for id, each in named
        ]
        write_index(folder / INDEX, rows)
        order, bounds, shards = record_order([row.id for row in rows]), shard_bounds(len(rows), SHARDS), []
        for number, (begin, end) in enumerate(itertools.pairwise(bounds)):
            path = folder / f"ordered-{number:05d}-of-{SHARDS:05d}.tfrecord"
            with tensorflow.io.TFRecordWriter(str(path)) as writer:
                for position in order[begin:end]:
                    writer.write(serialise(_record(rows[position])))
            shards.append(Shard(path.name, end - begin, path.stat().st_size, files.sha256_of_file(path)))
        info = {
            "schema": SCHEMA,
            "order": RECORD_ORDER,
            "name": "ordered",
            "preset": "paper",
            "emotions": list(EMOTIONS),
            "utterances": len(rows),
            "embeddings": {},
            "counts": {},
            "index": {"bytes": 0, "sha256": ""},
            "shards": [dataclasses.asdict(shard) for shard in shards],
        }
        files.write_json(folder / INFO, {**info, "dataset_sha256": content_sha256(info)})
        return open_dataset(folder)

    return made


def _record(row: IndexRow):
    from tfcr.data.records import Record

    empty = np.zeros((row.num_segments, 0, 0), np.float32)
    texts = {name: getattr(row, name) for name in ("id", "speaker", "session", "script", "emotion", "label")}
    return Record(
        **texts, transcript="", num_frames=1, tokens=[], spectrogram=empty, embeddings=np.zeros(0, np.float32)
    )


@pytest.fixture(scope="module")
def read(tensorflow):
    """The utterance of every segment of an epoch, int [segments], in the order in which a training gets them."""
    from tfcr.data import records
    from tfcr.data.pipeline import Pipeline

    def without_pictures(serialised, *names, width):
        """As `records.parse`; every segment is a picture of no frames."""
        numbers = {name: tensorflow.io.FixedLenFeature((), tensorflow.int64) for name in ("num_segments", "num_frames")}
        parsed = tensorflow.io.parse_single_example(serialised, numbers)
        return {**parsed, "spectrogram": tensorflow.zeros((parsed["num_segments"], 0, 0))}

    def order(dataset, seed: int, epoch: int = 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(records, "parse", without_pictures)
            pipeline = Pipeline(dataset, ("spectrogram", "num_frames"))
            data = pipeline.training(np.arange(len(dataset.index)), batch_size=BATCH, seed=seed, epoch=epoch)
            return np.concatenate([y["utterance"] for _, y, _ in data.as_numpy_iterator()])

    return order


def unevenness(values: np.ndarray) -> float:
    """The mean over full batches of the total variation between a batch's shares and the epoch's.

    Args:
        values: int [segments], class or speaker of each, in the order of the epoch.
    """
    shares = np.bincount(values) / len(values)
    batches = values[: len(values) // BATCH * BATCH].reshape(-1, BATCH)
    found = [np.bincount(batch, minlength=len(shares)) / BATCH for batch in batches]
    return float(np.mean([np.abs(each - shares).sum() / 2 for each in found]))


def of_full_shuffles(values: np.ndarray, draws: int = 50) -> float:
    """`unevenness` of full permutations, on average."""
    return float(np.mean([unevenness(np.random.default_rng(draw).permutation(values)) for draw in range(draws)]))


@pytest.mark.parametrize(
    ("name_of", "segments"),
    [
        *((name_of, 2_000) for name_of in ORDERS),
        (id_by_speaker_and_emotion, 8_000),
        *(
            pytest.param(name_of, 8_000, marks=pytest.mark.full)
            for name_of in ORDERS
            if name_of is not id_by_speaker_and_emotion
        ),
    ],
)
def test_batches_are_as_mixed_as_those_of_a_full_shuffle(make, read, name_of, segments):
    dataset = make(name_of, segments)
    labels = np.array([row.label for row in dataset.index])
    speakers = np.array([int(row.speaker) for row in dataset.index])
    epochs = [read(dataset, seed) for seed in range(3)]
    for of in (labels, speakers):
        found = np.mean([unevenness(of[order]) for order in epochs])
        assert found <= 1.1 * of_full_shuffles(of[epochs[0]])
    for order in epochs:
        assert len(order) == segments
        assert abs(np.corrcoef(order, np.arange(segments))[0, 1]) < 0.05  # positions are ranks of ids


def test_utterances_come_at_another_time_in_another_epoch_beside_others(make, read):
    dataset = make(id_by_emotion, 8_000)
    first, second = (_mean_places(read(dataset, 0, epoch)) for epoch in (0, 1))
    # Where all shards are read in turn, an utterance keeps its place but for the shuffle's 2,048 segments: 0.8 here.
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.2


def _mean_places(order: np.ndarray) -> np.ndarray:
    return np.bincount(order, weights=np.arange(len(order))) / np.bincount(order)


def test_records_sorted_by_id_would_not_be_mixed(make, read, monkeypatch):
    """The measure sees what it is meant to see: the order of before, shard after shard, fails by far."""
    monkeypatch.setitem(globals(), "record_order", lambda ids: list(range(len(ids))))
    dataset = make(id_by_emotion, 8_000)
    monkeypatch.setattr("tfcr.dataset_info.record_order", lambda ids: list(range(len(ids))))
    labels = np.array([row.label for row in dataset.index])
    order = read(dataset, 0)
    assert unevenness(labels[order]) > 1.5 * of_full_shuffles(labels[order])


def test_the_order_is_a_function_of_the_ids_alone():
    # By SHA-256: 2e7d2c03…, 3e23e816…, ca978112… of c, b and a.
    assert record_order(["a", "b", "c"]) == [2, 1, 0]
    assert record_order(["a", "b\udcff"]) in ([0, 1], [1, 0])  # a name that is not UTF-8 has its place, too


@pytest.mark.parametrize(("records", "shards"), [(0, 1), (1, 1), (10, 3), (8, 8), (1000, 7)])
def test_shards_are_equal_but_for_one_record(records, shards):
    sizes = np.diff(shard_bounds(records, shards))
    assert sizes.sum() == records and sizes.max() - sizes.min() <= 1
