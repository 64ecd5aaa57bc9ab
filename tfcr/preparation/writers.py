"""Who computes the shards of a dataset: threads of this process, or an engine."""

import pathlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tfcr.preparation.shards import Fingerprint, ShardPlan, Written, write_shards


class Writer(Protocol):
    """Who computes shards: threads of this process (`Threads`), or an engine."""

    def fingerprints(self, plan: ShardPlan) -> list[Fingerprint]:
        """What every shard is made from."""

    def write(
        self,
        plan: ShardPlan,
        out: pathlib.Path,
        advance: Callable[[float], None] = ...,
        fingerprints: Sequence[Fingerprint] | None = None,
    ) -> list[Written]:
        """As `write_shards`."""


@dataclass(frozen=True)
class Threads:
    """Writes shards by threads of this process."""

    workers: int

    def fingerprints(self, plan: ShardPlan) -> list[Fingerprint]:
        return plan.fingerprints(self.workers)

    def write(self, plan, out, advance=lambda seconds: None, fingerprints=None) -> list[Written]:
        return write_shards(plan, out, self.workers, advance, fingerprints)
