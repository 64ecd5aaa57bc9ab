"""Mean and deviation of spectrogram bins over real frames, in one pass and little memory."""

import numpy as np

from tfcr.data.pipeline import Pipeline
from tfcr.schema import NUM_BINS


def bin_statistics(pipeline: Pipeline, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Statistics over the real frames of some utterances: of the training part, never of another.

    Returns:
        Mean and deviation, float64 [128 bins], in dB.
    """
    count, total, squares = 0, np.zeros(NUM_BINS), np.zeros(NUM_BINS)
    for spectrogram, num_frames in pipeline.spectrograms(positions).as_numpy_iterator():
        frames = spectrogram.reshape(-1, NUM_BINS)[:num_frames].astype(np.float64)
        count += len(frames)
        total += frames.sum(axis=0)
        squares += (frames**2).sum(axis=0)
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, 0.0))
