"""`tfcr serve`, a process of its own, asked by a client that knows TF Serving's interface and nothing else."""

import base64
import importlib.util
import json
import pathlib
import re
import shlex
import signal
import socket
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

import tensorflow as tf
from loaded_model import LoadedModel
from servers import asked, started
from wav_files import bad_files, noise, wav

from tfcr import cli

_DOCS = pathlib.Path(__file__).parents[3]


_PAGE = (_DOCS / "docs" / "serving.md").read_text(encoding="utf-8")
_WITH_PAGE, _WITHOUT_PAGE = re.findall(r"^tfcr serve (.*)$", _PAGE, re.MULTILINE)
_MAX_BODY = 16 << 20  # bytes, of the second


@pytest.fixture(scope="module")
def server(exported):
    """The second command of the page; its server is ended by SIGTERM, which is no failure."""
    arguments = _WITHOUT_PAGE.replace("serving/tfcr/1", str(exported))
    assert "--no-page --max-body 16" in arguments
    with started(*shlex.split(arguments)) as server:
        yield server
        assert server.end() == (0, "")


def row(audio, transcript=""):
    return {"audio_bytes": {"b64": base64.b64encode(audio).decode()}, "transcript": transcript}


def close(value, wanted):
    """Whether two pieces of JSON are equal, numbers to 1e-5."""
    if isinstance(wanted, dict):
        return sorted(value) == sorted(wanted) and all(close(value[name], wanted[name]) for name in wanted)
    if isinstance(wanted, list) and isinstance(wanted[0], dict):
        return len(value) == len(wanted) and all(map(close, value, wanted))
    value, wanted = np.asarray(value), np.asarray(wanted)
    if value.dtype.kind == wanted.dtype.kind == "U":
        return value.tolist() == wanted.tolist()
    return value.shape == wanted.shape and np.allclose(value, wanted, atol=1e-5)


_RECORDINGS = [row(wav(noise(1.5)), "I know"), row(wav(noise(0.5, channels=2, seed=1)), "Zoë \U0001f600")]
_FEATURES = {
    "spectrogram": np.random.default_rng(0).normal(-60, 20, (2, 2, 128, 128)).round(1).tolist(),
    "num_frames": [200, 61],
    "embeddings": np.random.default_rng(1).normal(size=(2, 30, 300)).round(1).tolist(),
    "num_tokens": [2, 1],
}


@pytest.mark.parametrize("signature", ["serving_default", "explain", "features"])
def test_both_forms_of_a_body_are_answered_as_the_saved_model_answers(signature, server, exported):
    rows = _RECORDINGS
    if signature == "features":
        rows = [dict(zip(_FEATURES, values, strict=True)) for values in zip(*_FEATURES.values(), strict=True)]
    model = LoadedModel(exported)
    for form in ("instances", "inputs"):
        content = rows if form == "instances" else {name: [each[name] for each in rows] for name in rows[0]}
        body = {"signature_name": signature, form: content}
        status, answer = server.predict(body, version=1 if form == "inputs" else None)
        assert status == 200, answer
        assert close(answer, model.rest(json.dumps(body)))


def test_status_and_metadata_are_tf_servings_messages(server, exported):
    status = json.loads(server.get("/v1/models/tfcr")[1])
    assert status == json.loads(server.get("/v1/models/tfcr/versions/1")[1])
    ok = {"error_code": "OK", "error_message": ""}
    assert status == {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": ok}]}
    metadata = json.loads(server.get("/v1/models/tfcr/metadata")[1])
    assert metadata["model_spec"] == {"name": "tfcr", "signature_name": "", "version": "1"}

    messages = pytest.importorskip("tensorflow_serving.apis.get_model_metadata_pb2")
    from google.protobuf import json_format
    from tensorflow.core.protobuf import saved_model_pb2

    read = json_format.ParseDict(metadata["metadata"]["signature_def"], messages.SignatureDefMap())
    saved = saved_model_pb2.SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    assert read.signature_def == saved.meta_graphs[0].signature_def


def test_a_bad_row_is_an_error_alone_and_says_so_beside_good_ones(server, exported):
    for audio, sentence in bad_files().values():
        if len(audio) < 1 << 20:
            status, answer = server.predict({"instances": [row(audio)]})
            assert status == 400 and sentence in answer["error"] and list(answer) == ["error"]
    bad = row(b"no recording", "I know")
    status, answer = server.predict({"instances": [bad, _RECORDINGS[0], bad]})
    assert status == 200
    first, second, third = answer["predictions"]
    assert "is no WAV file" in first["error"] and first == third and first["emotion"] == ""
    assert close(second, LoadedModel(exported).rest(json.dumps({"instances": _RECORDINGS[:1]}))["predictions"][0])
    status, answer = server.predict({"instances": [bad, bad]})
    assert status == 400 and answer["error"].startswith("all 2 rows are bad, row 0: audio_bytes is no WAV file")


def test_what_cannot_be_answered_is_a_4xx_of_one_sentence(server):
    large = {"instances": [row(bytes(_MAX_BODY))]}
    padded = {"signature_name": "explain", "instances": [row(wav(noise(20))), *[row(b"")] * 40]}
    unequal = {"signature_name": "features", "inputs": {**_FEATURES, "num_frames": [1]}}
    for body, code, sentence in (
        (b"{", 400, "not JSON"),
        ({"instances": []}, 400, "instances is empty"),
        ({"instances": [{"audio_bytes": {"b64": "?"}, "transcript": ""}]}, 400, "is not base64"),
        (large, 413, "the body is too large; expected at most 16 MB"),
        (padded, 413, "send fewer rows at a time"),
        (unequal, 400, "as many rows"),
    ):
        status, answer = server.predict(body)
        assert (status, list(answer)) == (code, ["error"]) and sentence in answer["error"]
    for path, content, code, sentence in (
        ("/v1/models/tfcr/versions/2:predict", b"{}", 404, "no version 2 of 'tfcr'; this is 1"),
        ("/v1/models/other:predict", b"{}", 404, "no model 'other'"),
        ("/v1/models/tfcr:classify", b"{}", 400, "answers to predict alone"),
        ("/v1/models/tfcr:predict", None, 400, "Malformed request: GET /v1/models/tfcr:predict"),
        ("/v1/models/tfcr", b"{}", 400, "Malformed request: POST /v1/models/tfcr"),
        ("/v1/models", None, 400, "Malformed request: GET /v1/models"),
        ("/v2", None, 404, "Not Found"),
        ("/health", b"{}", 405, "Method Not Allowed"),
    ):
        status, text = asked(server.address + path, content)
        assert status == code and sentence in json.loads(text)["error"]


def test_health_and_metrics(server):
    assert server.get("/health") == (200, '{"status": "ok"}')
    name = 'tfcr_rows_total{outcome="good",signature="serving_default"}'
    server.predict({"instances": _RECORDINGS})
    before = server.metric(name)
    server.predict({"instances": _RECORDINGS})
    assert server.metric(name) == before + 2
    assert server.metric("tfcr_requests_in_flight") == 0
    assert server.get("/metrics")[0] == server.get("/monitoring/prometheus/metrics")[0] == 200


def test_the_first_command_of_the_page_serves_its_call_and_answers_what_is_in_flight_when_it_ends(
    exported, tmp_path, monkeypatch, capfd
):
    assert f"\ntfcr serve {_WITH_PAGE}\n" in (_DOCS / "docs" / "guide.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    pathlib.Path("serving").mkdir()
    pathlib.Path("serving/tfcr").symlink_to(exported.parent)
    pathlib.Path("speech.wav").write_bytes(wav(noise(1.5)))
    (call,) = (code for code in re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL) if "urllib" in code)
    body = json.dumps({"instances": _RECORDINGS}).encode()
    head = f"POST /v1/models/tfcr:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with started(*shlex.split(_WITH_PAGE)) as server:
        assert "production there is TF Serving" in server.process.stdout.readline()
        exec(compile(call.replace("http://localhost:8501", server.address), "serving.md", "exec"), {})
        assert capfd.readouterr().out.strip()
        status, page = server.get("/")
        assert status == 200 and "Emotion in speech and words" in page
        assert server.get("/v1/nothing")[0] == 400

        host, port = server.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as client:
            client.sendall(head + body[:1000])
            server.wait_for("tfcr_requests_in_flight", 1)
            server.process.send_signal(signal.SIGINT)
            with pytest.raises(OSError):  # nobody new is let in
                for _ in range(600):
                    socket.create_connection((host, int(port)), timeout=60).close()
                    time.sleep(0.05)
            client.sendall(body[1000:])
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 OK") and answer.count(b'"emotion":') == 2
        server.process.wait(timeout=60)
        assert (server.process.returncode, server.process.stderr.read()) == (0, "")


@pytest.mark.parametrize("package", ["fastapi", "gradio"])
def test_without_the_extra_one_line_names_it(package, exported, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))
    with pytest.raises(SystemExit) as end:
        cli.main(["serve", str(exported)])
    assert end.value.code == 1
    wanted = f"tfcr serve needs a package that is not installed ({package}); in tfcr's clone, pip install '.[serve]'"
    assert capsys.readouterr().err == f"Error: {wanted}\n"


def test_a_port_that_is_taken_and_an_export_that_is_none_are_said_in_one_line(exported, tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, sentence in (
            (
                [exported, "--port", port],
                f"port {port} of 127.0.0.1 cannot be had (Address already in use); name another",
            ),
            ([exported, "--host", "192.0.2.1"], "port 8501 of 192.0.2.1 cannot be had"),
            ([tmp_path], "has no version of an export; make one with `tfcr export`"),
        ):
            with pytest.raises(SystemExit) as end:
                cli.main(["serve", "--no-page", *map(str, arguments)])
            err = capsys.readouterr().err
            assert end.value.code == 1 and sentence in err and err.count("\n") == 1


_MB_LEFT = 150  # what three rounds of 200 requests may leave in memory; the largest body alone has 25


@pytest.mark.full
def test_two_hundred_requests_at_once_some_of_them_malformed(exported, served):
    """Each is answered as it deserves, and memory is back where it was."""
    expected, requests = [], []
    wrong = [audio for audio, _ in bad_files().values()]
    malformed = [
        b"",
        b"{",
        b"\xff",
        b'{"instances": []}',
        b'{"instances": [{"audio_bytes": {"b64": "?"}, "transcript": ""}]}',
        b'{"inputs": {"audio_bytes": [5], "transcript": ["x"]}}',
        b'{"signature_name": 7, "instances": [1]}',
    ]
    for number in range(200):
        if number % 4 == 3:
            bad = number // 4  # 50 of them
            body = malformed[bad] if bad < len(malformed) else {"instances": [row(wrong[bad % len(wrong)])]}
            requests.append(body if isinstance(body, bytes) else json.dumps(body).encode())
            expected.append(None)
        else:
            audio, words = wav(noise(0.2 + number % 9, seed=number)), f"I know word{number % 3} you"
            requests.append(json.dumps({"instances": [row(audio, words)]}).encode())
            found = served["serving_default"](audio_bytes=tf.constant([audio]), transcript=tf.constant([words]))
            expected.append(found["logits"].numpy()[0])
    with started(exported.parent, "--no-page") as server, ThreadPoolExecutor(200) as clients:
        memory = [server.memory()]
        for _ in range(3):
            for (status, answer), logits in zip(clients.map(server.predict, requests), expected, strict=True):
                if logits is None:
                    assert 400 <= status < 500 and list(answer) == ["error"] and "\n" not in answer["error"]
                else:
                    assert status == 200
                    np.testing.assert_allclose(answer["predictions"][0]["logits"], logits, atol=1e-5)
            memory.append(server.memory())
        print("MB in memory before the first, after each round:", [round(each) for each in memory])
        assert memory[-1] - memory[0] < _MB_LEFT
        assert server.get("/health")[0] == 200
        assert statistics.fsum(server.metric(f'tfcr_requests_total{{code="{code}"}}') for code in (200, 400)) == 600
        assert server.end() == (0, "")
