"""What a network has to know of a dataset beyond its classes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Sizes that differ from dataset to dataset.

    Attributes:
        vocabulary: words in the dataset's vocabulary; `token_ids` run from 1 to it, and 0 is padding.
        audio_features, text_features: the shape of one utterance's own features, (None, dim) over time or (dim,);
            None where a run takes none.
    """

    vocabulary: int = 0
    audio_features: tuple[int | None, ...] | None = None
    text_features: tuple[int | None, ...] | None = None


NUM_COEFFICIENTS = 39  # of an MFCC frame: 12 and the log energy, with Δ and ΔΔ (MDRE)
NUM_FUNCTIONALS = 35  # of prosody, per utterance: 5 descriptors, 7 functionals of each (MDRE)
MEL_SHAPES = {"mel_512": (230, 128), "mel_1024": (120, 256)}  # frames and bins, by the length of the FFT (DS-LSTM)
