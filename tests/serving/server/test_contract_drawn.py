"""Whatever is asked, the server answers as TF Serving's REST contract says, and is not at fault."""

import asyncio
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import hypothesis
import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from requests_drawn import recordings, requests
from servers import started

_SETTINGS = {
    "database": None,
    "suppress_health_check": [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
}


def check(asked, status, kind, content):
    """One line of JSON says what is wrong; what is right has the rows that were asked for."""
    assert 200 <= status < 500, (asked, status, content)
    if asked.method == "HEAD" or status == 204:
        return
    if status >= 400:
        answer = json.loads(content)
        assert list(answer) == ["error"] and answer["error"] and "\n" not in answer["error"], (asked, answer)
        assert kind == "application/json"
    elif asked.path.endswith(":predict"):
        question, answer = json.loads(content), json.loads(content)
        assert len(answer) == 1 and set(question) <= {"predictions", "outputs"}


class InProcess:
    """An application that is asked without a server."""

    def __init__(self, app):
        self._app = app

    async def ask(self, asked):
        """Status, content type and content."""
        told = []

        async def receive():
            return {"type": "http.request", "body": asked.body, "more_body": False}

        async def send(message):
            told.append(message)

        headers = [(name.lower().encode(), value.encode()) for name, value in asked.headers.items()]
        path, _, query = asked.path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": asked.method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [*headers, (b"content-length", str(len(asked.body)).encode())],
        }
        await self._app(scope, receive, send)
        start, *parts = told
        kind = dict(start["headers"]).get(b"content-type", b"").decode()
        return start["status"], kind, b"".join(part.get("body", b"") for part in parts)


@pytest.fixture(scope="module")
def in_process(exported):
    from tfcr.serving.server.app import create_app
    from tfcr.serving.server.served import ServedModel

    with ThreadPoolExecutor(1) as pool, asyncio.Runner() as runner:
        app = InProcess(create_app(ServedModel(exported.parent), pool, 1 << 20))
        yield lambda asked: runner.run(app.ask(asked))


@hypothesis.settings(max_examples=150, **_SETTINGS)
@hypothesis.given(asked=requests())
def test_a_request_is_answered_or_refused_in_one_sentence(in_process, asked):
    check(asked, *in_process(asked))


@hypothesis.settings(max_examples=50, **_SETTINGS)
@hypothesis.given(asked=recordings())
def test_a_recording_is_answered_or_refused_in_one_sentence(in_process, asked):
    status, kind, content = in_process(asked)
    check(asked, status, kind, content)
    assert status in (200, 400)


_MB_MORE = 50  # that 8,000 requests may add to the most memory of the first 2,000


@pytest.mark.full
def test_ten_thousand_requests_find_no_fault_and_leave_no_memory(exported):
    with started(exported.parent, "--no-page", "--max-body", 1, "--threads", 1) as server:
        client = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=120)
        statuses, peaks, last = [], [], [time.monotonic()]

        def ask(asked):
            if time.monotonic() - last[0] > 10:  # hypothesis may take long; a server keeps no silent connection
                client.close()
            client.request(asked.method, asked.path, asked.body, asked.headers)
            with client.getresponse() as answer:
                statuses.append(answer.status)
                check(asked, answer.status, answer.headers["content-type"], answer.read())
            last[0] = time.monotonic()

        for strategy, number in ((requests(), 500), (recordings(), 1500), (requests(), 1500), (recordings(), 6500)):
            run = hypothesis.given(asked=strategy)(ask)
            seeded = hypothesis.seed(len(peaks))(
                hypothesis.settings(max_examples=number, derandomize=False, **_SETTINGS)(run)
            )
            seeded()
            peaks.append(server.peak_memory())
        client.close()
        print(
            f"{len(statuses)} requests, {statuses.count(200)} answered; the most MB in memory: {[*map(round, peaks)]}"
        )
        assert len(statuses) >= 10_000 and statuses.count(200) > 1_000
        assert peaks[-1] - peaks[1] < _MB_MORE
        assert server.end() == (0, "")
