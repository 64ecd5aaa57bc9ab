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
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import fastapi
import prometheus_client
import uvicorn
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tfcr.errors import TfcrError
from tfcr.serving.server import rest
from tfcr.serving.server.served import ServedModel

MODELS = "/v1/models/"
BODIES_AT_A_TIME = 4  # largest bodies that are in memory beside each other

_LARGE_BODY = 1 << 20  # bytes
_BODY_SECONDS = 60  # for a body to arrive
_DRAIN_SECONDS = 10  # for a body that is too large, so that its sender reads why
_GRACE_SECONDS = 30  # for requests in flight once the server is to end


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


class _BodyMemory:
    """Limits the bytes of request bodies in memory at a time; a request that would exceed it waits."""

    def __init__(self, size: int):
        self._free = size
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def reserve(self, size: int) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: size <= self._free)
            self._free -= size
        try:
            yield
        finally:
            self._free += size
            async with self._changed:
                self._changed.notify_all()


def create_app(model: ServedModel, pool: ThreadPoolExecutor, max_body: int) -> fastapi.FastAPI:
    """The application, without the page.

    Args:
        pool: computes the answers, as many at a time as it has threads.
        max_body: bytes.
    """
    app = fastapi.FastAPI(openapi_url=None)  # its documentation page would come from another host
    metrics, memory = Metrics(), _BodyMemory(BODIES_AT_A_TIME * max_body)
    app.state.metrics = metrics

    @app.get("/health")
    async def health() -> fastapi.Response:
        return _json(b'{"status": "ok"}')

    @app.get("/metrics")
    @app.get("/monitoring/prometheus/metrics")  # TF Serving's place
    async def exposed() -> fastapi.Response:
        return fastapi.Response(metrics.exposed(), media_type=prometheus_client.CONTENT_TYPE_LATEST)

    @app.get(MODELS + "{path:path}")
    async def look(path: str) -> fastapi.Response:
        address = rest.read_address(path)
        if address is None or address.verb:
            raise rest.RestError(400, f"Malformed request: GET {MODELS}{path}")
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
            except rest.RestError as error:
                code = error.status
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
        if request.headers.get("content-encoding", "identity") != "identity":
            raise rest.RestError(415, "the body is compressed; send it as it is")
        declared = _declared(request, max_body)
        if declared > max_body:
            await _discard_body(request)
            raise _too_large(max_body)
        try:
            async with memory.reserve(declared):
                body = await _received(request, max_body)
                begin = time.perf_counter()
                reply = await asyncio.get_running_loop().run_in_executor(pool, model.answer, body)
        finally:
            body = None
            if declared > _LARGE_BODY:
                pool.submit(_give_memory_back)
        metrics.seconds.observe(time.perf_counter() - begin)
        metrics.rows.labels(reply.signature, "good").inc(reply.rows - reply.bad_rows)
        metrics.rows.labels(reply.signature, "bad").inc(reply.bad_rows)
        return _json(reply.content)

    @app.api_route("/v1/{path:path}", methods=["GET", "POST"])
    async def unknown(path: str, request: fastapi.Request) -> fastapi.Response:
        raise rest.RestError(400, f"Malformed request: {request.method} /v1/{path}")

    @app.exception_handler(rest.RestError)
    async def refused(request: fastapi.Request, error: rest.RestError) -> fastapi.Response:
        return _json(rest.write_error(error.sentence), error.status)

    @app.exception_handler(HTTPException)
    async def not_found(request: fastapi.Request, error: HTTPException) -> fastapi.Response:
        return _json(rest.write_error(f"{error.detail}: {request.method} {request.url.path}"), error.status_code)

    @app.exception_handler(Exception)
    async def failed(request: fastapi.Request, error: Exception) -> fastapi.Response:
        return _json(rest.write_error("the server failed on this request; its log says how"), 500)

    return app


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for clients; port 0 takes any that is free.

    Raises:
        TfcrError: the address cannot be had.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address, family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        known = isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno
        reason = os.strerror(error.errno) if known else getattr(error, "strerror", None) or error
        raise TfcrError(
            f"port {port} of {host} cannot be had ({reason}); name another by --port, or another address by --host"
        ) from None


def serve(
    model: ServedModel,
    listener: socket.socket,
    *,
    max_body: int,
    threads: int,
    page: bool = True,
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serves until SIGTERM or Ctrl-C; requests in flight are answered first.

    Args:
        max_body: bytes.
        threads: how many requests are computed at a time.
        page: whether there is one at `/`.
        ready: called with the server's address once it answers.
    """
    model.warm_up()
    with ThreadPoolExecutor(threads, "model") as pool, contextlib.ExitStack() as stack:
        app = create_app(model, pool, max_body)
        if page:
            from tfcr.serving.server.page import mount_page

            stop = stack.enter_context(mount_page(app, model, pool, threads, max_body))
        else:
            stop = _nothing
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE_SECONDS, server_header=False
        )
        with _signals_end_quietly():
            _Server(config, lambda: ready(_address(listener)), stop).run(sockets=[listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], stop: Callable[[], None]):
        super().__init__(config)
        self._ready = ready
        self._stop = stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stop()
        await super().shutdown(sockets)


@contextlib.contextmanager
def _signals_end_quietly() -> Iterator[None]:
    """uvicorn raises the signal that ended it once more; by then everything is done, and that is no failure."""
    before = {each: signal.signal(each, lambda *_: None) for each in (signal.SIGINT, signal.SIGTERM)}
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


def _json(content: bytes, status: int = 200) -> fastapi.Response:
    return fastapi.Response(content, status, media_type="application/json")


def _declared(request: fastapi.Request, max_body: int) -> int:
    """How long a body says it is; one that does not say may be as long as any."""
    length = request.headers.get("content-length")
    return max_body if length is None else int(length)  # h11 lets only digits pass


def _too_large(max_body: int) -> rest.RestError:
    return rest.RestError(
        413, f"the body is too large; expected at most {max_body >> 20} MB (--max-body of tfcr serve)"
    )


async def _received(request: fastapi.Request, max_body: int) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                if len(body) + len(part) > max_body:
                    body.clear()
                    await _discard_body(request)
                    raise _too_large(max_body)
                body += part
    except TimeoutError:
        raise rest.RestError(408, f"the body did not arrive within {_BODY_SECONDS} s") from None
    except ClientDisconnect:
        raise rest.RestError(400, "the client left before its body had arrived") from None
    return bytes(body)


async def _discard_body(request: fastapi.Request) -> None:
    """Reads the rest of a body and drops it, since a client whose sending is cut off would not read the answer."""
    with contextlib.suppress(TimeoutError, ClientDisconnect, RuntimeError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in request.stream():
                pass
