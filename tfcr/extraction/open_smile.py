"""openSMILE's feature sets, such as eGeMAPS: one vector a recording, or one every 10 ms.

openSMILE's licence is for private, research and educational use; products need another, of audEERING.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import opensmile

from tfcr import __version__
from tfcr.errors import UsageError
from tfcr.extraction.checked import said, whole
from tfcr.extraction.settings import Pool
from tfcr.schema import SAMPLE_RATE

LEVELS = {
    "functionals": opensmile.FeatureLevel.Functionals,
    "lld": opensmile.FeatureLevel.LowLevelDescriptors,
}


class OpenSmile:
    """Features of whole recordings (`Extractor`).

    Args:
        name: of a feature set, such as `eGeMAPSv02`.
        level: `functionals`, a vector for a recording, or `lld`, the low-level descriptors over time.
        pool: of low-level descriptors, `mean` over time or `none`.

    Raises:
        UsageError: there is no such set, or it has no such level.
    """

    modality = "audio"
    longest: int | None = None  # functionals are of a whole recording

    def __init__(self, name: str, level: str = "functionals", pool: Pool = "none"):
        sets = {each.name: each for each in opensmile.FeatureSet}
        if name not in sets:
            raise UsageError(f"--opensmile {name}: there is no such set; expected one of {', '.join(sets)}")
        self.pool, self.level = pool, level
        try:
            self.smile = opensmile.Smile(sets[name], LEVELS[level])
        except ValueError as error:
            raise UsageError(f"--opensmile {name} has no {level} ({error})") from None
        self.description = {
            "kind": "opensmile",
            "modality": self.modality,
            "model": name,
            "revision": None,
            "sha256": None,
            "layer": level,
            "pool": pool,
            "sample_rate": SAMPLE_RATE,
            "window": None,
            "overlap": None,
            "versions": {"tfcr": __version__, "opensmile": opensmile.__version__},
        }

    def features(self, audio: np.ndarray) -> np.ndarray:
        with warnings.catch_warnings(), said():
            warnings.simplefilter("ignore")  # of what is too short, openSMILE warns, and gives NaN
            found = whole(self.smile.process_signal(audio, SAMPLE_RATE).to_numpy(np.float32))
        if self.level == "functionals":
            return found[0]
        return found.mean(axis=0, dtype=np.float64).astype(np.float32) if self.pool == "mean" else found

    def features_of(self, batch: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [self.features(audio) for audio in batch]
