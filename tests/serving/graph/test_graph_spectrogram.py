"""The pictures of both presets in a graph equal those of a preparation."""

import csv

import numpy as np
import pytest
import tensorflow as tf

from tfcr.corpora.audio import read_audio
from tfcr.features.presets import PRESETS
from tfcr.serving.graph.spectrogram import PICTURES

_LENGTHS = (
    *(1, 255, 256, 257, 383, 384, 385),  # samples, around a frame (256) and a second one (384)
    *(16_511, 16_512, 16_639, 16_640, 40_000),  # around a segment (128 frames: 16,512)
    *(127_999, 128_000, 128_128, 131_199, 131_200, 131_328, 200_000),  # the authors' 999 frames, and eight segments
)


@pytest.fixture(scope="module", params=["paper", "authors"])
def both(request):
    """The pictures of a preset in a graph, which takes steps of 16 bits, and in Python."""
    traced = tf.function(PICTURES[request.param], input_signature=[tf.TensorSpec([None], tf.float32)])
    return (lambda samples: traced((samples * 2**15).astype(np.float32))), PRESETS[request.param].pictures


@pytest.mark.parametrize("length", _LENGTHS)
def test_pictures_in_a_graph_equal_those_of_a_preparation(both, length):
    in_graph, in_python = both
    random = np.random.default_rng(length)
    samples = np.round(random.normal(scale=0.1, size=length).clip(-1, 0.99) * 2**15) / 2**15
    samples[length // 3 : length // 2] = 0  # some digital silence
    expected, frames = in_python(samples)
    pictures, real = in_graph(samples)
    assert pictures.dtype == tf.float32 and real.dtype == tf.int32
    assert int(real) == frames
    np.testing.assert_allclose(pictures, expected, atol=1e-4)


def test_silence_is_the_floor(both):
    in_graph, in_python = both
    pictures, _ = in_graph(np.zeros(20_000))
    np.testing.assert_allclose(pictures, in_python(np.zeros(20_000))[0], atol=1e-5)


def test_real_speech_has_the_same_pictures(both, real_corpus):
    in_graph, in_python = both
    with open(real_corpus / "manifest.csv", encoding="utf-8", newline="") as file:
        paths = [real_corpus / row["path"] for row in csv.DictReader(file)]
    for path in paths[::34]:
        samples = read_audio(path)
        expected, frames = in_python(samples)
        pictures, real = in_graph(samples)
        assert int(real) == frames
        np.testing.assert_allclose(pictures, expected, atol=1e-4)
