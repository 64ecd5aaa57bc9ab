"""Features as they are computed, kept in a hidden folder beside the file that they are for, until all are there."""

import contextlib
import itertools
import json
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping

import h5py
import numpy as np

from tfcr import files
from tfcr.errors import TfcrError
from tfcr.features.own import EXTRACTOR

_PLAN = "plan.json"
_FEATURES, _DONE = "features", "done"  # in a part
_SOURCE = "source"  # the attribute of an utterance's features that has the digest of what they are of
_BLOCK = 1 << 22  # numbers copied at a time
_SETTINGS = "configuration, tokenizer or feature extractor"
_OTHER = {  # which have no values that one could read
    "sha256": "made by other weights of the model",
    "settings_sha256": f"made by another {_SETTINGS} of the model",
    "sources": "of other recordings or words",
}


class Part:
    """Some utterances' features, being written."""

    def __init__(self, group: h5py.Group):
        self.group = group
        self.ids: list[str] = []  # of those that have features

    def add(self, id: str, features: np.ndarray) -> None:
        """Features of an utterance, float32."""
        self.ids.append(id)
        self.group.create_dataset(id, data=features.astype("<f4", copy=False))

    def append(self, id: str, features: np.ndarray) -> None:
        """Further features of an utterance, float32 [time, dim] or [layers, time, dim], behind those that are there."""
        if id not in self.group:
            self.ids.append(id)
            grows = (*features.shape[:-2], None, features.shape[-1])
            self.group.create_dataset(id, data=features, maxshape=grows, chunks=True)
            return
        dataset = self.group[id]
        before = dataset.shape[-2]
        dataset.resize(before + features.shape[-2], axis=dataset.ndim - 2)
        dataset[..., before:, :] = features

    def discard(self, id: str) -> None:
        if id in self.group:
            self.ids.remove(id)
            del self.group[id]


class Parts:
    """The folder of the parts of one extraction.

    Args:
        out: the file that the features are for.
        plan: what is computed and how, as JSON can hold it; parts of another plan are removed.
        batch_size: utterances that are computed at once, which decides no more than the last digits.
    """

    def __init__(self, out: pathlib.Path, plan: Mapping, batch_size: int):
        self.out = out
        self.folder = out.with_name(f".{out.name}.parts")
        self.plan = plan
        self.batch_size = batch_size

    @contextlib.contextmanager
    def claimed(self, say: Callable[[str], None]) -> Iterator[None]:
        """Within the block no other process extracts into the file.

        Args:
            say: is told in a sentence that parts are removed, or that they were computed in other batches.
        """
        with files.locked(self.folder, f"extracting into {self.out}, by way of"):
            files.remove_temporaries(self.folder)
            files.remove_temporaries_of(self.out)
            how = otherness(self._begun(), self.plan)
            if how:
                if self._paths():
                    say(
                        f"what was extracted for {self.out} before it was cut off has features {how}, and is computed "
                        "anew"
                    )
                for path in self._paths():
                    path.unlink()
                files.write_json(self.folder / _PLAN, self.plan)
            sizes = {batch_size for batch_size, ids in map(self._of, self._paths()) if ids}
            if sizes - {self.batch_size}:
                batches = " and ".join(f"--batch {size}" for size in sorted(sizes))
                say(
                    f"what is there already was computed by {batches}, which may change the last digits of features, "
                    "nothing else"
                )
            yield

    def done(self) -> set[str]:
        """The ids of what has features; what failed is not kept, so that it is tried again."""
        return {id for path in self._paths() for id in self._of(path)[1]}

    @contextlib.contextmanager
    def writing(self) -> Iterator[Part]:
        """The next part, which is there once the block has ended well."""
        number = max((int(path.stem) for path in self._paths()), default=-1) + 1
        path = self.folder / f"{number:08d}.h5"
        with files.written_whole(path) as temporary, h5py.File(temporary, "w") as file:
            part = Part(file.create_group(_FEATURES))
            yield part
            file[_DONE] = json.dumps([self.batch_size, part.ids])  # no attribute, which holds 64 kB at most

    def join(self, description: Mapping, digests: Mapping[str, str], before: pathlib.Path | None) -> None:
        """Writes the file, whole or not at all, and removes the parts.

        Args:
            description: of the extractor.
            digests: id → of what its features are of, in the order that the file gets; ids without features too.
            before: a file whose features are taken over first.
        """
        part_of = {id: path for path in self._paths() for id in self._of(path)[1]}
        with files.written_whole(self.out) as temporary, h5py.File(temporary, "w") as file:
            file.attrs[EXTRACTOR] = json.dumps(description)
            if before is not None:
                with h5py.File(before, "r") as earlier:
                    earlier.visititems(lambda id, found: _copy(found, file, id))
            there = filter(part_of.__contains__, digests)
            for path, ids in itertools.groupby(there, key=part_of.__getitem__):  # one is open at a time
                with h5py.File(path, "r") as part:
                    for id in ids:
                        _copy(part[_FEATURES][id], file, id, digests[id])
        self.remove()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _paths(self) -> list[pathlib.Path]:
        return sorted(self.folder.glob("[0-9]*.h5"))

    def _of(self, path: pathlib.Path) -> tuple[int, list[str]]:
        """How many utterances of a part were computed at once, and the ids of those that have features."""
        try:
            with h5py.File(path, "r") as file:
                batch_size, ids = json.loads(file[_DONE][()])
                return batch_size, ids
        except (OSError, KeyError, ValueError) as error:
            raise TfcrError(f"{path} is broken ({error}); remove {self.folder}, and try again") from None

    def _begun(self) -> Mapping:
        """The plan of the parts that are there; empty where a file says none."""
        try:
            plan = files.read_json(self.folder / _PLAN)
        except TfcrError:
            return {}
        return plan if isinstance(plan, Mapping) else {}


def otherness(before: Mapping, now: Mapping) -> str | None:
    """What is other about features than it would be now, as in `made with layer 6, not 'last'`; None if nothing is.

    Args:
        before: their plan, or the description of what made them.
    """
    for name in {**now, **before}:
        old, new = before.get(name), now.get(name)
        if name not in before:
            return f"that do not say their {_SETTINGS if name == 'settings_sha256' else name}"
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            if how := otherness(old, new):
                return how
        elif old != new:
            return _OTHER.get(name, f"made with {name} {old!r}, not {new!r}")
    return None


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
