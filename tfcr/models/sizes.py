"""What a network has to know of a dataset beyond its classes."""

from dataclasses import dataclass

from tfcr.features.sets import SETS
from tfcr.schema import EMBEDDING_DIM


@dataclass(frozen=True)
class Sizes:
    """Sizes that differ from dataset to dataset.

    Attributes:
        vocabulary: words in the dataset's vocabulary; `token_ids` run from 1 to it, and 0 is padding.
        embedding_dim: numbers of a word vector.
        audio_features, text_features: the shape of one utterance's own features, (None, dim) over time, (layers,
            None, dim) or (dim,); None where a run takes none.
    """

    vocabulary: int = 0
    embedding_dim: int = EMBEDDING_DIM
    audio_features: tuple[int | None, ...] | None = None
    text_features: tuple[int | None, ...] | None = None

    @property
    def own_features(self) -> dict[str, tuple[int | None, ...]]:
        """The shapes of those that there are, by the network's input."""
        own = {"audio_features": self.audio_features, "text_features": self.text_features}
        return {name: shape for name, shape in own.items() if shape is not None}


_SHAPES = {field.name: field.shape for feature_set in SETS.values() for field in feature_set.fields}
NUM_COEFFICIENTS = _SHAPES["mfcc"][-1]  # of an MFCC frame: 12 and the log energy, with Δ and ΔΔ (MDRE)
NUM_FUNCTIONALS = _SHAPES["prosody"][-1]  # of prosody, per utterance: 5 descriptors, 7 functionals of each (MDRE)
MEL_SHAPES = {name: _SHAPES[name] for name in ("mel_512", "mel_1024")}  # frames and bins, by the FFT's length (DS-LSTM)
