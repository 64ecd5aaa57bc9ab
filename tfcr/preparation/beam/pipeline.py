"""The pipeline of Apache Beam that writes shards: what drives it, and what a worker does.

Each shard is one element, computed by the function of the local writer and there whole or not at all, so that a runner
may repeat it as it likes.
"""

import functools
import json
import os
import pathlib
import queue
import signal
import sys
import tempfile
import threading

import apache_beam as beam

from tfcr.errors import TfcrError
from tfcr.preparation.beam.folder import Folder
from tfcr.preparation.beam.options import Engine
from tfcr.preparation.made import Made

TASKS, VECTORS, RESULTS = "tasks", "vectors", "results"  # in a job's folder

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
            result |= _write(plan, number, Folder(out), made_from).to_dict()
    except TfcrError as error:
        result = {"error": str(error)}
    with (Folder(job) / RESULTS).write(f"{number}.json") as file:
        file.write(json.dumps(result).encode())


def _write(plan, number: int, out: Folder, made_from: str) -> Made:
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
        made = write_shard(plan, number, pathlib.Path(local), *arguments)
        out.put(receipt_name, pathlib.Path(local, receipt_name))
        out.put(name, pathlib.Path(local, name))
    if out.sha256(name) != made.shard.sha256:
        raise OSError(f"{name} is not at {out.place} as it was written (its SHA-256 differs)")
    return made


def _finished(out: Folder, name: str, receipt_name: str, made_from: str) -> Made | None:
    """As `tfcr.preparation.shards.finished_shard`."""
    try:
        content = json.loads(out.read(receipt_name))
        made = Made.from_dict(content)
        right = content["made_from"] == made_from and out.sha256(name) == made.shard.sha256
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return made if right else None


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
