"""Protocols: which utterances train, validate and test. One file each; the file's name is the protocol's.

A protocol draws over utterances sorted by id, by the fold seed alone. It is a module with

* `MEANING`: how its folds are drawn, as a report says it;
* `SHARES_SPEAKERS`: whether training may hear the speakers that are tested;
* `FOLDS` (optional): its number of folds, where no corpus changes it;
* `num_folds(utterances) -> int`, which raises `TfcrError` where the corpus has too few groups or utterances for it;
* `draw(fold, utterances, fold_seed) -> (test, validation)`: two masks over the utterances; the others train. A third
  mask may follow, of utterances that are in no part.

To add one, add such a file; `--protocol` finds it by its name. What protocols draw with lies in `drawing.py`, how parts
are called in `parts.py`, and which utterances are divided at all in `subsets.py`.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from tfcr.errors import TfcrError, UsageError
from tfcr.protocols.labelled import Labelled

if TYPE_CHECKING:
    import numpy as np  # a command's help reads the names alone, and loads no NumPy

__all__ = [
    "FILE",
    "Labelled",
    "Split",
    "folds_of_all",
    "meaning",
    "names",
    "num_folds",
    "proposed",
    "protocol",
    "shares_speakers",
    "split",
]

FILE = "file"  # the protocol that --split stands for
_OFFICIAL = "official"
_NO_PROTOCOLS = {"drawing", "labelled", "parts", "subsets"}  # modules of this folder that are none
_FIRST = ("random", "authors", "speaker", "session", "script", _OFFICIAL, FILE)  # as lists show them; others follow


@dataclass(frozen=True)
class Split:
    """One fold: sorted positions (int64) in the list of utterances sorted by id, disjoint; others are in no part."""

    train: "np.ndarray"
    validation: "np.ndarray"
    test: "np.ndarray"


def names() -> list[str]:
    """The names that `--protocol` takes."""
    found = {module.name for module in pkgutil.iter_modules(__path__)} - _NO_PROTOCOLS
    others = sorted(name.replace("_", "-") for name in found.difference(_FIRST))
    return [*(name for name in _FIRST if name in found), *others]


def protocol(name: str) -> ModuleType:
    """The module of a protocol.

    Raises:
        UsageError: no such protocol.
    """
    known = names()
    if name not in known:
        raise UsageError(f"there is no protocol {name!r}; expected {', '.join(known[:-1])} or {known[-1]}")
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")


def meaning(name: str) -> str:
    """How a protocol draws its folds, in words; empty for one that is not this package's."""
    return protocol(name).MEANING if name in names() else ""


def shares_speakers(name: str) -> bool:
    """Whether training may hear the speakers that are tested; yes for a protocol that is not this package's."""
    return protocol(name).SHARES_SPEAKERS if name in names() else True


def fixed_folds(name: str) -> int | None:
    """How many folds a protocol has on any corpus; None where that depends on the corpus."""
    return getattr(protocol(name), "FOLDS", None) if name in names() else None


def num_folds(name: str, utterances: Labelled) -> int:
    """How many folds the protocol has on this corpus.

    Raises:
        UsageError: no such protocol.
        TfcrError: too few groups or utterances for it.
    """
    return protocol(name).num_folds(utterances)


def folds_of_all(utterances: Labelled) -> dict[str, int | str]:
    """Every protocol that draws by itself, with its number of folds on this corpus, or the reason why it has none."""
    found: dict[str, int | str] = {}
    for name in names():
        if name == FILE:
            continue
        try:
            found[name] = num_folds(name, utterances)
        except TfcrError as error:
            found[name] = str(error)
    return found


def proposed(utterances: Labelled) -> str | None:
    """The protocol to begin with: the parts of the release, else the first that divides the corpus; or None."""
    return next((name for name in (_OFFICIAL, *names()) if _divides(name, utterances)), None)


def _divides(name: str, utterances: Labelled) -> bool:
    """Whether the protocol's first fold has utterances in each part."""
    try:
        split(name, 0, utterances)
    except TfcrError:
        return False
    return True


def split(name: str, fold: int, utterances: Labelled, fold_seed: int = 0) -> Split:
    """The parts of one fold.

    Raises:
        UsageError: no such protocol or fold.
        TfcrError: too few groups or utterances for the protocol.
    """
    import numpy as np

    folds = num_folds(name, utterances)
    if not 0 <= fold < folds:
        known = f"from 0 to {folds - 1}" if folds > 1 else "0, the only one,"
        raise UsageError(f"fold must be {known} for protocol {name!r}; received {fold}")
    test, validation, *others = protocol(name).draw(fold, utterances, fold_seed)
    train = ~np.logical_or.reduce([test, validation, *others])
    result = Split(*(np.flatnonzero(part) for part in (train, validation, test)))
    for part, positions in (("training", result.train), ("validation", result.validation), ("test", result.test)):
        if not len(positions):
            raise TfcrError(f"fold {fold} of protocol {name!r} has no {part} utterances; the corpus is too small")
    return result
