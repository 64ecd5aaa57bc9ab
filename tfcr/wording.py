"""Counts in words."""


def counted(number: int, singular: str, plural: str = "") -> str:
    """`1 file` or `3 files`; where more than an s changes, `plural` says what."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
