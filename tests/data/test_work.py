"""The work of an epoch, counted: every record is read once and parsed once, however many segments it has."""

import collections

import numpy as np
import pytest

INPUTS = ("spectrogram", "num_frames", "embeddings", "num_tokens")


@pytest.fixture
def counted(tensorflow, small_dataset, monkeypatch):
    """A pipeline, and how often something of it ran by now: `read` and `parsed`."""
    from tfcr.data import pipeline as module

    counts = collections.Counter()
    records, parse = module.Pipeline._records, module.records.parse

    def count(what, tensor):
        """The tensor as it is; it is counted whenever a graph computes it."""

        def seen(value):
            counts[what] += 1
            return value

        result = tensorflow.numpy_function(seen, [tensor], tensor.dtype)
        result.set_shape(tensor.shape)
        return result

    monkeypatch.setattr(
        module.Pipeline,
        "_records",
        lambda self, paths: records(self, paths).map(lambda serialised: (count("read", serialised),)),
    )
    monkeypatch.setattr(
        module.records, "parse", lambda record, *names, **settings: parse(count("parsed", record), *names, **settings)
    )
    return module.Pipeline(small_dataset, INPUTS), counts


@pytest.fixture
def positions(small_dataset):
    return np.array([position for position in range(small_dataset.info["utterances"]) if position % 3])


@pytest.mark.parametrize("segments", ["all", "random"])
def test_an_epoch_reads_every_record_once_and_parses_those_of_its_part_once(
    counted, positions, small_dataset, segments
):
    pipeline, counts = counted
    for epoch in range(2):
        counts.clear()
        data = pipeline.training(positions, batch_size=16, seed=0, epoch=epoch, segments=segments, shuffle_buffer=64)
        examples = sum(len(weight) for _, _, weight in data)
        assert examples == pipeline.examples_per_epoch(positions, segments)
        assert counts == {"read": small_dataset.info["utterances"], "parsed": len(positions)}
    assert pipeline.examples_per_epoch(positions) > 1.5 * len(positions)  # so it is not once a segment


def test_whole_utterances_are_read_and_parsed_once(counted, positions, small_dataset):
    pipeline, counts = counted
    assert sum(len(position) for _, position in pipeline.utterances(positions)) == len(positions)
    assert counts == {"read": small_dataset.info["utterances"], "parsed": len(positions)}


@pytest.mark.parametrize("what", ["validation", "utterances"])
def test_a_small_part_that_is_evaluated_after_every_epoch_is_read_once(counted, positions, small_dataset, what):
    pipeline, counts = counted
    kept = {
        "validation": lambda: pipeline.validation(positions, batch_size=16),
        "utterances": lambda: pipeline.utterances(positions, keep=True),
    }[what]()
    first, second = (list(kept.as_numpy_iterator()) for _ in range(2))
    assert counts["read"] == small_dataset.info["utterances"]
    assert len(first) == len(second) > 1
    for before, after in zip(first, second, strict=True):
        for one, other in zip(tensorflow_leaves(before), tensorflow_leaves(after), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_large_part_is_read_again_and_takes_no_memory(counted, positions, small_dataset, monkeypatch):
    from tfcr.data import pipeline as module

    pipeline, counts = counted
    monkeypatch.setattr(module, "_KEPT_BYTES", 1000)
    for data in (pipeline.validation(positions, batch_size=16), pipeline.utterances(positions, keep=True)):
        for _ in range(2):
            counts.clear()
            assert sum(1 for _ in data) > 1
            assert counts["read"] == small_dataset.info["utterances"]


def tensorflow_leaves(structure):
    import tensorflow as tf

    return tf.nest.flatten(structure)


def test_no_thread_looks_for_settings_which_are_all_given(tensorflow, small_dataset, positions):
    """Ending an epoch would wait for it, often for half a second."""
    from tfcr.data.pipeline import Pipeline

    pipeline = Pipeline(small_dataset, INPUTS)
    training = pipeline.training(positions, batch_size=16, seed=0)
    validation = pipeline.validation(positions, batch_size=16)
    for data in (training, validation, pipeline.utterances(positions, keep=True), pipeline.spectrograms(positions)):
        assert data.options().autotune.enabled is False
