"""What stands between a client and the model: connections, bodies, headers. The model is a stub, without TensorFlow."""

import asyncio
import contextlib
import gzip
import http.client
import json
import selectors
import socket
import time

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from servers import asked, running
from starlette.exceptions import HTTPException

from tfcr import cli
from tfcr.serving.server import app
from tfcr.serving.server.bodies import BodyMemory, InTime

_STUB = """
import json, resource, sys
from types import SimpleNamespace
from tfcr.serving.server import app, bodies, connections

class Model:
    name, version = "stub", 1
    def warm_up(self): pass
    def signature_def(self): return {}
    def answer(self, body):
        content = json.dumps({"predictions": [len(body)]}).encode()
        return SimpleNamespace(content=content, signature="serving_default", rows=1, bad_rows=0)

files, bodies._SECONDS, connections.SILENT_SECONDS, *origins = sys.argv[1:]
bodies._SECONDS, connections.SILENT_SECONDS = int(bodies._SECONDS), int(connections.SILENT_SECONDS)
resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), int(files)))
with app.listen("127.0.0.1", 0) as listener:
    app.serve(
        Model(), listener, max_body=1 << 20, threads=2, page=False, origins=origins,
        ready=lambda address: print(f"{address}{app.MODELS}stub:predict", flush=True),
    )
"""
_LARGEST = 1 << 20  # bytes of a body
_FILES = 256  # that the stub may have open
_ORIGIN = "https://example.org"
_PREDICT = "/v1/models/stub:predict"


@pytest.fixture(scope="module")
def server():
    """A stub that nobody has to hurry for; what clients do wrong is no matter of its log."""
    with running(_STUB, 1024, 60, 60, _ORIGIN) as server:
        yield server
        assert server.end() == (0, "")


@pytest.fixture
def client(server):
    """A connection that is kept."""
    connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=60)
    yield connection
    connection.close()


def ask(client, method, path, body=None, **headers):
    """The answer, with its `content`."""
    client.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = client.getresponse()
    answer.content = answer.read()
    return answer


def predicted(client, body=b"{}", **headers):
    """Status, and the answer or the sentence."""
    answer = ask(client, "POST", _PREDICT, body, **headers)
    content = json.loads(answer.content)
    return answer.status, content["predictions"][0] if answer.status == 200 else content["error"]


def begun(server, size, sent):
    """A connection with a request to predict whose body has arrived in part."""
    connection = server.connect()
    head = f"POST {_PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
    connection.sendall(head.encode() + b" " * sent)
    return connection


def received(connection):
    """All that the server says until it closes."""
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def test_a_short_answer_does_not_wait_for_the_clients_word(client):
    with app.listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # asyncio asks for TCP_NODELAY of such alone
    seconds = []
    for _ in range(30):
        began = time.perf_counter()
        assert predicted(client, b" " * 100) == (200, 100)
        seconds.append(time.perf_counter() - began)
    assert min(seconds[10:]) < 0.03  # without it each takes 0.04 s


def test_head_and_options_are_answered(client):
    for path in ("/health", "/metrics", "/v1/models/stub", "/v1/models/stub/versions/1/metadata"):
        got, head, options = (ask(client, method, path) for method in ("GET", "HEAD", "OPTIONS"))
        assert (head.status, head.content) == (200, b"")
        assert path == "/metrics" or head.headers["content-length"] == got.headers["content-length"]
        assert (options.status, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert ask(client, "OPTIONS", _PREDICT).headers["allow"] == "POST, OPTIONS"
    assert ask(client, "HEAD", _PREDICT).status == 400
    assert ask(client, "PUT", "/health").status == 405


def test_scripts_of_the_named_site_alone_may_read_answers(client):
    allowed = "access-control-allow-origin"
    for origin, wanted in ((_ORIGIN, _ORIGIN), ("https://example.com", None)):
        for answer in (ask(client, "GET", "/health", Origin=origin), ask(client, "POST", _PREDICT, b"", Origin=origin)):
            assert (answer.status, answer.headers[allowed]) == (200, wanted)
        asked_before = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type"}
        answer = ask(client, "OPTIONS", _PREDICT, Origin=origin, **asked_before)
        assert (answer.status, answer.headers[allowed]) == (200 if wanted else 400, wanted)
    assert ask(client, "GET", "/nowhere", Origin=_ORIGIN).headers[allowed] == _ORIGIN


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/", "https://", "ftp://example.org", ""])
def test_what_is_no_origin_is_wrong_usage(origin, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["serve", "export", "--cors-origin", "https://example.org:8080", "--cors-origin", origin])
    err = capsys.readouterr().err
    assert end.value.code == 2 and err.count("\n") == 1
    assert f"{origin!r} is no origin; expected https://HOST, https://HOST:PORT or *" in err


def test_bodies_come_compressed_by_gzip_within_bounds(client):
    body = b" " * 100_000
    packed = gzip.compress(body)
    for content, encoding in (
        (packed, "gzip"),
        (packed, "GZIP"),
        (packed, "x-gzip"),
        (gzip.compress(body[:10]) + gzip.compress(body[10:]), "gzip"),
        (packed + bytes(100_000), "gzip"),
        (gzip.compress(body[:10]) + bytes(3) + gzip.compress(body[10:]) + bytes(3), "gzip"),
        (gzip.compress(b"") * 999 + packed, "gzip"),
        (body, "identity"),
    ):
        assert predicted(client, content, Content_Encoding=encoding) == (200, len(body))
    assert predicted(client, gzip.compress(b" " * _LARGEST), Content_Encoding="gzip") == (200, _LARGEST)
    for content, encoding, status, sentence in (
        (gzip.compress(b" " * (_LARGEST + 1)), "gzip", 413, "the body is too large; expected at most 1 MB"),
        (gzip.compress(b" " * (20 << 20)), "gzip", 413, "the body is too large"),
        (packed[:-1], "gzip", 400, "the body is cut short: its gzip has no end"),
        (b"", "gzip", 400, "the body is cut short"),
        (packed + b"no gzip, what follows", "gzip", 400, "the body is not gzip, as its Content-Encoding says"),
        (body, "gzip", 400, "the body is not gzip"),
        (bytes(3) + packed, "gzip", 400, "the body is not gzip"),
        (packed + bytes(3) + b"more", "gzip", 400, "the body is not gzip"),
        (iter([packed, bytes(_LARGEST)]), "gzip", 413, "the body is too large"),  # of no length that is known before
        (gzip.compress(b"") * 1000 + packed, "gzip", 400, "too many members of gzip; expected at most 1,000"),
        (body, "br", 415, "the body has the Content-Encoding 'br'; expected gzip, or none"),
        (gzip.compress(packed), "gzip, gzip", 415, "'gzip, gzip'"),
    ):
        answer = predicted(client, content, Content_Encoding=encoding)
        assert answer[0] == status and sentence in answer[1], answer


def test_a_bomb_takes_no_more_memory_than_a_body_may(server, client):
    bomb = gzip.compress(bytes(200 << 20), 1)  # 0.9 MB
    before = server.memory()
    assert predicted(client, bomb, Content_Encoding="gzip")[0] == 413
    assert server.peak_memory() - before < 20  # MB


def test_json_is_utf8(client):
    for kind in (
        "application/json",
        "application/json; charset=utf-8",
        'text/plain;charset="UTF-8"',
        "",
        ";;=",
        "a; b",
    ):
        assert predicted(client, Content_Type=kind) == (200, 2)
    for charset in ("latin-1", "utf-16", "'", "%"):
        status, sentence = predicted(client, Content_Type=f"application/json; charset={charset}")
        assert status == 415 and f"the body has the charset {charset!r}; expected utf-8" in sentence


def test_http_1_0_is_spoken(server):
    for request, start, end in (
        ("GET /health HTTP/1.0\r\n\r\n", "200 OK", '{"status": "ok"}'),
        (f"POST {_PREDICT} HTTP/1.0\r\nContent-Length: 2\r\n\r\n{{}}", "200 OK", '{"predictions": [2]}'),
        (f"POST {_PREDICT} HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{{}}", "200 OK", "[2]}"),
        ("HEAD /health HTTP/1.0\r\n\r\n", "200 OK", "\r\n\r\n"),
        ("nonsense\r\n\r\n", "400 Bad Request", '{"error":"this is no HTTP request"}'),
    ):
        connection = server.connect()
        connection.sendall(request.encode())
        answer = received(connection)
        assert answer.startswith(f"HTTP/1.1 {start}\r\n") and answer.endswith(end)


def test_bodies_that_are_claimed_take_no_room_and_slow_ones_get_408():
    with running(_STUB, 1024, 3, 3) as server:
        slow = [begun(server, _LARGEST, sent=10) for _ in range(3 * app.BODIES_AT_A_TIME)]
        beginning = server.connect()
        beginning.sendall(b"POST / HT")
        silent = server.connect()
        assert server.predict({})[0] == 200
        assert server.metric("tfcr_requests_in_flight") == len(slow)
        for connection in slow:
            answer = received(connection)
            assert answer.startswith("HTTP/1.1 408 Request Timeout")
            assert answer.endswith('{"error":"the body comes too slowly: it is 3 s behind 128 kB a second"}')
        assert received(beginning).startswith("HTTP/1.1 408 Request Timeout")
        assert received(silent) == ""
        assert server.end() == (0, "")


class _Skipping(asyncio.SelectorEventLoop):
    """A loop that waits for no timer: its clock moves on to the next one."""

    def __init__(self):
        clock = self

        class Selector(selectors.SelectSelector):
            def select(self, timeout=None):
                clock.now += timeout or 0
                return super().select(0)

        self.now = 0.0
        super().__init__(Selector())

    def time(self):
        return self.now


def seconds_of_body(size, rate, pause=0):
    """How long a body takes that comes in tenths of a second, `pause` seconds before its last; or the refusal."""
    left = size

    async def receive():
        nonlocal left
        part = min(left, rate // 10)
        await asyncio.sleep(0.1 + (pause if part == left else 0))
        left -= part
        return {"type": "http.request", "body": bytes(part), "more_body": left > 0}

    async def read(scope, receive, send):
        while (await receive())["more_body"]:
            pass

    async def timed():
        await InTime(read)({"type": "http"}, receive, None)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=_Skipping) as runner:
        try:
            return runner.run(timed())
        except HTTPException as refusal:
            return refusal.status_code


def test_a_large_body_has_the_time_that_it_needs():
    assert seconds_of_body(size=60_000_000, rate=625_000) == pytest.approx(96, abs=1)  # 5 Mbit/s
    assert seconds_of_body(size=60_000_000, rate=120_000) == pytest.approx(500, abs=1)
    assert seconds_of_body(size=60_000_000, rate=100_000) == 408
    assert seconds_of_body(size=1_000, rate=20) == pytest.approx(50, abs=1)
    assert seconds_of_body(size=1_300, rate=20) == 408
    assert seconds_of_body(size=60_000_000, rate=10_000_000, pause=50) == pytest.approx(56, abs=1)
    assert seconds_of_body(size=60_000_000, rate=10_000_000, pause=70) == 408  # haste is not credited


def test_bodies_that_arrived_in_part_do_not_wait_for_each_other():
    largest, at_a_time, bodies = 100, 4, 12

    async def arrive(memory, most):
        async with memory.room() as take:
            for _ in range(largest // 10):
                await take(10)
                most.append(sum(each is not None for each in most))
                await asyncio.sleep(0)

    async def all_at_once():
        memory = BodyMemory(largest, at_a_time)
        await asyncio.wait_for(asyncio.gather(*(arrive(memory, []) for _ in range(bodies))), 10)
        async with asyncio.timeout(10), memory.room() as take:  # all of it was given back
            await take((at_a_time - 1) * largest)
            async with memory.room() as kept:
                await kept(largest)

    asyncio.run(all_at_once())


def test_silent_connections_keep_nobody_out_and_are_logged_once():
    with running(_STUB, _FILES, 60, 60) as server:
        silent = [server.connect() for _ in range(2 * _FILES)]
        for _ in range(3):
            assert server.get("/health") == (200, '{"status": "ok"}')
            assert server.predict({})[0] == 200
        for connection in silent:
            connection.close()
        status, err = server.end()
    assert status == 0 and err.count("\n") == 1
    assert " connections are open, as many as this server takes; " in err


def test_where_every_connection_has_a_request_health_is_answered_and_others_get_503():
    with running(_STUB, _FILES, 60, 60) as server:
        waiting = [begun(server, 100, sent=10) for _ in range(_FILES // 2)]
        assert server.get("/health") == (200, '{"status": "ok"}')
        busy = '{"error":"the server has as many connections as it takes; try again later"}'
        assert server.get("/v1/models/stub") == (503, busy)
        assert asked(f"{server.address}{_PREDICT}", b"{}") == (503, busy)
        served = 0
        for connection in waiting:
            with connection, contextlib.suppress(ConnectionError):  # of those that were too many
                connection.sendall(b" " * 90)
                served += b'{"predictions": [100]}' in connection.recv(65536)
        assert 0 < served < len(waiting)
        assert server.predict({})[0] == 200
        assert server.end()[1].count("\n") == 1
