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
