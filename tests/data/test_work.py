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
