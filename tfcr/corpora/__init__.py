"""Corpora, one file each; the file's name is the corpus's (`emo_db.py` is `emo-db`).

A corpus is a module with a `read(root, **options) -> Corpus` function: `root` is the folder it lies in. `LICENCE` says
what its recordings may be used for.
To add one, add such a file; the command line finds it by its name.
"""

import importlib
import inspect
import pathlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType

from tfcr.corpora.utterance import Utterance
from tfcr.errors import TfcrError, UsageError
from tfcr.wording import printable

_UNKNOWN = "unknown: ask its owner"
_NO_CORPORA = {  # modules of this folder that are no corpora
    "audio",
    "containers",
    "emotion_names",
    "layout",
    "paths",
    "tables",
    "utterance",
}


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
    found = {module.name for module in pkgutil.iter_modules(__path__)} - _NO_CORPORA
    return sorted(name.replace("_", "-") for name in found)


def read(name: str, root: str | pathlib.Path, **options) -> Corpus:
    """Reads the corpus `name` below `root`.

    Raises:
        UsageError: no such corpus, or an option that it does not take.
        TfcrError: `root` does not hold it, or a file of it is broken.
    """
    corpus = _module(name).read(pathlib.Path(root), **resolved_options(name, options))
    for utterance in corpus.utterances:
        _refuse_undecodable(utterance)
    return Corpus(corpus.utterances, list(map(printable, corpus.notes)))


def _refuse_undecodable(utterance: Utterance) -> None:
    """Refuses names taken from a file's that is not UTF-8: none can be written. Paths can have any bytes."""
    for name, value in utterance.to_dict().items():
        if isinstance(value, str) and printable(value) != value:
            raise TfcrError(
                f"{printable(str(utterance.audio))}: its {name} {printable(value)!r} is not UTF-8; rename the file"
            )


def licence(name: str) -> str:
    """What the recordings of a corpus may be used for, as far as its file says."""
    return getattr(_module(name), "LICENCE", _UNKNOWN) if name in names() else _UNKNOWN


def resolved_options(name: str, options: Mapping) -> dict:
    """Every option of the corpus's reader: as given, else its default.

    Raises:
        UsageError: no such corpus, or an option that it does not take.
    """
    parameters = dict(inspect.signature(_module(name).read).parameters)
    parameters.pop("root")
    for option in options:
        if option not in parameters:
            if option == "allow_partial":
                raise UsageError(
                    f"corpus {name!r} takes no --allow-partial: it has no list of recordings that ought to be there, "
                    "so nothing has to be allowed; leave it out"
                )
            takes = ", ".join(sorted(parameters)) or "none"
            raise UsageError(f"corpus {name!r} takes no {option.replace('_', ' ')!r}; its options: {takes}")
    return {option: options.get(option, parameter.default) for option, parameter in parameters.items()}


def _module(name: str) -> ModuleType:
    if name not in names():
        raise UsageError(f"there is no corpus {name!r}; expected one of {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
