"""Shards written by Apache Beam, on whatever runner: the launcher's side. Needs the extra `beam`."""

import contextlib
import json
import os
import pathlib
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

from apache_beam.io.filesystems import FileSystems

from tfcr import files
from tfcr.dataset_info import JOBS
from tfcr.errors import TfcrError
from tfcr.preparation.beam import tasks
from tfcr.preparation.beam.driver import Driver
from tfcr.preparation.beam.folder import Folder, calling, naming
from tfcr.preparation.beam.options import Engine
from tfcr.preparation.beam.pipeline import RESULTS, TASKS, VECTORS
from tfcr.preparation.beam.staging import Staging
from tfcr.preparation.made import Made
from tfcr.preparation.shards import Fingerprint, RecordPlan, ShardPlan, Written
from tfcr.wording import counted

_LOSSES = 4  # of workers in a row, without a shard between them; Dataflow tries a bundle as often
_APPEARS = 90.0  # seconds after which what one node has written is seen by another (NFS: up to 60)
_GOES_ON = "finished shards are kept, and the same command goes on"


@contextlib.contextmanager
def beam_writer(
    engine: Engine, out: str | os.PathLike, say: Callable[[str], None] = lambda sentence: None
) -> Iterator[tuple[pathlib.Path, "BeamWriter"]]:
    """The local folder to prepare in, and the writer; what they need ends with the block.

    Args:
        out: where the dataset shall be: a path that launcher and workers share, or a URL. A dataset by URL is
            prepared in a temporary folder, which holds everything but the shards.
        say: takes sentences for the user.
    """
    folder = Folder(out)
    if folder.is_local:
        with contextlib.closing(BeamWriter(engine, Folder(folder.path.absolute()), None, say)) as writer:
            yield folder.path, writer
        return
    with naming(folder):
        FileSystems.get_filesystem(folder.place)
    with tempfile.TemporaryDirectory(prefix="tfcr-") as name:
        local = pathlib.Path(name)
        staging = Staging(folder, local)
        with calling(local, folder), contextlib.closing(BeamWriter(engine, folder, staging, say)) as writer:
            staging.fetch()
            yield local, writer
            staging.publish()


class BeamWriter:
    """Computes the shards of a dataset by Beam (`tfcr.preparation.writers.Writer`)."""

    def __init__(self, engine: Engine, out: Folder, staging: Staging | None, say: Callable[[str], None]):
        self.engine = engine
        self.out = out
        self.staging = staging
        self.say = say
        self.driver: Driver | None = None

    def fingerprints(self, plan: ShardPlan) -> list[Fingerprint]:
        """What every shard is made from."""
        return [
            Fingerprint(result["made_from"], result["recordings"])
            for result in self._results(plan, lambda seconds: None, None, write=False)
        ]

    def write(
        self,
        plan: ShardPlan,
        out: pathlib.Path,
        advance: Callable[[float], None] = lambda seconds: None,
        fingerprints: Sequence[Fingerprint] | None = None,
    ) -> list[Written]:
        """As `tfcr.preparation.shards.write_shards`.

        Raises:
            TfcrError: shards could not be written, which it counts; or the job failed.
        """
        if self.staging is not None:
            self.staging.publish()
        results = self._results(plan, advance, fingerprints, write=True)
        if fingerprints is None:
            fingerprints = [Fingerprint(result["made_from"], result["recordings"]) for result in results]
        if self.staging is not None and isinstance(plan, RecordPlan):
            self.staging.remove_other_shards(plan)
        made = [Made.from_dict(result) for result in results]
        return [
            Written(each.shard, each.heard, fingerprint=fingerprint)
            for each, fingerprint in zip(made, fingerprints, strict=True)
        ]

    def close(self) -> None:
        """Ends what drives the pipelines, with the workers that it started."""
        if self.driver is not None:
            self.driver.stop()
            self.driver = None

    def _results(self, plan, advance, fingerprints, write: bool) -> list[dict]:
        jobs = self.out / JOBS
        job = jobs / secrets.token_hex(6)  # a job that lives on without its launcher finds nothing, and spoils nothing
        ended_well = False
        try:
            with naming(self.out):
                jobs.remove()
                elements = _write_tasks(plan, job, fingerprints)
            results = self._run(plan, job, elements, advance, write)
            ended_well = True
            return results
        finally:
            if not ended_well:
                self.close()  # first, for workers would write on
            with contextlib.suppress(OSError):
                jobs.remove()
                if self.out.is_local:
                    files.remove_temporaries(self.out.path)

    def _run(self, plan, job, elements, advance, write) -> list[dict]:
        """The result of every shard; where workers are lost, those that are missing are asked for again."""
        collected = _Results(job / RESULTS, lambda shard: advance(plan.seconds(shard)))
        request = {
            "runner": self.engine.runner,
            "options": list(self.engine.options),
            "job": job.place,
            "out": self.out.place,
            "write": write,
        }
        losses = 0
        while missing := [element for element in elements if element[0] not in collected.there]:
            self.driver = self.driver or Driver(self.say, self.engine.runner)
            answer = self.driver.ask(request | {"elements": missing}, collected.refresh)
            if "lost" in answer:
                self.close()  # and with it the workers that are left
            with naming(self.out):
                collected.refresh(now=True)
                ended = time.monotonic()
                while "done" in answer and len(collected.there) < len(elements) and time.monotonic() < ended + _APPEARS:
                    time.sleep(1.0)
                    collected.refresh(now=True)
            left = len(elements) - len(collected.there)
            losses = losses + 1 if left == len(missing) else 1
            if "lost" not in answer:
                self._refuse_failure(answer, left, len(elements))
            elif left:
                self._retry_or_give_up(answer["lost"], left, losses)
        with naming(self.out):
            return collected.read(len(elements))

    def _refuse_failure(self, answer: dict, left: int, count: int) -> None:
        """Raises where a pipeline has failed, or left nothing."""
        if "error" in answer:
            fact = f"{self.engine.runner} ended with {answer['error']}"
            raise TfcrError(f"{fact}; Beam's log is {self.driver.keep_log()}; {_GOES_ON}")
        if left:
            raise TfcrError(
                f"the job has ended, but {left} of {counted(count, 'shard')} left nothing at {self.out.place}; "
                "is that a folder that every worker shares?"
            )

    def _retry_or_give_up(self, reason: str, left: int, losses: int) -> None:
        """Says that the missing shards are computed again, or raises after too many losses in a row."""
        if losses == _LOSSES:
            raise TfcrError(
                f"a worker of {self.engine.runner} was lost {losses} times without a shard between ({reason}); "
                f"{_GOES_ON}. Is the memory full? Take fewer workers"
            )
        again = counted(left, "shard that is missing is", "shards that are missing are")
        self.say(f"A worker of {self.engine.runner} was lost ({reason}); the {again} begun again")


class _Results:
    """The results that workers have written so far.

    Args:
        folder: where.
        on_shard: called with every shard that is new.
    """

    def __init__(self, folder: Folder, on_shard: Callable[[int], None]):
        self.folder = folder
        self.on_shard = on_shard
        self.there: set[int] = set()
        self.next_listing = 0.0

    def refresh(self, now: bool = False) -> None:
        """Lists the folder for new results, at most so often that listing takes little time."""
        began = time.monotonic()
        if not now and began < self.next_listing:
            return
        for name in self.folder.names():
            if name.endswith(".json") and not name.startswith("."):
                shard = int(name.removesuffix(".json"))
                if shard not in self.there:
                    self.there.add(shard)
                    self.on_shard(shard)
        self.next_listing = time.monotonic() + 20 * (time.monotonic() - began)

    def read(self, count: int) -> list[dict]:
        """Those of all shards, in order.

        Raises:
            TfcrError: some have failed.
        """
        results = [json.loads(self.folder.read(f"{shard}.json")) for shard in range(count)]
        failed = [result["error"] for result in results if "error" in result]
        if failed:
            whole = counted(count, "shard")
            others = "" if len(failed) == count else "; the others are kept, and the same command goes on"
            which = f"{len(failed)} of {whole} could not be written, the first because of this: " if count > 1 else ""
            raise TfcrError(f"{which}{failed[0]}{others}")
        return results


def _write_tasks(
    plan: ShardPlan, job: Folder, fingerprints: Sequence[Fingerprint] | None
) -> list[tuple[int, int, int]]:
    """Writes what the workers read; returns one element a shard (`tfcr.preparation.beam.pipeline.compute`)."""
    if job.is_local:
        (job / RESULTS).path.mkdir(parents=True)
    with job.write(VECTORS) as file:
        rows = tasks.write_vectors(plan.vectors, file) if isinstance(plan, RecordPlan) else {}
    elements, start = [], 0
    with job.write(TASKS) as file:
        for shard in range(plan.count):
            task = tasks.encode(plan, shard, rows, None if fingerprints is None else fingerprints[shard].sha256)
            file.write(task)
            elements.append((shard, start, len(task)))
            start += len(task)
    return elements
