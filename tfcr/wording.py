"""Counts and durations in words."""


def counted(number: int, singular: str, plural: str = "") -> str:
    """`1 file` or `3 files`; where more than an s changes, `plural` says what."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def duration(seconds: float) -> str:
    """`45 s`, `12 min` or `3 h 20 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
