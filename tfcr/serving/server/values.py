"""The values of a request's JSON as arrays of the dtype and shape that a signature takes."""

import base64
import binascii
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

B64 = "b64"
_KINDS = {dict: "an object", list: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}


class RestError(Exception):
    """What a client is told: an HTTP status from 400 on and one sentence."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass(frozen=True)
class Input:
    """What a signature takes under one name.

    Attributes:
        dtype: of the array; object for strings.
        shape: with None where any size goes; the first is the batch.
    """

    dtype: np.dtype
    shape: tuple[int | None, ...]


def array_of(name: str, value: Any, taken: Input) -> np.ndarray:
    """An array of the dtype and shape that a signature takes."""
    rank = len(taken.shape)
    axes = ("batch", *("any" if size is None else str(size) for size in taken.shape[1:]))
    form = f"[{', '.join(axes)}]"
    array = _strings_in(name, value) if taken.dtype == object else _numbers(name, value, taken.dtype, rank, form)
    fits = array.ndim == rank and all(
        size in (None, there) for size, there in zip(taken.shape, array.shape, strict=True)
    )
    if not fits and array.size:
        raise RestError(400, f"{name} has the shape {list(array.shape)}; expected {form}")
    return array if fits else array.reshape([0] * rank)


def _strings_in(name: str, value: Any) -> np.ndarray:
    if not isinstance(value, list):
        raise RestError(400, f"{name} must be a list of strings, one for each row; it is {kind(value)}")
    array = np.empty(len(value), object)
    for row, each in enumerate(value):
        array[row] = _bytes(f"{name} of row {row}", each)
    return array


def _bytes(what: str, value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise RestError(400, f"{what} holds half a surrogate pair, which is no character") from None
    if isinstance(value, dict) and list(value) == [B64] and isinstance(value[B64], str):
        try:
            return _from_base64(value[B64])
        except ValueError:
            raise RestError(400, f"{what} is not base64") from None
    raise RestError(400, f'{what} must be a string or {{"b64": "…"}}; it is {kind(value)}')


def _from_base64(text: str) -> bytes:
    """Base64 with or without its padding and with white space anywhere, which TF Serving takes too."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        dense = "".join(text.split()).rstrip("=")
        return base64.b64decode(dense + "=" * (-len(dense) % 4), validate=True)


def _numbers(name: str, value: Any, dtype: np.dtype, rank: int, form: str) -> np.ndarray:
    integers = np.issubdtype(dtype, np.integer)
    what = "integers" if integers else "numbers"
    leaves = value if isinstance(value, list) else [value]
    try:
        for _ in range(rank - 1):
            leaves = itertools.chain.from_iterable(leaves)
        kinds = set(map(type, leaves))
    except TypeError:
        kinds = {type(None)}
    if not isinstance(value, list) or kinds - ({int} if integers else {int, float}):
        raise RestError(400, f"{name} must be lists of {what} of the shape {form}")
    try:
        with np.errstate(over="ignore"):
            array = np.array(value, dtype)
    except OverflowError:
        raise RestError(400, f"{name} holds a number that is too large for {dtype}") from None
    except (ValueError, TypeError):
        raise RestError(400, f"{name} has lists of unequal lengths; expected the shape {form}") from None
    if not np.isfinite(array).all():
        raise RestError(400, f"{name} holds numbers that are not finite")
    return array


def kind(value: Any) -> str:
    return "base64" if isinstance(value, dict) and list(value) == [B64] else _KINDS.get(type(value), "null")
