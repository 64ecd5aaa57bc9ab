"""`tfcr serve` as a process of its own, and a client that knows TF Serving's interface and nothing else."""

import contextlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import tfcr

_COMMAND = "import sys; from tfcr.cli import main; main(sys.argv[1:])"
_ROOT = str(pathlib.Path(tfcr.__file__).parents[1])
_SECONDS = 120  # until it answers or has ended


class Server:
    """A running one.

    Attributes:
        process: of the command.
        address: `http://host:port`.
        announced: what it printed once it was ready.
    """

    def __init__(self, program, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(path for path in (_ROOT, os.environ.get("PYTHONPATH")) if path),
            },
        )
        ready, _, _ = select.select([self.process.stdout], [], [], _SECONDS)
        self.announced = self.process.stdout.readline() if ready else ""
        found = re.search(r"(http://[^/]+)/v1/models/(\S+):predict", self.announced)
        if found is None:
            self.process.kill()
            raise AssertionError(f"tfcr serve is not ready: {self.announced}{self.process.communicate()[1]}")
        self.address = found[1]
        self.model = f"{self.address}/v1/models/{found[2]}"

    def end(self, how=signal.SIGTERM):
        """Exit code and what stood on the error stream."""
        self.process.send_signal(how)
        _, err = self.process.communicate(timeout=_SECONDS)
        return self.process.returncode, err

    def connect(self):
        """A connection of a client of its own."""
        host, port = self.address.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=_SECONDS)

    def get(self, path):
        """Status and content of a GET."""
        return asked(self.address + path)

    def predict(self, body, version=None):
        """Status and JSON of a predict request."""
        at = self.model if version is None else f"{self.model}/versions/{version}"
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, text = asked(f"{at}:predict", content)
        return status, json.loads(text)

    def memory(self):
        """MB that it has in memory."""
        return self._status("VmRSS")

    def peak_memory(self):
        """The most MB that it has had in memory."""
        return self._status("VmHWM")

    def _status(self, name):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(rf"{name}:\s+(\d+) kB", file.read())[1]) / 1024

    def metric(self, name):
        """A number of `/metrics`."""
        return float(re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics")[1], re.MULTILINE)[1])

    def wait_for(self, name, value):
        """Until a metric has a value."""
        end = time.monotonic() + _SECONDS
        while self.metric(name) != value:
            assert time.monotonic() < end, f"{name} is {self.metric(name)}"
            time.sleep(0.05)


@contextlib.contextmanager
def started(*arguments):
    """`tfcr serve` with these arguments and a free port."""
    with running(_COMMAND, "serve", *arguments, "--port", "0") as server:
        yield server


@contextlib.contextmanager
def running(program, *arguments):
    """A program in Python that says the address of its model; it is ended by the end of the block, if not before."""
    server = Server(program, *arguments)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end()


def asked(url, content=None):
    """Status and text of a GET, or of a POST where there is content."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, content), timeout=_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
