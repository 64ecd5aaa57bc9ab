"""The process that runs the pipelines, apart from the launcher, so that it can be ended with all that it started."""

import contextlib
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable

_DRIVE = "from tfcr.preparation.beam.pipeline import drive; drive()"


class Driver:
    """The process that runs the pipelines: a group of its own, which can be ended with all its workers at any time."""

    def __init__(self, say: Callable[[str], None], runner: str):
        modules = {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTHONSAFEPATH": "1",
        }  # those of this process
        with tempfile.NamedTemporaryFile(prefix="tfcr-beam-", suffix=".log", delete=False) as log:
            self.log = pathlib.Path(log.name)
            self.keeps_log = False
            self.process = subprocess.Popen(
                [sys.executable, "-c", _DRIVE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | modules,
                start_new_session=True,
            )
        say(f"Apache Beam works by {runner}; its log is {self.log}")

    def ask(self, request: dict, meanwhile: Callable[[], None]) -> dict:
        """The answer to a request (`tfcr.preparation.beam.pipeline.drive`).

        Args:
            meanwhile: called once in a while.
        """
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return {"lost": "the process that drives it has ended"}
        while not select.select([self.process.stdout], [], [], 0.5)[0]:
            with contextlib.suppress(OSError):  # the next look may succeed
                meanwhile()
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"lost": "the process that drives it has ended"}

    def keep_log(self) -> pathlib.Path:
        """The log, which then stays."""
        self.keeps_log = True
        return self.log

    def stop(self) -> None:
        """Ends it, and every worker that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        if not self.keeps_log:
            self.log.unlink(missing_ok=True)
