"""Corpora, one file each; the file's name is the corpus's (`emo_db.py` is `emo-db`).

A corpus is a module with a `read(root, **options) -> Corpus` function: `root` is the folder it lies in.
To add one, add such a file; the command line finds it by its name.
"""

import importlib
import inspect
import pathlib
import pkgutil
from dataclasses import dataclass, field

from tfcr.corpora.utterance import Utterance
from tfcr.errors import UsageError

_PARTS = {"audio", "utterance", "voices"}  # modules of this folder that are no corpora


@dataclass(frozen=True)
class Corpus:
    """A corpus as read from disk.

    Attributes:
        utterances: every labelled utterance, of all emotions.
        notes: sentences for the user, say on stray bytes that were replaced.
    """

    utterances: list[Utterance]
    notes: list[str] = field(default_factory=list)


def names() -> list[str]:
    """The names that `--corpus` takes."""
    found = {module.name for module in pkgutil.iter_modules(__path__)} - _PARTS
    return sorted(name.replace("_", "-") for name in found)


def read(name: str, root: str | pathlib.Path, **options) -> Corpus:
    """Reads the corpus `name` below `root`.

    Raises:
        UsageError: no such corpus, or an option that it does not take.
        TfcrError: `root` does not hold it, or a file of it is broken.
    """
    if name not in names():
        raise UsageError(f"there is no corpus {name!r}; expected one of {', '.join(names())}")
    module = importlib.import_module(f"tfcr.corpora.{name.replace('-', '_')}")
    taken = set(inspect.signature(module.read).parameters) - {"root"}
    for option in options:
        if option not in taken:
            raise UsageError(f"corpus {name!r} takes no {option!r}; it takes {', '.join(sorted(taken)) or 'none'}")
    return module.read(pathlib.Path(root), **options)
