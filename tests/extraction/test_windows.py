"""Long recordings in windows: every feature is kept once, at the place that it has in the whole."""

import numpy as np
import pytest

from tfcr.errors import UsageError
from tfcr.extraction.settings import Settings
from tfcr.extraction.windows import windows

RATE = 50  # features a second, as wav2vec 2.0 has them


def of_speech(samples: np.ndarray) -> np.ndarray:
    """[1, time, 1]: the first of every 320 samples, where the model's 400 fit."""
    count = (len(samples) - 400) // 320 + 1
    return samples[: count * 320 : 320].reshape(1, -1, 1)


@pytest.mark.parametrize("seconds", [1.0, 4.0, 4.1, 7.03, 61.7])
@pytest.mark.parametrize("overlap", [1, 2, 3])
def test_features_of_windows_are_those_of_the_whole(seconds, overlap):
    samples = np.arange(round(seconds * 16_000), dtype=np.float32)
    blocks = np.split(samples, [5, 70_000])  # of any length
    kept = [window.kept(of_speech(window.samples), RATE) for window in windows(blocks, 4, overlap)]
    np.testing.assert_array_equal(np.concatenate(kept, axis=1), of_speech(samples))


def test_what_is_no_longer_than_a_window_stays_whole():
    assert [len(window.samples) for window in windows([np.zeros(64_000)], 4, 2)] == [64_000]
    # 4 s each, begun every 2 s: the third holds what is behind 4 s
    assert [len(window.samples) for window in windows([np.zeros(64_001 + 32_000)], 4, 2)] == [64_000, 64_000, 32_001]


def test_settings_that_contradict_themselves_are_refused():
    with pytest.raises(UsageError, match="overlap must be less than window, 4 s"):
        Settings(window=4, overlap=4)
    for layer in (-1, "first"):
        with pytest.raises(UsageError, match="layer must be a number from 0 or one of last, mean, all"):
            Settings(layer=layer)


def test_pooled_features_are_means_over_time():
    states = np.arange(24, dtype=np.float32).reshape(2, 3, 4)  # two layers, three steps
    np.testing.assert_array_equal(Settings(layer=0, pool="mean").shaped(states[:1]), [4, 5, 6, 7])
    pooled = Settings(layer="all", pool="mean").shaped(states)
    np.testing.assert_array_equal(pooled, [[[4, 5, 6, 7]], [[16, 17, 18, 19]]])
    assert Settings().shaped(states[:1]).shape == (3, 4) and Settings(layer="all").shaped(states).shape == (2, 3, 4)
