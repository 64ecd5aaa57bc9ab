"""The bodies of requests: in time, in memory that is there, and inflated where they come compressed."""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import Message as Headers

import fastapi
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tfcr.serving.server.values import RestError

_SECONDS = 60  # that a body may be late
_LEAST_RATE = 128_000  # bytes a second, by which it is late
_DRAIN_SECONDS = 10  # for a body that is too large, so that its sender reads why
_INFLATED_AT_ONCE = 1 << 20  # bytes
_MEMBERS = 1000  # of a gzip, each of which takes time, be it empty
_GZIP = ("gzip", "x-gzip")
_UTF8 = ("utf-8", "utf8", "us-ascii")

Take = Callable[[int], Awaitable[None]]


class InTime:
    """An application whose clients send at least 128 kB a second; those who are a minute late get 408.

    What they send faster than that makes up for being late, not for what is to come. What the application itself takes
    in between does not count.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left, arrived, clock = float(_SECONDS), False, asyncio.get_running_loop().time

        async def received() -> Message:
            nonlocal left, arrived
            if arrived:  # what comes now is that the client has left
                return await receive()
            began = clock()
            try:
                async with asyncio.timeout(left):
                    message = await receive()
            except TimeoutError:
                sentence = f"the body comes too slowly: it is {_SECONDS} s behind {_LEAST_RATE // 1000} kB a second"
                raise HTTPException(408, sentence) from None
            left = min(left - (clock() - began) + len(message.get("body", b"")) / _LEAST_RATE, float(_SECONDS))
            arrived = not message.get("more_body", False)
            return message

        await self.app(scope, received if scope["type"] == "http" else receive, send)


class BodyMemory:
    """Limits the bytes of bodies that are in memory at a time: those that have arrived, whatever their senders claim.

    A body that finds no room waits. Room for one more of the largest is kept apart; one at a time of those that wait
    goes on with it, so that bodies of which each has arrived in part never wait for each other.

    Args:
        largest: bytes of a body.
        at_a_time: how many of the largest fit.
    """

    def __init__(self, largest: int, at_a_time: int):
        self._free = largest * (at_a_time - 1)
        self._kept_is_free = True
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def room(self) -> AsyncIterator[Take]:
        """Yields what waits until there is room for so many bytes more; all of them are given back in the end."""
        taken, has_kept = 0, False

        async def take(size: int) -> None:
            nonlocal taken, has_kept
            if has_kept:
                return
            async with self._changed:
                await self._changed.wait_for(lambda: size <= self._free or self._kept_is_free)
                if size <= self._free:
                    self._free -= size
                    taken += size
                else:
                    self._kept_is_free, has_kept = False, True

        try:
            yield take
        finally:
            self._free += taken
            self._kept_is_free |= has_kept
            async with self._changed:
                self._changed.notify_all()


def check_headers(request: fastapi.Request) -> None:
    """Refuses a body in an encoding that is not read.

    Raises:
        RestError: 415.
    """
    encoding = _encoding(request)
    if encoding not in ("identity", *_GZIP):
        raise RestError(415, f"the body has the Content-Encoding {encoding!r}; expected gzip, or none")
    headers = Headers()
    headers["Content-Type"] = request.headers.get("content-type", "")
    charset = headers.get_param("charset", "utf-8")
    if str(charset).lower() not in _UTF8:
        raise RestError(415, f"the body has the charset {charset!r}; expected utf-8, as JSON always is")


async def read_body(request: fastapi.Request, largest: int, take: Take) -> bytes:
    """A whole body, inflated.

    Args:
        largest: bytes, inflated too.
        take: see `BodyMemory.room`.

    Raises:
        RestError: 413 where it is larger, 400 where it is not what its headers say, or never ends.
    """
    if int(request.headers.get("content-length", 0)) > largest:  # h11 lets only digits pass
        await _refuse_large(request, largest)
    body = bytearray()
    parts = _inflated(_packed(request, largest)) if _encoding(request) in _GZIP else request.stream()
    try:
        async for part in parts:
            if len(body) + len(part) > largest:
                body.clear()
                await _refuse_large(request, largest)
            await take(len(part))
            body += part
    except ClientDisconnect:
        raise RestError(400, "the client left before its body had arrived") from None
    return bytes(body)


def _encoding(request: fastapi.Request) -> str:
    return ", ".join(request.headers.getlist("content-encoding")).strip().lower() or "identity"


async def _packed(request: fastapi.Request, largest: int) -> AsyncIterator[bytes]:
    """What arrives, which may inflate to nothing and yet never end."""
    arrived = 0
    async for part in request.stream():
        arrived += len(part)
        if arrived > largest:
            await _refuse_large(request, largest)
        yield part


async def _inflated(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What gzip made, in pieces; members may stand one behind the other, and zeros behind each, as in gzip's own."""
    file, members = zlib.decompressobj(zlib.MAX_WBITS | 16), 1
    try:
        async for part in parts:
            while part := part.lstrip(b"\0") if file.eof else part:
                if file.eof:
                    file, members = zlib.decompressobj(zlib.MAX_WBITS | 16), members + 1
                if members > _MEMBERS:
                    raise RestError(400, f"the body has too many members of gzip; expected at most {_MEMBERS:,}")
                yield file.decompress(part, _INFLATED_AT_ONCE)
                part = file.unconsumed_tail or file.unused_data
                await asyncio.sleep(0)  # others come in between
        yield file.flush()
    except zlib.error:
        raise RestError(400, "the body is not gzip, as its Content-Encoding says") from None
    if not file.eof:
        raise RestError(400, "the body is cut short: its gzip has no end")


async def _refuse_large(request: fastapi.Request, largest: int) -> None:
    """Reads the rest of a body and drops it, since a client whose sending is cut off would not read the answer."""
    with contextlib.suppress(TimeoutError, HTTPException, ClientDisconnect, RuntimeError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in request.stream():
                pass
    raise RestError(413, f"the body is too large; expected at most {largest >> 20} MB (--max-body of tfcr serve)")
