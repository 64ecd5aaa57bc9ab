"""A shard that is there, as its receipt and a worker's result tell of it. No TensorFlow."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from tfcr.dataset_info import Shard


@dataclass(frozen=True)
class Made:
    """A shard that is there, and what was heard when it was made.

    Attributes:
        shard: its file.
        heard: of the records of a dataset, in their order: a digest of the samples, and their flaw (`tfcr.corpora.
            audio`) or an empty string. Of other shards nothing.
    """

    shard: Shard
    heard: Sequence[tuple[str, str]] = ()

    def to_dict(self) -> dict:
        return {"shard": dataclasses.asdict(self.shard), "heard": [list(each) for each in self.heard]}

    @classmethod
    def from_dict(cls, content: dict) -> "Made":
        """Raises TypeError, KeyError or ValueError where it is none."""
        return cls(Shard(**content["shard"]), [(str(digest), str(flaw)) for digest, flaw in content["heard"]])
