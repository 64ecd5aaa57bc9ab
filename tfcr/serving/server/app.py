"""A small server of one export: TF Serving's REST interface, health, metrics and a page (extra `serve`).

It is for trying and for small loads; TF Serving batches requests, follows new versions and is for production.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import time
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import fastapi
import prometheus_client
import uvicorn
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from tfcr.errors import TfcrError
from tfcr.serving.server import rest
from tfcr.serving.server.bodies import BodyMemory, InTime, check_headers, read_body
from tfcr.serving.server.connections import (
    ACCEPTED_AT_ONCE,
    HEALTH,
    SILENT_SECONDS,
    Connections,
    NotTooMany,
    counted_by,
    most_connections,
)

if typing.TYPE_CHECKING:  # it loads TensorFlow
    from tfcr.serving.server.served import ServedModel

MODELS = "/v1/models/"
BODIES_AT_A_TIME = 4  # largest bodies that are in memory beside each other

_LARGE_BODY = 1 << 20  # bytes
_GRACE_SECONDS = 30  # for requests in flight once the server is to end
_WAITING = 2048  # connections that the system keeps until they are accepted
_TICKS = 10  # of uvicorn in a second
_LOOKS = ["GET", "HEAD"]
_LAST = (408, 413, 503)  # after these answers a connection is closed: there is more of the body, or no room


class Metrics:
    """What Prometheus is told."""

    def __init__(self):
        self.registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self.registry)
        self.requests = prometheus_client.Counter(
            "tfcr_requests", "Requests to predict, by HTTP status.", ["code"], registry=self.registry
        )
        self.rows = prometheus_client.Counter(
            "tfcr_rows",
            "Rows of answered requests, by signature and outcome.",
            ["signature", "outcome"],
            registry=self.registry,
        )
        self.seconds = prometheus_client.Histogram(
            "tfcr_request_seconds", "From the last byte of a request to its answer.", registry=self.registry,
            buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
        )  # fmt: skip
        self.in_flight = prometheus_client.Gauge(
            "tfcr_requests_in_flight", "Requests to predict that have no answer yet.", registry=self.registry
        )

    def exposed(self) -> bytes:
        """The text of `/metrics`."""
        return prometheus_client.generate_latest(self.registry)


def create_app(
    model: "ServedModel",
    pool: ThreadPoolExecutor,
    max_body: int,
    connections: Connections | None = None,
    origins: Sequence[str] = (),
) -> fastapi.FastAPI:
    """The application, without the page.

    Args:
        pool: computes the answers, as many at a time as it has threads.
        max_body: bytes.
        connections: those of its server; None for no limit on them.
        origins: of other sites, whose scripts may read the answers; `*` is every site.
    """
    app = fastapi.FastAPI(openapi_url=None)  # its documentation page would come from another host
    metrics, memory = Metrics(), BodyMemory(max_body, BODIES_AT_A_TIME)
    app.state.metrics = metrics
    app.add_middleware(InTime)
    if connections is not None:
        sentence = "the server has as many connections as it takes; try again later"
        app.add_middleware(NotTooMany, connections=connections, refusal=_refusal(503, sentence))
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=[*_LOOKS, "POST"],
            allow_headers=["Content-Type", "Content-Encoding"],
        )

    @app.api_route(HEALTH, methods=_LOOKS)
    async def health() -> fastapi.Response:
        return _json(b'{"status": "ok"}')

    @app.api_route("/metrics", methods=_LOOKS)
    @app.api_route("/monitoring/prometheus/metrics", methods=_LOOKS)  # TF Serving's place
    async def exposed() -> fastapi.Response:
        return fastapi.Response(metrics.exposed(), media_type=prometheus_client.CONTENT_TYPE_LATEST)

    @app.api_route(MODELS + "{path:path}", methods=_LOOKS)
    async def look(path: str, request: fastapi.Request) -> fastapi.Response:
        address = rest.read_address(path)
        if address is None or address.verb:
            raise rest.RestError(400, f"Malformed request: {request.method} {MODELS}{path}")
        rest.check_address(address, model.name, model.version)
        if address.metadata:
            return _json(rest.write_metadata(model.name, model.version, model.signature_def()))
        return _json(rest.write_status(model.version))

    @app.post(MODELS + "{path:path}")
    async def predict(path: str, request: fastapi.Request) -> fastapi.Response:
        code = 500
        with metrics.in_flight.track_inprogress():
            try:
                answer = await answered(path, request)
                code = answer.status_code
                return answer
            except (rest.RestError, HTTPException) as error:
                code = error.status if isinstance(error, rest.RestError) else error.status_code
                raise
            finally:
                metrics.requests.labels(code).inc()

    async def answered(path: str, request: fastapi.Request) -> fastapi.Response:
        address = rest.read_address(path)
        if address is None or not address.verb:
            raise rest.RestError(400, f"Malformed request: POST {MODELS}{path}")
        rest.check_address(address, model.name, model.version)
        if address.verb != "predict":
            raise rest.RestError(400, f"the model answers to predict alone; received {address.verb}")
        check_headers(request)
        size = 0
        try:
            async with memory.room() as take:
                body = await read_body(request, max_body, take)
                size, begin = len(body), time.perf_counter()
                reply = await asyncio.get_running_loop().run_in_executor(pool, model.answer, body)
        finally:
            body = b""
            if size > _LARGE_BODY:
                pool.submit(_give_memory_back)
        metrics.seconds.observe(time.perf_counter() - begin)
        metrics.rows.labels(reply.signature, "good").inc(reply.rows - reply.bad_rows)
        metrics.rows.labels(reply.signature, "bad").inc(reply.bad_rows)
        return _json(reply.content)

    @app.options(HEALTH)
    @app.options("/metrics")
    @app.options("/monitoring/prometheus/metrics")
    @app.options(MODELS + "{path:path}")
    async def options(request: fastapi.Request) -> fastapi.Response:
        address = rest.read_address(request.path_params.get("path", ""))
        methods = ["POST"] if address is not None and address.verb else _LOOKS
        return fastapi.Response(status_code=204, headers={"Allow": ", ".join([*methods, "OPTIONS"])})

    @app.api_route("/v1/{path:path}", methods=[*_LOOKS, "POST"])
    async def unknown(path: str, request: fastapi.Request) -> fastapi.Response:
        raise rest.RestError(400, f"Malformed request: {request.method} /v1/{path}")

    @app.exception_handler(rest.RestError)
    async def refused(request: fastapi.Request, error: rest.RestError) -> fastapi.Response:
        return _refusal(error.status, error.sentence)

    @app.exception_handler(HTTPException)
    async def http_refused(request: fastapi.Request, error: HTTPException) -> fastapi.Response:
        about = "" if error.status_code in _LAST else f": {request.method} {request.url.path}"
        return _refusal(error.status_code, f"{error.detail}{about}", error.headers)

    @app.exception_handler(Exception)
    async def failed(request: fastapi.Request, error: Exception) -> fastapi.Response:
        return _refusal(500, "the server failed on this request; its log says how")

    return app


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for clients; port 0 takes any that is free.

    Raises:
        TfcrError: the address cannot be had.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        made = socket.create_server(address, family=family, backlog=_WAITING)
        # Made anew, it knows that it is TCP. For another asyncio sets no TCP_NODELAY, and the body of a short answer
        # waits 40 ms for the client's word that the head has come.
        return socket.socket(fileno=made.detach())
    except (OSError, OverflowError) as error:
        known = isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno
        reason = os.strerror(error.errno) if known else getattr(error, "strerror", None) or error
        raise TfcrError(
            f"port {port} of {host} cannot be had ({reason}); name another by --port, or another address by --host"
        ) from None


def serve(
    model: "ServedModel",
    listener: socket.socket,
    *,
    max_body: int,
    threads: int,
    page: bool = True,
    origins: Sequence[str] = (),
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serves until SIGTERM, Ctrl-C or the end of its terminal; requests in flight are answered first.

    Args:
        max_body: bytes.
        threads: how many requests are computed at a time.
        page: whether there is one at `/`.
        origins: see `create_app`.
        ready: called with the server's address once it answers.
    """
    model.warm_up()
    with ThreadPoolExecutor(threads, "model") as pool, contextlib.ExitStack() as stack:
        files_of_each = 2 if page else 1  # what is dropped on the page is kept in a file
        connections = Connections(most_connections(files_of_each))
        app = create_app(model, pool, max_body, connections, origins)
        if page:
            from tfcr.serving.server.page import mount_page

            stop = stack.enter_context(mount_page(app, model, pool, threads, max_body))
        else:
            stop = _nothing
        config = uvicorn.Config(
            app,
            http=counted_by(connections),
            ws="none",
            backlog=ACCEPTED_AT_ONCE,
            log_level="error",  # requests that are no HTTP are no matter of the log
            access_log=False,
            timeout_keep_alive=SILENT_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            server_header=False,
        )
        with _signals_end_quietly():
            _Server(config, connections, lambda: ready(_address(listener)), stop).run(sockets=[listener])


class _Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        connections: Connections,
        ready: Callable[[], None],
        stop: Callable[[], None],
    ):
        super().__init__(config)
        self._connections = connections
        self._ready = ready
        self._stop = stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(_WAITING)  # asyncio has as many wait as it accepts at once
        self._ready()

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS == 0:
            self._connections.close_silent(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stop()
        await super().shutdown(sockets)


@contextlib.contextmanager
def _signals_end_quietly() -> Iterator[None]:
    """uvicorn raises the signal that ended it once more; by then everything is done, and that is no failure.

    A terminal that is closed ends the server as SIGTERM does, unless it is to go on (`nohup`).
    """
    before = {each: signal.signal(each, lambda *_: None) for each in (signal.SIGINT, signal.SIGTERM)}
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _give_memory_back() -> None:
    """What was freed goes back to the system; the C library (glibc) would keep some of it, and large bodies add up."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _nothing() -> None:
    """Stops nothing."""


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _json(content: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> fastapi.Response:
    return fastapi.Response(content, status, headers, media_type="application/json")


def _refusal(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> fastapi.Response:
    closing = {"Connection": "close"} if status in _LAST else {}
    return _json(rest.write_error(sentence), status, {**(headers or {}), **closing})
