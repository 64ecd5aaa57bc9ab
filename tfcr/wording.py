"""Counts, durations and names in words."""

import re
from collections.abc import Sequence

_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")  # how Python carries a byte of a file's name that is not UTF-8


def counted(number: int, singular: str, plural: str = "") -> str:
    """`1 file` or `3 files`; where more than an s changes, `plural` says what."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def first_of(names: Sequence[str], shown: int = 3) -> str:
    """The first few names, and whether there are more: `'a', 'b', 'c' and 9 more`."""
    named = ", ".join(map(repr, names[:shown]))
    return f"{named} and {len(names) - shown} more" if len(names) > shown else named


def duration(seconds: float) -> str:
    """`45 s`, `12 min` or `3 h 20 min`."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def goes_on_elsewhere(run: str, changes: Sequence[str]) -> str:
    """What a resumed training says where the machine or its settings have changed."""
    return (
        f"{run} goes on in another environment than before ({'; '.join(changes)}): its bits may be others than "
        "those of a training in one go"
    )


def printable(text: str) -> str:
    r"""Text that may hold a path, whose bytes that are not UTF-8 are shown as `\xe4`."""
    shown = _ESCAPED_BYTE.sub(lambda byte: f"\\x{ord(byte.group()) - 0xDC00:02x}", text)
    return shown.encode(errors="backslashreplace").decode()
