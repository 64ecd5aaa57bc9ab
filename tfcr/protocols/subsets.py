"""Subsets of a corpus, chosen before folds are drawn: `improvised`, `scripted`, `speaker=ann,bob` or `session=1,2`."""

import re
from typing import TYPE_CHECKING

from tfcr.errors import TfcrError, UsageError
from tfcr.protocols.labelled import Labelled

if TYPE_CHECKING:
    import numpy as np  # a command's help checks a subset's form alone, and loads no NumPy

STYLES = {"impro": "improvised", "script": "scripted"}  # as ids of IEMOCAP say them
_IEMOCAP_ID = re.compile(r"Ses0[1-5][FM]_(?P<style>impro|script)")
_GROUPS = ("speaker", "session")
_NAMED = 5  # of the groups that there are


def checked(subset: str) -> str:
    """The subset as it is compared: each group once, in order.

    Raises:
        UsageError: it is no subset.
    """
    field, _, listed = subset.partition("=")
    names = {name.strip() for name in listed.split(",")}
    if subset not in STYLES.values() and not (field in _GROUPS and all(names)):
        raise UsageError(
            f"subset must be {', '.join(STYLES.values())}, or speaker= or session= and names with commas between them; "
            f"received {subset!r}"
        )
    return subset if subset in STYLES.values() else f"{field}={','.join(sorted(names))}"


def style_of(id: str) -> str | None:
    """Whether an utterance is `improvised` or `scripted`, as ids of IEMOCAP say; None for an id that says neither."""
    match = _IEMOCAP_ID.match(id)
    return STYLES[match["style"]] if match else None


def positions_of(subset: str, utterances: Labelled) -> "np.ndarray":
    """Where the utterances of a subset stand, int64 ascending.

    Raises:
        TfcrError: the corpus does not know improvised from scripted, or has no such speaker or session.
    """
    import numpy as np

    if subset in STYLES.values():
        groups, wanted = [style_of(id) or "" for id in utterances.ids], [subset]
        if "" in groups:
            raise TfcrError(
                f"subset {subset!r} needs a corpus that knows improvised from scripted speech, as ids of IEMOCAP "
                f"say it (Ses01F_impro01_F000); the id {utterances.ids[groups.index('')]!r} says neither"
            )
    else:
        field, _, names = subset.partition("=")
        groups, wanted = list(getattr(utterances, f"{field}s")), names.split(",")
        _refuse_unknown(subset, field, groups, wanted)
    return np.flatnonzero(np.isin(groups, wanted))


def _refuse_unknown(subset: str, field: str, groups: list[str], wanted: list[str]) -> None:
    unknown = [name for name in wanted if name not in groups]
    if unknown:
        there = sorted({*groups} - {""}) or ["none"]
        has = ", ".join(there[:_NAMED]) + (f" and {len(there) - _NAMED} more" if len(there) > _NAMED else "")
        raise TfcrError(f"subset {subset!r}: this corpus has no {field} {', '.join(unknown)}; its {field}s: {has}")
