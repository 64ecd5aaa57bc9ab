"""What a training and an evaluation get to see: every segment as often as promised, in an order to be had again."""

import collections
import itertools
import math

import numpy as np
import pytest

from tfcr.schema import EMBEDDING_DIM, FLOOR_DB, MAX_TOKENS, NUM_BINS, SEGMENT_FRAMES

INPUTS = ("spectrogram", "num_frames", "embeddings", "num_tokens")
TEXT = ("embeddings", "num_tokens")
BATCH = 16


@pytest.fixture(scope="module")
def stored(tensorflow, small_dataset):
    """Every record of the dataset, by position, read without the pipeline."""
    from tfcr.data import records

    paths = [str(small_dataset.folder / shard.name) for shard in small_dataset.shards]
    found = [records.to_record(records.parse(record)) for record in tensorflow.data.TFRecordDataset(paths)]
    return sorted(found, key=lambda record: record.id)


@pytest.fixture(scope="module")
def positions(small_dataset):
    """Some utterances of every shard: two of three."""
    return np.array([position for position in range(small_dataset.info["utterances"]) if position % 3])


@pytest.fixture(scope="module")
def pipeline(tensorflow, small_dataset):
    from tfcr.data.pipeline import Pipeline

    return Pipeline(small_dataset, INPUTS)


Example = collections.namedtuple("Example", "utterance label weight x")


def examples(batches) -> list[Example]:
    return [
        Example(int(y["utterance"][row]), int(y["label"][row]), float(weight[row]), {n: t[row] for n, t in x.items()})
        for x, y, weight in batches.as_numpy_iterator()
        for row in range(len(weight))
    ]


def order(found: list[Example]) -> list[tuple[int, bytes]]:
    return [(example.utterance, example.x["spectrogram"].tobytes()) for example in found]


@pytest.fixture(scope="module")
def epoch(pipeline, positions):
    """The first epoch of a training."""
    return examples(pipeline.training(positions, batch_size=BATCH, seed=0, shuffle_buffer=64))


# ---- training -------------------------------------------------------------------------------------------------------


def test_each_segment_of_the_positions_comes_once_and_nothing_else(epoch, stored, positions):
    # Nothing of an utterance outside `positions`, so nothing of the test part, is ever seen in training.
    expected = [(position, segment.tobytes()) for position in positions for segment in stored[position].spectrogram]
    assert sorted(order(epoch)) == sorted(expected)


def test_an_example_has_the_label_and_words_of_its_utterance(epoch, stored):
    for example in epoch:
        record = stored[example.utterance]
        assert example.label == record.label
        assert example.x["num_tokens"] == len(record.tokens)
        np.testing.assert_array_equal(example.x["embeddings"], record.embeddings)


def test_real_frames_of_an_utterances_segments_sum_to_its_own(epoch, stored):
    sums = collections.Counter()
    for example in epoch:
        assert 1 <= example.x["num_frames"] <= SEGMENT_FRAMES
        padding = example.x["spectrogram"][example.x["num_frames"] :]
        assert (padding == FLOOR_DB).all()
        sums[example.utterance] += int(example.x["num_frames"])
    assert sums == {position: stored[position].num_frames for position in sums}


def test_every_utterance_has_the_same_weight_and_the_mean_is_1(epoch, positions):
    sums = collections.Counter()
    for example in epoch:
        sums[example.utterance] += example.weight
    # The weights of an epoch add up to its examples, and every utterance has an equal share.
    assert list(sums.values()) == pytest.approx([len(epoch) / len(positions)] * len(positions), rel=1e-5)
    assert np.mean([example.weight for example in epoch]) == pytest.approx(1, rel=1e-5)


def test_batches_have_the_promised_shapes_types_and_number(pipeline, positions, epoch):
    batches = list(pipeline.training(positions, batch_size=BATCH, seed=0, shuffle_buffer=64))
    assert len(batches) == pipeline.steps_per_epoch(positions, BATCH) == math.ceil(len(epoch) / BATCH)
    assert pipeline.examples_per_epoch(positions) == len(epoch)
    sizes = [len(weight) for _, _, weight in batches]
    assert sizes == [BATCH] * (len(epoch) // BATCH) + [len(epoch) % BATCH] * (len(epoch) % BATCH > 0)
    x, y, weight = batches[0]
    assert {name: (tuple(tensor.shape[1:]), tensor.dtype.name) for name, tensor in x.items()} == {
        "spectrogram": ((SEGMENT_FRAMES, NUM_BINS), "float32"),
        "num_frames": ((), "int32"),
        "embeddings": ((MAX_TOKENS, EMBEDDING_DIM), "float32"),
        "num_tokens": ((), "int32"),
    }
    assert (weight.dtype.name, y["label"].dtype.name, y["utterance"].dtype.name) == ("float32", "int64", "int64")


def test_the_cardinality_is_known(pipeline, positions):
    data = pipeline.training(positions, batch_size=BATCH, seed=0)
    assert int(data.cardinality()) == pipeline.steps_per_epoch(positions, BATCH)


def test_the_same_seed_gives_the_same_order_in_another_pipeline(tensorflow, small_dataset, positions, epoch):
    from tfcr.data.pipeline import Pipeline

    again = Pipeline(small_dataset, INPUTS).training(positions, batch_size=BATCH, seed=0, shuffle_buffer=64)
    assert order(examples(again)) == order(epoch)


def test_another_seed_gives_another_order(pipeline, positions, epoch):
    other = examples(pipeline.training(positions, batch_size=BATCH, seed=1, shuffle_buffer=64))
    assert order(other) != order(epoch)
    assert sorted(order(other)) == sorted(order(epoch))


def test_another_epoch_has_another_order_which_needs_no_epoch_before_it(pipeline, positions, epoch):
    second = examples(pipeline.training(positions, batch_size=BATCH, seed=0, epoch=1, shuffle_buffer=64))
    again = examples(pipeline.training(positions, batch_size=BATCH, seed=0, epoch=1, shuffle_buffer=64))
    assert order(again) == order(second)
    assert order(second) != order(epoch)
    assert sorted(order(second)) == sorted(order(epoch))


def test_the_order_does_not_depend_on_the_process_global_seed(tensorflow, pipeline, positions, epoch):
    import keras

    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        again = pipeline.training(positions, batch_size=BATCH, seed=0, shuffle_buffer=64)
        assert order(examples(again)) == order(epoch)


def test_utterances_and_emotions_are_mixed(epoch):
    # Sorted by id, an utterance's segments would stand side by side, and so would a dialogue's turns.
    neighbours = [one.utterance == other.utterance for one, other in itertools.pairwise(epoch)]
    assert np.mean(neighbours) < 0.2
    assert len({example.label for example in epoch[:BATCH]}) > 1


@pytest.fixture(scope="module")
def random_epochs(pipeline, positions):
    """Three epochs that draw one segment an utterance."""
    return [
        examples(
            pipeline.training(positions, batch_size=BATCH, seed=0, epoch=number, segments="random", shuffle_buffer=64)
        )
        for number in range(3)
    ]


def test_random_segments_are_one_per_utterance(pipeline, positions, stored, random_epochs):
    for found in random_epochs:
        assert sorted(example.utterance for example in found) == sorted(positions)
        assert {example.weight for example in found} == {1.0}
        for utterance, segment in order(found):
            assert segment in [own.tobytes() for own in stored[utterance].spectrogram]
    assert pipeline.examples_per_epoch(positions, "random") == len(positions)


def test_another_epoch_draws_other_segments(random_epochs, stored):
    first, second, third = (dict(order(found)) for found in random_epochs)
    several = [position for position in first if len(stored[position].spectrogram) > 1]
    assert len(several) > 20  # else the next line says little
    assert any(first[position] != second[position] for position in several)
    assert any(second[position] != third[position] for position in several)


def test_validation_has_one_order_and_every_segment(pipeline, positions, epoch):
    first, second = (examples(pipeline.validation(positions, batch_size=BATCH)) for _ in range(2))
    assert order(first) == order(second)
    assert sorted(order(first)) == sorted(order(epoch))


# ---- text alone -----------------------------------------------------------------------------------------------------


def test_without_audio_an_example_is_an_utterance_and_no_spectrogram_is_parsed(small_dataset, positions, monkeypatch):
    from tfcr.data import pipeline as module

    asked = []
    parse = module.records.parse
    monkeypatch.setattr(
        module.records,
        "parse",
        lambda record, *names, **settings: asked.append(names) or parse(record, *names, **settings),
    )
    pipeline = module.Pipeline(small_dataset, TEXT)
    found = examples(pipeline.training(positions, batch_size=BATCH, seed=0))
    assert sorted(example.utterance for example in found) == sorted(positions)
    assert {example.weight for example in found} == {1.0}
    assert set(found[0].x) == set(TEXT)
    assert sum(len(position) for _, position in pipeline.utterances(positions)) == len(positions)
    assert asked and not any("spectrogram" in names for names in asked)


# ---- whole utterances -----------------------------------------------------------------------------------------------


def test_each_utterance_comes_once_whole_with_its_position(pipeline, positions, stored):
    seen = []
    for x, numbers in pipeline.utterances(positions, batch_size=8).as_numpy_iterator():
        assert len(numbers) <= 8
        for row, position in enumerate(numbers):
            record, picture = stored[position], x["spectrogram"][row]
            count = len(record.spectrogram)
            np.testing.assert_array_equal(picture[:count], record.spectrogram)
            assert not picture[count:].any()  # padded to the longest of the batch
            assert x["num_frames"][row] == record.num_frames
            assert x["num_tokens"][row] == len(record.tokens)
            np.testing.assert_array_equal(x["embeddings"][row], record.embeddings)
        seen += list(numbers)
    assert sorted(seen) == sorted(positions)


def test_a_batch_is_no_longer_than_its_longest_utterance(pipeline, positions, stored):
    for x, numbers in pipeline.utterances(positions).as_numpy_iterator():
        assert x["spectrogram"].shape[1] == max(len(stored[position].spectrogram) for position in numbers)


def test_spectrograms_come_in_record_order(pipeline, positions, stored):
    found = list(pipeline.spectrograms(positions).as_numpy_iterator())
    assert sorted(pipeline.in_record_order(positions)) == list(positions) != list(pipeline.in_record_order(positions))
    for position, (picture, frames) in zip(pipeline.in_record_order(positions), found, strict=True):
        np.testing.assert_array_equal(picture, stored[position].spectrogram)
        assert frames == stored[position].num_frames


# ---- seeds ----------------------------------------------------------------------------------------------------------


def test_a_derived_seed_is_the_same_on_any_machine_and_depends_on_every_part(tensorflow):
    from tfcr.data.pipeline import derived_seed

    # The first four bytes of SHA-256("0/epoch/1") as a little-endian number, modulo 2^31
    assert derived_seed(0, "epoch", 1) == 1865510659
    seeds = {derived_seed(*parts) for parts in ((0, "epoch", 1), (1, "epoch", 1), (0, "draws", 1), (0, "epoch", 2))}
    assert len(seeds) == 4 and all(0 <= seed < 2**31 for seed in seeds)


def test_what_is_mapped_over_records_runs_as_it_is_written(tensorflow, small_dataset):
    """Rewriting it for control flow that hangs on a tensor, of which there is none, took a process 0.7 s."""
    from tfcr.data.pipeline import Pipeline

    pipeline = Pipeline(small_dataset, INPUTS)
    with pytest.raises(tensorflow.errors.OperatorNotAllowedInGraphError, match="as a Python `bool` is not allowed"):
        pipeline.training(np.arange(4), batch_size=2, seed=0, augment=lambda x: x if x[0, 0] > 0 else -x)
