"""The recordings that a dataset was prepared from, found again below the folder of its corpus. No TensorFlow."""

import pathlib
from collections.abc import Iterable

from tfcr import corpora, files
from tfcr.dataset_info import Dataset, IndexRow
from tfcr.errors import TfcrError


def find_recordings(dataset: Dataset, root: pathlib.Path, rows: Iterable[IndexRow]) -> dict[str, pathlib.Path]:
    """The file of every given utterance: id → path.

    Raises:
        TfcrError: `root` does not hold the corpus, or a recording is missing or not the one that was prepared.
    """
    name, options = dataset.info["corpus"], dataset.info["corpus_options"]
    if not root.is_dir():
        raise TfcrError(f"--root {root} is no folder; expected that of corpus {name}, which {dataset.folder} is of")
    by_id = {utterance.id: utterance.audio for utterance in corpora.read(name, root, **options).utterances}
    found = {}
    for row in rows:
        path = by_id.get(row.id)
        if path is None or not path.is_file():
            raise TfcrError(f"--root {root} has no recording of {row.id!r}, which dataset {dataset.folder} has")
        if not files.sha256_of_file(path).startswith(row.recording):
            raise TfcrError(
                f"{path} is not the recording of {row.id!r} that dataset {dataset.folder} was prepared from; name that "
                "corpus by --root, or leave --root out to draw noise in the spectrograms"
            )
        found[row.id] = path
    return found
