"""The order in which the records of a dataset stand in its shards. No TensorFlow.

Ids often sort by speaker, emotion or dialogue, and what is read in their order comes to a training in runs of one
class, which a shuffle of some thousand segments does not break up. So records stand in an order drawn from the ids,
by a hash: whatever the names, any stretch of records is a random sample of the utterances.
"""

import hashlib
from collections.abc import Sequence

RECORD_ORDER = "SHA-256 of the id"  # as `dataset_info.json` names it


def record_order(ids: Sequence[str]) -> list[int]:
    """The positions of utterances, which count by their sorted ids, in the order of the records.

    Args:
        ids: sorted.
    """
    return sorted(range(len(ids)), key=lambda position: hashlib.sha256(_bytes(ids[position])).digest())


def _bytes(id: str) -> bytes:
    return id.encode("utf-8", "surrogateescape")


def shard_bounds(records: int, shards: int) -> list[int]:
    """Where each shard begins among the records, and after the last their number: runs equal but for one record."""
    return [shard * records // shards for shard in range(shards + 1)]
