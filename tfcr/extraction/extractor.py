"""What computes features of one recording or transcript, and how a file of features names it."""

from typing import Protocol

import numpy as np

ATTRIBUTE = "extractor"  # of an HDF5 file's root: a JSON string, the description


class Extractor(Protocol):
    """A pretrained model or openSMILE, with everything set.

    Attributes:
        modality: what it takes: `audio` or `text`.
        description: by which `extractor_of` makes it again; can be written as JSON.
    """

    modality: str
    description: dict

    def features(self, audio_or_text: np.ndarray | str) -> np.ndarray:
        """Features of one recording or transcript, float32 [time, dim], [dim], [layers, time, dim] or [layers, dim].

        Args:
            audio_or_text: float32 [samples] at 16 kHz, or the words, as `modality` says.

        Raises:
            TfcrError: it has no features, say because it is too short.
        """
        ...


def extractor_of(description: dict) -> Extractor:
    """Makes the extractor that a file of features names; nothing is downloaded that is on the disk already.

    Args:
        description: the JSON object of the attribute `extractor` at the file's root. Its `kind` is `transformers` or
            `opensmile`, its `modality` `audio` or `text`.

    Raises:
        TfcrError: its extra is not installed, or the model is not there, or its weights are others.
    """
    raise NotImplementedError(description)
