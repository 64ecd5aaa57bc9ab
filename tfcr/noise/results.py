"""What a trained run said of its test part at every grade: `noise.h5` beside the run. No TensorFlow.

The file is written whole after every grade, so that what is cut off goes on with the next one.
"""

import json
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import h5py
import numpy as np

from tfcr import checked_hdf5
from tfcr.errors import TfcrError
from tfcr.noise.grades import CLEAN
from tfcr.runs import Predictions

NOISE = "noise.h5"
_KIND = "tfcr noise 1"
_SCORES = ("logits", "audio_logits", "text_logits")
_UTTERANCES = ("id", "speaker", "session", "script", "label")


@dataclass(frozen=True)
class Identity:
    """What decides the scores: equal identities, equal files.

    Attributes:
        weights_sha256: of the run's weights.
        seed: of the noise.
        place: where noise is added to speech, `recordings` or `spectrograms`.
    """

    weights_sha256: str
    seed: int
    place: str


@dataclass(frozen=True)
class NoiseResults:
    """Scores at every grade that has been evaluated.

    Attributes:
        by_grade: grade's name → what the run said, without embeddings; all of the same utterances.
    """

    identity: Identity
    by_grade: Mapping[str, Predictions]

    @property
    def clean(self) -> Predictions | None:
        """Without any noise."""
        return self.by_grade.get(CLEAN)

    def with_grade(self, name: str, said: Predictions) -> "NoiseResults":
        """These and one more."""
        return replace(self, by_grade={**self.by_grade, name: said})


def write_noise(folder: pathlib.Path, results: NoiseResults) -> None:
    """Writes `noise.h5` whole or not at all. Equal content, equal bytes."""
    with checked_hdf5.written(folder / NOISE, _KIND) as file:
        file.attrs["identity"] = json.dumps(vars(results.identity))
        utterances = next(iter(results.by_grade.values()), None)
        for name in _UTTERANCES if utterances is not None else ():
            value = getattr(utterances, name)
            is_text = value.dtype.kind in "UO"
            file.create_dataset(
                name, data=value.astype(object) if is_text else value, dtype=h5py.string_dtype() if is_text else None
            )
        for grade, said in sorted(results.by_grade.items()):  # the same bytes in whatever order they came
            group = file.create_group(f"grades/{grade}")
            for name in _SCORES:
                if getattr(said, name) is not None:
                    group.create_dataset(name, data=getattr(said, name))


def read_noise(folder: pathlib.Path) -> NoiseResults | None:
    """Reads the `noise.h5` of a run; None where there is none.

    Raises:
        TfcrError: it is broken.
    """
    path = folder / NOISE
    if not path.is_file():
        return None
    try:
        with checked_hdf5.opened(path, _KIND) as file:
            known = {name: _read(file[name]) for name in _UTTERANCES if name in file}
            grades = {
                grade: Predictions(**known, **{name: data[()] for name, data in group.items()})
                for grade, group in file.get("grades", {}).items()
            }
            return NoiseResults(Identity(**json.loads(file.attrs["identity"])), grades)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TfcrError(f"{path} is broken ({error}); remove it, and `tfcr evaluate --noise` writes it anew") from None


def _read(data: h5py.Dataset) -> np.ndarray:
    return np.asarray(data.asstr()[()], dtype=str) if h5py.check_string_dtype(data.dtype) else data[()]
