"""A dataset by URL, prepared in a local folder and published from there."""

import pathlib
from collections.abc import Sequence

from apache_beam.io.filesystems import FileSystems

from tfcr import files
from tfcr.dataset_info import INDEX, INFO
from tfcr.errors import TfcrError
from tfcr.features.vocabulary import VOCABULARY
from tfcr.preparation.beam.folder import Folder, naming
from tfcr.preparation.ownership import MARK
from tfcr.preparation.shards import ShardPlan, receipt
from tfcr.wording import counted

_METADATA = (MARK, INDEX, VOCABULARY, INFO)  # in the order in which they come: the last one makes it a dataset


class Staging:
    """A dataset by URL and the local folder in which it is prepared: all of its files but the shards."""

    def __init__(self, remote: Folder, local: pathlib.Path):
        self.remote = remote
        self.local = local
        self.same: dict[str, str] = {}

    def fetch(self) -> None:
        """Copies what is there."""
        with naming(self.remote):
            names = self.remote.names()
            for name in _METADATA:
                if name in names:
                    self.remote.get(name, self.local / name)
                    self.same[name] = files.sha256_of_file(self.local / name)
            records = [name for name in names if name.endswith(".tfrecord")]
            self._delete([name for name in names if name.startswith(".") and name.endswith(".tmp")])  # of the killed
        if records and MARK not in self.same:
            raise TfcrError(
                f"{self.remote.place} holds records of unknown origin; remove them, or choose another --out"
            )

    def publish(self) -> None:
        """Copies what has changed."""
        with naming(self.remote):
            for name in _METADATA:
                path = self.local / name
                if path.is_file() and self.same.get(name) != (digest := files.sha256_of_file(path)):
                    if name == INFO:
                        self._refuse_lost_shards(path)
                    self.remote.put(name, path)
                    self.same[name] = digest

    def _refuse_lost_shards(self, info: pathlib.Path) -> None:
        """Refuses to call a dataset finished whose shards are not all there, in their size.

        A worker that had counted may have been repeated, and killed between deletion and renaming.
        """
        content, there = files.read_json(info), self.remote.sizes()
        shards = [*content["shards"], *(shard for each in content["features"].values() for shard in each["shards"])]
        lost = [shard["name"] for shard in shards if there.get(shard["name"]) != shard["bytes"]]
        if lost:
            raise TfcrError(
                f"{lost[0]} is no longer at {self.remote.place} as it was written, "
                f"one of {counted(len(lost), 'shard')}; the same command writes what is missing"
            )

    def remove_other_shards(self, plan: ShardPlan) -> None:
        """As `tfcr.preparation.ownership.remove_other_shards`."""
        names = {plan.file_name(shard) for shard in range(plan.count)}
        with naming(self.remote):
            there = self.remote.names()
            others = [
                name
                for name in there
                if name.startswith(f"{plan.name}-") and name.endswith(".tfrecord") and name not in names
            ]
            receipts = [receipt(pathlib.Path(name)).name for name in others]
            self._delete(others + [name for name in receipts if name in there])

    def _delete(self, names: Sequence[str]) -> None:
        if names:
            FileSystems.delete([(self.remote / name).place for name in names])
