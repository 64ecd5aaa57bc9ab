"""Every command and every call of docs/serving.md works as it stands; only ports are changed.

The REST and the gRPC call are answered by servers that speak TF Serving's protocol with the export in their hands.
"""

import http.server
import json
import os
import pathlib
import re
import runpy
import shlex
import shutil
import sys
import threading
from concurrent import futures

import pytest
import yaml
from loaded_model import LoadedModel
from wav_files import noise, wav

from tfcr import cli

grpc = pytest.importorskip("grpc")
services = pytest.importorskip("tensorflow_serving.apis.prediction_service_pb2_grpc")

_PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
_COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", _PAGE, re.DOTALL) for line in block.splitlines()]
_CALLS = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)


@pytest.fixture
def readers_folder(trained_run, tiny_corpus, tmp_path, monkeypatch):
    """A folder with what the page asks a reader to bring."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained_run.folder, "runs/synthetic/random-fusion-a0.1-f3-s0")
    pathlib.Path("speech.wav").write_bytes(wav(noise(1.5)))
    os.mkdir("recordings")
    shutil.copy("speech.wav", "recordings/first.wav")
    pathlib.Path("words.csv").write_text("id,transcript\nfirst,Hello there.\n")
    tiny_corpus.rename("my-corpus")
    return tmp_path


class _Rest(http.server.BaseHTTPRequestHandler):
    model: LoadedModel

    def do_POST(self):
        assert self.path == "/v1/models/tfcr:predict"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps(self.model.rest(body)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format, *arguments):
        """Says nothing."""


class _Grpc(services.PredictionServiceServicer):
    def __init__(self, model):
        self.model = model

    def Predict(self, request, context):  # noqa: N802
        assert request.model_spec.name == "tfcr"
        return self.model.grpc(request)


@pytest.fixture
def ports(exported):
    """Two servers: TF Serving's ports → theirs."""
    model = LoadedModel(exported)
    rest = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Rest", (_Rest,), {"model": model}))
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    server = grpc.server(futures.ThreadPoolExecutor(1))
    services.add_PredictionServiceServicer_to_server(_Grpc(model), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield {"localhost:8501": f"127.0.0.1:{rest.server_port}", "localhost:8500": f"127.0.0.1:{port}"}
    rest.shutdown()
    rest.server_close()
    server.stop(None)


def test_every_command_and_call_of_the_page_works(readers_folder, ports, monkeypatch, capfd):
    pytest.importorskip("onnxruntime")
    ran = []
    for line in _COMMANDS:
        program, *arguments = shlex.split(line)
        if program == "docker":
            assert arguments[:2] == ["compose", "--file"]
            assert yaml.safe_load(pathlib.Path(arguments[2]).read_text())["services"]
            continue
        if program == "python":
            script = pathlib.Path(__file__).parents[2] / arguments[0]
            capfd.readouterr()
            with monkeypatch.context() as patch, pytest.raises(SystemExit) as end:
                patch.syspath_prepend(script.parent)
                patch.setattr(sys, "argv", [str(script), *arguments[1:], "--quick"])
                runpy.run_path(str(script), run_name="__main__")
            printed = capfd.readouterr().out
            assert not end.value.code
            for what in ("`serving_default`, from WAV bytes", "`features`", "ONNX of `features`"):
                assert f"| {what}: one recording |" in printed
                assert f"| {what}: batches of 32 |" in printed
            continue
        assert program == "tfcr", line
        if arguments[0] == "serve":
            continue  # test_server.py runs it
        with pytest.raises(SystemExit) as end:
            cli.main(arguments)
        assert end.value.code == 0, (line, capfd.readouterr().err)
        ran.append(arguments[0])
    assert ran == ["export", "predict", "predict", "predict", "export"]
    capfd.readouterr()
    for call in _CALLS:
        for documented, real in ports.items():
            call = call.replace(documented, real)
        exec(compile(call, "serving.md", "exec"), {})
        assert capfd.readouterr().out.strip()
    assert len(_CALLS) == 4
