"""Feature sets in a pipeline: each utterance's own, padded to the batch, and nothing read that no input takes."""

import dataclasses
import shutil

import numpy as np
import pytest

from tfcr.data import feature_records
from tfcr.features.sets import SETS

SEQUENCES = ("mfcc", "num_mfcc", "prosody", "token_ids", "num_token_ids")
NAMES = ("mfcc", "prosody", "token_ids")


@pytest.fixture(scope="module")
def stored(tensorflow, full_dataset):
    """Every field of every feature set by position, read without the pipeline."""
    found = [{} for _ in full_dataset.index]
    for name in SETS:
        features = full_dataset.features[name]
        paths = [str(full_dataset.folder / shard.name) for shard in features.shards]
        for position, record in zip(full_dataset.order, tensorflow.data.TFRecordDataset(paths), strict=True):
            arrays = feature_records.parse(record, features.fields)
            found[position] |= {field: array.numpy() for field, array in arrays.items()}
    return found


@pytest.fixture(scope="module")
def positions(full_dataset):
    return np.array([position for position in range(full_dataset.info["utterances"]) if position % 3])


@pytest.fixture(scope="module")
def make(full_dataset):
    def make(inputs=SEQUENCES, names=NAMES, longest=None, dataset=full_dataset):
        from tfcr.data.pipeline import Pipeline

        return Pipeline(dataset, inputs, features=dataset.feature_sets(names), longest=longest or {})

    return make


def test_every_utterance_comes_once_with_its_own_arrays_and_padding_is_zero(make, stored, positions, full_dataset):
    seen = []
    for x, y, weight in make().training(positions, batch_size=7, seed=0, shuffle_buffer=32).as_numpy_iterator():
        assert x["mfcc"].shape[1] == x["num_mfcc"].max()  # no longer than the longest
        assert (x["num_mfcc"].dtype, x["token_ids"].dtype, x["mfcc"].dtype) == (np.int32, np.int32, np.float32)
        assert (weight == 1).all()
        for row, position in enumerate(y["utterance"]):
            expected = stored[position]
            for name in ("mfcc", "token_ids"):
                length = x[f"num_{name}"][row]
                assert length == len(expected[name])
                np.testing.assert_array_equal(x[name][row, :length], expected[name])
                assert not x[name][row, length:].any()
            np.testing.assert_array_equal(x["prosody"][row], expected["prosody"])
            assert y["label"][row] == full_dataset.index[position].label
            seen.append(position)
    assert sorted(seen) == positions.tolist()


def test_sequences_are_cut_where_the_configuration_says(make, stored, positions):
    longest = {"mfcc": 50, "token_ids": 3}
    for x, position in make(longest=longest).utterances(positions).as_numpy_iterator():
        for row, which in enumerate(position):
            for name, most in longest.items():
                assert x[f"num_{name}"][row] == min(most, len(stored[which][name]))
                assert x[name].shape[1] <= most


def test_records_and_feature_sets_of_an_utterance_meet(make, stored, positions, full_dataset, tensorflow):
    from tfcr.data import records

    paths = [str(full_dataset.folder / shard.name) for shard in full_dataset.shards]
    found = [records.to_record(records.parse(record)) for record in tensorflow.data.TFRecordDataset(paths)]
    found.sort(key=lambda record: record.id)
    pipeline = make(("embeddings", "num_tokens", "prosody"), ("prosody",))
    for x, y, _ in pipeline.training(positions, batch_size=8, seed=1, shuffle_buffer=16).as_numpy_iterator():
        for row, position in enumerate(y["utterance"]):
            np.testing.assert_array_equal(x["embeddings"][row], found[position].embeddings)
            np.testing.assert_array_equal(x["prosody"][row], stored[position]["prosody"])


def test_the_order_is_a_function_of_seed_and_epoch(make, positions):
    def order(**draw):
        data = make().training(positions, batch_size=7, shuffle_buffer=32, **draw)
        return np.concatenate([y["utterance"] for _, y, _ in data.as_numpy_iterator()]).tolist()

    assert order(seed=0, epoch=1) == order(seed=0, epoch=1)
    assert len({tuple(order(seed=seed, epoch=epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_what_no_input_takes_is_not_read(make, positions, full_dataset, tmp_path):
    folder = tmp_path / "without-records"
    shutil.copytree(full_dataset.folder, folder, ignore=shutil.ignore_patterns("small-*", "small.mel-*", "corpus"))
    pipeline = make(dataset=dataclasses.replace(full_dataset, folder=folder))
    assert sum(len(position) for _, position in pipeline.utterances(positions)) == len(positions)


def test_both_mel_spectrograms_come_in_whole_batches(make, stored, positions):
    pipeline = make(("mel_512", "mel_1024"), ("mel",))
    shapes = {x["mel_512"].shape[1:] + x["mel_1024"].shape[1:] for x, _ in pipeline.utterances(positions)}
    assert shapes == {(230, 128, 120, 256)}


@pytest.mark.parametrize("name", ["mfcc", "prosody", "mel_1024"])
def test_steps_are_the_real_ones_of_each_utterance_in_record_order(make, stored, positions, name):
    pipeline = make(("mfcc", "num_mfcc", "prosody", "mel_512", "mel_1024"), ("mfcc", "prosody", "mel"))
    for steps, position in zip(pipeline.steps(positions, name), pipeline.in_record_order(positions), strict=True):
        np.testing.assert_array_equal(steps, np.atleast_2d(stored[position][name]))


def test_an_input_that_nothing_fills_is_named(make):
    with pytest.raises(ValueError, match=r"\['mfcc', 'tempo'\]"):
        make(("tempo", "mfcc", "prosody"), ("prosody",))
