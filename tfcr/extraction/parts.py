"""Features as they are computed, kept in a hidden folder beside the file that they are for, until all are there."""

import contextlib
import json
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence

import h5py
import numpy as np

from tfcr import files
from tfcr.errors import TfcrError
from tfcr.features.own import EXTRACTOR

_PLAN = "plan.json"
_SOURCE = "source"  # the attribute of an utterance's features that has the digest of what they are of
_BLOCK = 1 << 22  # numbers copied at a time


class Part:
    """Some batches' features, being written."""

    def __init__(self, file: h5py.File):
        self.file = file
        self.batches: list[int] = []
        self.failed: dict[str, str] = {}

    def add(self, id: str, features: np.ndarray) -> None:
        """Features of an utterance, float32."""
        self.file.create_dataset(id, data=features.astype("<f4", copy=False))

    def append(self, id: str, features: np.ndarray) -> None:
        """Further features of an utterance, float32 [time, dim] or [layers, time, dim], behind those that are there."""
        if id not in self.file:
            grows = (*features.shape[:-2], None, features.shape[-1])
            self.file.create_dataset(id, data=features, maxshape=grows, chunks=True)
            return
        dataset = self.file[id]
        before = dataset.shape[-2]
        dataset.resize(before + features.shape[-2], axis=dataset.ndim - 2)
        dataset[..., before:, :] = features

    def discard(self, id: str) -> None:
        if id in self.file:
            del self.file[id]


class Parts:
    """The folder of the parts of one extraction.

    Args:
        out: the file that the features are for.
        plan: what is computed and how, as JSON can hold it; parts of another plan are removed.
    """

    def __init__(self, out: pathlib.Path, plan: Mapping):
        self.out = out
        self.folder = out.with_name(f".{out.name}.parts")
        self.plan = plan

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Within the block no other process extracts into the file."""
        with files.locked(self.folder, f"extracting into {self.out}, by way of"):
            files.remove_temporaries(self.folder)
            if not self._is_of_plan():
                for path in self._paths():
                    path.unlink()
                files.write_json(self.folder / _PLAN, self.plan)
            yield

    def done(self) -> set[int]:
        """The numbers of the batches that are there."""
        return {number for path in self._paths() for number in self._of(path)[0]}

    def failed(self) -> dict[str, str]:
        """Id → why there are no features of it."""
        return {id: why for path in self._paths() for id, why in self._of(path)[1].items()}

    @contextlib.contextmanager
    def writing(self, first: int) -> Iterator[Part]:
        """A part that begins with the batch of that number, and is there once the block has ended well."""
        with files.written_whole(self.folder / f"{first:08d}.h5") as temporary, h5py.File(temporary, "w") as file:
            part = Part(file)
            yield part
            file.attrs["batches"] = part.batches
            file.attrs["failed"] = json.dumps(part.failed)

    def join(
        self,
        description: Mapping,
        batches: Sequence[Sequence[str]],
        digests: Mapping[str, str],
        before: pathlib.Path | None,
    ) -> None:
        """Writes the file, whole or not at all, and removes the parts.

        Args:
            description: of the extractor.
            batches: the ids of every batch, in the order that the file gets.
            digests: id → of what its features are of.
            before: a file whose features are taken over first.
        """
        with files.written_whole(self.out) as temporary, h5py.File(temporary, "w") as file:
            file.attrs[EXTRACTOR] = json.dumps(description)
            if before is not None:
                with h5py.File(before, "r") as earlier:
                    earlier.visititems(lambda id, found: _copy(found, file, id))
            for path in self._paths():
                numbers = self._of(path)[0]
                with h5py.File(path, "r") as part:
                    for id in (id for number in numbers for id in batches[number]):
                        if id in part:
                            _copy(part[id], file, id, digests[id])
        self.remove()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _paths(self) -> list[pathlib.Path]:
        return sorted(self.folder.glob("[0-9]*.h5"))

    def _of(self, path: pathlib.Path) -> tuple[list[int], dict[str, str]]:
        try:
            with h5py.File(path, "r") as file:
                return list(map(int, file.attrs["batches"])), json.loads(file.attrs["failed"])
        except (OSError, KeyError, ValueError) as error:
            raise TfcrError(f"{path} is broken ({error}); remove {self.folder}, and try again") from None

    def _is_of_plan(self) -> bool:
        try:
            return files.read_json(self.folder / _PLAN) == self.plan
        except TfcrError:
            return False


def described(path: pathlib.Path) -> tuple[dict | None, dict[str, str]]:
    """What made the features of a file, None where it does not say, and of each id the digest of its source.

    Raises:
        TfcrError: it is no HDF5 file.
    """
    if path.is_dir():
        raise TfcrError(f"--out {path} is a folder; name a file, such as {path / 'features.h5'}")
    digests: dict[str, str] = {}

    def note(id: str, found) -> None:
        if isinstance(found, h5py.Dataset):
            digests[id] = str(found.attrs.get(_SOURCE, ""))

    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get(EXTRACTOR)
            file.visititems(note)
        found = None if text is None else json.loads(text)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise TfcrError(f"--out {path} is there, and is no file of features ({error}); name another one") from None
    return found if isinstance(found, dict) else None, digests


def _copy(found, file: h5py.File, id: str, digest: str = "") -> None:
    """Copies a dataset, of which few numbers are held at a time; its time is the last axis but one."""
    if not isinstance(found, h5py.Dataset):
        return
    copied = file.create_dataset(id, found.shape, "<f4")
    if digest := digest or found.attrs.get(_SOURCE, ""):
        copied.attrs[_SOURCE] = digest
    if len(found.shape) < 2:
        copied[...] = found[...]
        return
    step = max(1, _BLOCK // max(1, found.size // found.shape[-2]))
    for begin in range(0, found.shape[-2], step):
        copied[..., begin : begin + step, :] = found[..., begin : begin + step, :]
