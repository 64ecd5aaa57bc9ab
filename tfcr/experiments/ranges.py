"""Numbers as users write them: `0,0.1,0.2`, `0:1:0.1`, `0-4`. Loads nothing."""

from decimal import Decimal, InvalidOperation
from typing import Any

from tfcr.errors import UsageError

MOST = 10_000  # numbers that a range may hold
_MOST_DIGITS = 18  # of a whole number
_MINUTE = 60  # YAML 1.1 takes 0:1:0.1 for 0 h 1 min 0.1 s


def decimals(name: str, value: Any) -> tuple[float, ...]:
    """Fractions: `0,0.1`, a range `first:last:step` with its end, a number, or a list of these; each once, in order.

    The steps of a range are exact: 0:1:0.1 holds 0.3, not 0.30000000000000004.

    Raises:
        UsageError: it is none of these, or a range is empty; the message says `name`.
    """
    if isinstance(value, float) and value >= _MINUTE:
        raise UsageError(f"{name}: YAML reads a range without quotes as a time ({value}); write '0:1:0.1' in quotes")
    found = []
    for part in _parts(name, value, "numbers or ranges like 0:1:0.1"):
        try:
            first, *rest = (Decimal(number.strip()) for number in part.split(":"))
            if len(rest) not in (0, 2) or not all(number.is_finite() for number in (first, *rest)):
                raise InvalidOperation
        except InvalidOperation:
            raise UsageError(
                f"{name} must be numbers like 0,0.1 or a range first:last:step like 0:1:0.1; received {part!r}"
            ) from None
        if not rest:
            found.append(first)
            continue
        last, step = rest
        if step <= 0 or last < first:
            raise UsageError(f"{name}: the range {part} is empty; expected first:last:step, upwards")
        count = int((last - first) / step) + 1
        _check_length(name, part, count)
        found += (first + number * step for number in range(count))
    return tuple(dict.fromkeys(float(number) + 0.0 for number in found))  # -0.0 + 0.0 is 0.0


def whole_numbers(name: str, value: Any) -> tuple[int, ...]:
    """Whole numbers from 0: `0,1,2`, a range `0-4` with its end, a number, or a list of these; each once, in order.

    Raises:
        UsageError: it is none of these, or a range is empty; the message says `name`.
    """
    found: list[int] = []
    for part in _parts(name, value, "whole numbers or ranges like 0-4"):
        ends = [end.strip() for end in part.split("-")]
        if len(ends) > 2 or not all(map(_is_whole, ends)):
            raise UsageError(f"{name} must be whole numbers like 0,1,2 or a range like 0-4; received {part!r}")
        first, last = int(ends[0]), int(ends[-1])
        if last < first:
            raise UsageError(f"{name}: the range {part} is empty; expected first-last, upwards")
        _check_length(name, part, last - first + 1)
        found += range(first, last + 1)
    return tuple(dict.fromkeys(found))


def shard(value: str) -> tuple[int, int]:
    """`i/n`, the i-th of n parts, from 1.

    Raises:
        UsageError: it is not, or i is not from 1 to n.
    """
    ends = [end.strip() for end in str(value).split("/")]
    if len(ends) != 2 or not all(map(_is_whole, ends)):
        raise UsageError(f"shard must be like 1/4, the first of four; received {value!r}")
    number, count = map(int, ends)
    if not 1 <= number <= count:
        raise UsageError(f"shard must be from 1/{count or 'n'} to {count or 'n'}/{count or 'n'}; received {value}")
    return number, count


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS


def _parts(name: str, value: Any, expected: str) -> list[str]:
    """What stands between the commas, or in a list of YAML."""
    parts = []
    for item in value if isinstance(value, list | tuple) else [value]:
        if isinstance(item, bool) or not isinstance(item, str | int | float):
            raise UsageError(f"{name} must be {expected}; received {value!r}")
        parts += str(item).split(",")
    if not parts or not all(part.strip() for part in parts):
        raise UsageError(f"{name} must be {expected}, with commas between them; received {value!r}")
    return [part.strip() for part in parts]


def _check_length(name: str, part: str, count: int) -> None:
    if count > MOST:
        raise UsageError(f"{name}: the range {part} has {count} numbers; expected at most {MOST}")
