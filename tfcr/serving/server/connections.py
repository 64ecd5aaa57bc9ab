"""How many connections there may be, and how long one may be silent."""

import asyncio
import http
import logging
import os
import resource

import fastapi
import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from tfcr.serving.server.rest import write_error

ACCEPTED_AT_ONCE = 32  # connections that are opened before one is looked at
RESERVE = 32  # connections beyond those that may be
SILENT_SECONDS = 30  # for a request to begin, and for its head to arrive
HEALTH = "/health"

_MOST = 4096
_TURNS = 4  # of the event loop, from opening a connection to having closed another in its place
_NEWCOMERS_SECONDS = 1.0  # that a connection has to begin with a request before another may take its place
_OWN_FILES = 32  # that the process may come to have open beside connections
_STALLED_SECONDS = 60  # that a client has to read an answer before another may take its place

_log = logging.getLogger(__name__)


class Connections:
    """The open connections. Where there are as many as may be, a new one has the longest silent one closed.

    So silent connections keep nobody out. Where none is silent, requests beyond the limit get 503, but for `/health`.

    Args:
        most: how many; `RESERVE` more may be open, to be told so.
    """

    def __init__(self, most: int):
        self.most = most
        self.open: set[Connection] = set()
        self._was_said = False

    @property
    def are_too_busy(self) -> bool:
        """Whether more of them have requests than there may be."""
        return len(self.open) > self.most and sum(each.is_asking for each in self.open) > self.most

    def add(self, new: "Connection") -> None:
        """Takes a connection in."""
        before = len(self.open)
        self.open.add(new)
        if before < self.most:
            return
        if not self._was_said:
            self._was_said = True
            _log.warning(
                "%d connections are open, as many as this server takes; for each new one the longest silent one is "
                "closed, and where none is silent, new requests get 503 (said once; `ulimit -n` raises the limit)",
                self.most,
            )
        patience = _NEWCOMERS_SECONDS if before < self.most + RESERVE else 0.0
        idle = {each: new.since - each.since for each in self.open if not each.is_asking}
        silent = [each for each, seconds in idle.items() if each.has_read and seconds >= patience]
        stalled = [each for each, seconds in idle.items() if seconds > _STALLED_SECONDS]
        if silent or stalled:
            longest = max(silent or stalled, key=idle.__getitem__)
            self.open.remove(longest)  # not only once it has closed: several may come at once
            longest.transport.abort()

    def close_silent(self, now: float) -> None:
        """Closes those that have been silent for too long, or whose request is still beginning."""
        for each in [each for each in self.open if not each.is_asking and now - each.since > SILENT_SECONDS]:
            each.end()


class Connection(H11Protocol):
    """One connection; `counted_by` makes its class.

    Attributes:
        among: those of its server.
        since: when it was opened, or its last request was answered: a time of the event loop.
    """

    among: Connections
    since: float

    @property
    def is_asking(self) -> bool:
        """Whether a request is being read or answered."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def has_read(self) -> bool:
        """Whether its client has taken all that was answered."""
        return self.transport.get_write_buffer_size() == 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.since = self.loop.time()
        super().connection_made(transport)
        self.among.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.among.open.discard(self)
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self.since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers what cannot be read."""
        self._close_with(400, "this is no HTTP request")

    def end(self) -> None:
        """Closes it; who has begun to ask is told why."""
        if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            self._close_with(408, "the request did not begin in time")
        else:
            self.transport.close()

    def _close_with(self, status: int, sentence: str) -> None:
        content = write_error(sentence)
        head = [("Content-Type", "application/json"), ("Content-Length", str(len(content))), ("Connection", "close")]
        response = h11.Response(status_code=status, headers=head, reason=http.HTTPStatus(status).phrase)
        for event in (response, h11.Data(data=content), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def counted_by(connections: Connections) -> type[Connection]:
    """The class of the connections of a server."""
    return type("CountedConnection", (Connection,), {"among": connections})


def most_connections(files_of_each: int) -> int:
    """How many connections the limit on open files (`ulimit -n`) leaves room for.

    Args:
        files_of_each: how many a connection may need, its own included.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST
    spare = soft - _open_files() - _OWN_FILES - RESERVE - _TURNS * ACCEPTED_AT_ONCE
    return max(1, min(_MOST, spare // files_of_each))


def _open_files() -> int:
    try:
        return len(os.listdir("/dev/fd"))
    except OSError:
        return _OWN_FILES


class NotTooMany:
    """An application that beyond the limit of connections answers `/health` alone."""

    def __init__(self, app: ASGIApp, connections: Connections, refusal: fastapi.Response):
        self.app = app
        self._connections = connections
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = scope["type"] == "http" and self._connections.are_too_busy and scope["path"] != HEALTH
        await (self._refusal if refused else self.app)(scope, receive, send)
