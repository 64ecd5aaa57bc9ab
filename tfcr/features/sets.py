"""Feature sets beside the paper's: what other systems take of an utterance, in shards of their own. No TensorFlow.

To add one, add it here; a system asks for it by name in `FEATURES`, and its network has inputs of the fields' names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

COUNT = "num_"  # before a sequence's name, the input that says how many of its steps are real


@dataclass(frozen=True)
class Field:
    """One array of every utterance, and the network's input of that name.

    Attributes:
        name: of both.
        shape: None for time where it is a sequence, which then has the input `num_<name>` beside it.
        dtype: `float32` or `int32`.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str = "float32"

    @property
    def is_sequence(self) -> bool:
        return None in self.shape

    @property
    def time_axis(self) -> int:
        """Which axis of a sequence is time."""
        return self.shape.index(None)

    def checked(self, array: np.ndarray) -> np.ndarray:
        """The array as it is stored; a wrong shape is a bug (`ValueError`)."""
        fits = array.ndim == len(self.shape) and all(
            wanted in (None, found) for wanted, found in zip(self.shape, array.shape, strict=True)
        )
        if not fits:
            raise ValueError(f"{self.name} must have the shape {self.shape}; received {array.shape}")
        return np.ascontiguousarray(array, np.dtype(self.dtype).newbyteorder("<"))


@dataclass(frozen=True)
class FeatureSet:
    """Some arrays of every utterance that are made together.

    Attributes:
        name: of the shards, and what systems ask for.
        fields: the arrays.
        revision: raised whenever equal input gives other arrays than before; the shards are then written anew.
        of_samples: float [samples] in [-1, 1) at 16 kHz → name of a field → array; None where it is not of speech.
    """

    name: str
    fields: tuple[Field, ...]
    revision: int = 1
    of_samples: Callable[[np.ndarray], Mapping[str, np.ndarray]] | None = None


def _mfcc(samples: np.ndarray) -> dict[str, np.ndarray]:
    from tfcr.features.mfcc import mfcc  # here, and so below: a look at a dataset needs no signal processing

    return {"mfcc": mfcc(samples)}


def _prosody(samples: np.ndarray) -> dict[str, np.ndarray]:
    from tfcr.features.prosody import prosody

    return {"prosody": prosody(samples)}


def _mel(samples: np.ndarray) -> dict[str, np.ndarray]:
    from tfcr.features.mel import mel_spectrograms

    return dict(zip(("mel_512", "mel_1024"), mel_spectrograms(samples), strict=True))


TOKEN_IDS = "token_ids"
SETS = {
    feature_set.name: feature_set
    for feature_set in (
        # 12 cepstra and the log energy, with Δ and ΔΔ
        FeatureSet("mfcc", (Field("mfcc", (None, 39)),), of_samples=_mfcc),
        FeatureSet("prosody", (Field("prosody", (35,)),), of_samples=_prosody),
        FeatureSet("mel", (Field("mel_512", (230, 128)), Field("mel_1024", (120, 256))), of_samples=_mel),
        FeatureSet(TOKEN_IDS, (Field(TOKEN_IDS, (None,), "int32"),)),  # rows of the vocabulary, from 1; 0 is padding
    )
}
