"""What a preset makes of speech and words; a dataset has one preset, and everything later follows it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tfcr import schema
from tfcr.features import spectrogram, words
from tfcr.features.look_up import OF_MAKERS, WHOLE, LookUp


@dataclass(frozen=True)
class FeaturePreset:
    """How recordings become pictures and transcripts become words.

    Attributes:
        pictures: float [samples] in [-1, 1) at 16 kHz → float32 [pictures, 128 frames, 128 bins] and how many of the
            frames are real.
        num_frames: number of samples → that number of frames, without computing anything.
        split_words: transcript → words.
        look_up: how these find their vectors.
        constants: of the pictures, for `dataset_info.json`.
    """

    pictures: Callable[[np.ndarray], tuple[np.ndarray, int]]
    num_frames: Callable[[int], int]
    split_words: Callable[[str], list[str]]
    look_up: LookUp
    constants: Mapping[str, object]


PRESETS = {
    "paper": FeaturePreset(  # the text; our choice where it is silent
        pictures=spectrogram.spectrogram,
        num_frames=spectrogram.num_frames,
        split_words=words.split_words,
        look_up=OF_MAKERS,
        constants={
            "spectrogram_unit": "dB: 10 log10 of the power spectral density in 1/Hz",
            "floor_db": schema.FLOOR_DB,
        },
    ),
    "authors": FeaturePreset(  # their code
        pictures=spectrogram.pooled_picture,
        num_frames=spectrogram.num_pooled_frames,
        split_words=words.split_tokens,
        look_up=WHOLE,
        constants={
            "spectrogram_unit": "natural logarithm of the power spectral density of 16-bit integer samples in 1/Hz",
            "frames_at_most": spectrogram.POOLED_FRAMES,
            "frames_per_column": spectrogram.POOLING,
        },
    ),
}
