"""The pipeline of Apache Beam that writes shards: what drives it, what a worker does, and where both read and write.

Each shard is one element, computed by the function of the local writer and there whole or not at all, so that a runner
may repeat it as it likes.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import queue
import secrets
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import BinaryIO

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from tfcr import files
from tfcr.dataset_info import Shard
from tfcr.errors import TfcrError
from tfcr.preparation.beam.options import Engine

TASKS, VECTORS, RESULTS = "tasks", "vectors", "results"
_AS_IS = {"compression_type": CompressionTypes.UNCOMPRESSED}


class Folder:
    """A folder on a path of this machine, or by a URL on any filesystem that Beam knows.

    Args:
        place: the path or URL.
    """

    def __init__(self, place: str | os.PathLike):
        self.place = os.fspath(place)
        self.is_local = "://" not in self.place

    def __truediv__(self, name: str) -> "Folder":
        return Folder(os.path.join(self.place, name) if self.is_local else FileSystems.join(self.place, name))

    @property
    def path(self) -> pathlib.Path:
        """Of a local folder."""
        return pathlib.Path(self.place)

    def names(self) -> list[str]:
        """Of the files in it."""
        if self.is_local:
            return os.listdir(self.place) if self.path.is_dir() else []
        return list(self.sizes())

    def sizes(self) -> dict[str, int]:
        """Name → bytes of the files in a folder by URL; none where there is no such folder."""
        if FileSystems.get_filesystem(self.place).has_dirs() and not FileSystems.exists(self.place):
            return {}
        (found,) = FileSystems.match([FileSystems.join(self.place, "*")])
        start = len(self.place.rstrip("/")) + 1
        named = {each.path[start:]: each.size_in_bytes for each in found.metadata_list}
        return {name: size for name, size in named.items() if "/" not in name}

    def open(self, name: str) -> BinaryIO:
        """A file for reading, which can seek."""
        return open(self.path / name, "rb") if self.is_local else FileSystems.open((self / name).place, **_AS_IS)

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            return file.read()

    @contextlib.contextmanager
    def write(self, name: str) -> Iterator[BinaryIO]:
        """A file that is there whole, once the block has ended well, or not at all."""
        if self.is_local:
            with files.written_whole(self.path / name) as temporary, open(temporary, "wb") as file:
                yield file
            return
        path, temporary = (self / name).place, (self / f".{name}.{secrets.token_hex(6)}.tmp").place
        with FileSystems.create(temporary, **_AS_IS) as file:
            yield file
        try:
            FileSystems.rename([temporary], [path])
        except OSError:  # some filesystems, HDFS among them, rename to no name that is taken
            if not FileSystems.exists(path):
                raise
            FileSystems.delete([path])
            FileSystems.rename([temporary], [path])

    def put(self, name: str, source: pathlib.Path) -> None:
        """Copies a local file into it."""
        with open(source, "rb") as original, self.write(name) as copy:
            shutil.copyfileobj(original, copy, 1 << 20)

    def get(self, name: str, target: pathlib.Path) -> None:
        """Copies a file of it to a local path."""
        with self.open(name) as original, files.written_whole(target) as temporary, open(temporary, "wb") as copy:
            shutil.copyfileobj(original, copy, 1 << 20)

    def sha256(self, name: str) -> str:
        """Of a file's bytes."""
        digest = hashlib.sha256()
        with self.open(name) as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    def remove(self) -> None:
        """Removes it with all that is in it, if it is there."""
        if self.is_local:
            shutil.rmtree(self.path, ignore_errors=True)
        elif FileSystems.get_filesystem(self.place).has_dirs():
            if FileSystems.exists(self.place):
                FileSystems.delete([self.place])
        else:
            (found,) = FileSystems.match([FileSystems.join(self.place, "**")])
            if found.metadata_list:
                FileSystems.delete([each.path for each in found.metadata_list])


# ---- what a worker does ---------------------------------------------------------------------------------------------


def compute(element: tuple[int, int, int], job: str, out: str, write: bool) -> None:
    """Computes one shard and leaves in the job's folder what came of it.

    What is wrong with the corpus is a result too: no repetition mends it. Anything else raises, and is the runner's to
    repeat.

    Args:
        element: the shard, where its task begins, and the task's length.
        job: the folder that tells the work, and takes the results.
        out: the dataset's folder.
        write: whether to write the shard, not only to say what it is made from.
    """
    from tfcr.preparation.beam import tasks

    number, start, size = element
    with Folder(job).open(TASKS) as file:
        file.seek(start)
        task = file.read(size)
    result = {}
    try:
        plan, made_from = tasks.decode(task, _vectors(job))
        if made_from is None:
            fingerprint = plan.fingerprint(number)
            made_from, result["recordings"] = fingerprint.sha256, list(fingerprint.recordings)
        result["made_from"] = made_from
        if write:
            result["shard"] = dataclasses.asdict(_write(plan, number, Folder(out), made_from))
    except TfcrError as error:
        result = {"error": str(error)}
    with (Folder(job) / RESULTS).write(f"{number}.json") as file:
        file.write(json.dumps(result).encode())


def _write(plan, number: int, out: Folder, made_from: str) -> Shard:
    from tfcr.preparation.shards import receipt, write_shard

    arguments = (made_from, lambda seconds: None, threading.Event())
    if out.is_local:
        return write_shard(plan, number, out.path, *arguments)
    name = plan.file_name(number)
    receipt_name = receipt(pathlib.Path(name)).name
    finished = _finished(out, name, receipt_name, made_from)
    if finished is not None:
        return finished
    with tempfile.TemporaryDirectory() as local:
        shard = write_shard(plan, number, pathlib.Path(local), *arguments)
        out.put(receipt_name, pathlib.Path(local, receipt_name))
        out.put(name, pathlib.Path(local, name))
    if out.sha256(name) != shard.sha256:
        raise OSError(f"{name} is not at {out.place} as it was written (its SHA-256 differs)")
    return shard


def _finished(out: Folder, name: str, receipt_name: str, made_from: str) -> Shard | None:
    """As `tfcr.preparation.shards.finished_shard`."""
    try:
        content = json.loads(out.read(receipt_name))
        shard = Shard(**content["shard"])
        right = content["made_from"] == made_from and out.sha256(name) == shard.sha256
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return shard if right else None


@functools.lru_cache(maxsize=1)
def _vectors(job: str):
    """A job's word vectors; from another filesystem they are copied once for every worker process."""
    from tfcr.preparation.beam import tasks

    folder = Folder(job)
    if folder.is_local:
        return tasks.read_vectors(folder.path / VECTORS)
    with tempfile.TemporaryDirectory() as local:
        path = pathlib.Path(local, VECTORS)
        folder.get(VECTORS, path)
        return tasks.read_vectors(path)  # stays mapped when its name is gone


# ---- what drives it -------------------------------------------------------------------------------------------------


def run(request: dict) -> None:
    """Runs one pipeline to its end.

    Args:
        request: `runner`, `options`, `elements`, and what `compute` takes.
    """
    pipeline = beam.Pipeline(options=Engine(request["runner"], request["options"]).pipeline_options())
    _ = (
        pipeline
        | "Shards" >> beam.Create([tuple(element) for element in request["elements"]])
        | "Spread" >> beam.Reshuffle()
        | "Write" >> beam.Map(compute, job=request["job"], out=request["out"], write=request["write"])
    )
    result = pipeline.run()
    state = result.wait_until_finish()
    if state is not None and state != "DONE":
        raise RuntimeError(f"the job's state is {state}")


def drive() -> None:
    """Runs the pipelines whose requests stand on standard input, and answers each by a line on standard output.

    It leads a process group of its own and ends it, workers included, when the input ends: also when the launcher is
    killed. When a worker of DirectRunner is killed, Beam raises in a thread that nobody asks, and waits for ever; the
    answer then is `lost`, and the launcher ends the group.
    """
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what Beam and its workers print goes to the log
    lines = queue.Queue()
    lock = threading.Lock()
    failures = []

    def answer(content: dict) -> None:
        with lock:
            answers.write(json.dumps(content) + "\n")
            answers.flush()

    def read() -> None:
        for line in requests:
            lines.put(line)
        os.killpg(0, signal.SIGKILL)

    def lost(failure) -> None:
        sys.excepthook(failure.exc_type, failure.exc_value, failure.exc_traceback)
        failures.append(str(failure.exc_value))
        if len(failures) == 1:  # of several threads; one of them knows the exit code
            threading.Timer(1.0, lambda: answer({"lost": next(filter(None, failures), "its connection broke")})).start()

    threading.excepthook = lost
    threading.Thread(target=read, daemon=True).start()
    while True:
        request = json.loads(lines.get())
        try:
            run(request)
            answer({"done": True})
        except Exception as error:
            sys.excepthook(*sys.exc_info())
            answer({"error": _reason(error)})


def _reason(error: Exception) -> str:
    """The line that says what happened: the last one of a worker's traceback that Beam passes on."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "Error" in line.split(":")[0] and ": " in line]
    text = told[-1] if told else f"{type(error).__name__}: {' '.join(lines) or 'no reason given'}"
    return text.split(" [while running")[0][:500]
