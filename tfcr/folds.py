"""The folds of a configuration on a dataset: its subset, divided by its protocol. No TensorFlow."""

from dataclasses import dataclass, replace

import numpy as np

from tfcr import protocols
from tfcr.config import Config
from tfcr.dataset_info import Dataset
from tfcr.errors import TfcrError, UsageError
from tfcr.protocols import FILE, Labelled, Split, subsets
from tfcr.split_file import SplitFile


@dataclass(frozen=True)
class Folds:
    """Utterances that a protocol divides.

    Attributes:
        positions: int64 [utterances], where they stand in the dataset.
    """

    protocol: str
    fold_seed: int
    utterances: Labelled
    positions: np.ndarray

    @property
    def number(self) -> int:
        """How many folds there are.

        Raises:
            TfcrError: too few groups or utterances for the protocol.
        """
        return protocols.num_folds(self.protocol, self.utterances)

    def split(self, fold: int) -> Split:
        """The parts of a fold, as positions in the dataset.

        Raises:
            UsageError: no such fold.
            TfcrError: too few groups or utterances for the protocol.
        """
        inside = protocols.split(self.protocol, fold, self.utterances, self.fold_seed)
        return Split(*(self.positions[part] for part in (inside.train, inside.validation, inside.test)))


def folds_of(config: Config, dataset: Dataset, split_file: SplitFile | None = None) -> Folds:
    """The folds of a configuration, whose own fold is not looked at.

    Raises:
        UsageError: the file of `--split` is not there, or is not the one that the configuration names.
        TfcrError: the dataset does not know the subset, or does not fit the file.
    """
    everything = dataset.labelled
    positions = np.arange(len(everything.ids))
    if config.subset is not None:
        positions = subsets.positions_of(config.subset, everything)
        if not len(positions):
            raise TfcrError(f"subset {config.subset!r} of dataset {dataset.folder} holds no utterance")
    chosen = everything.at(positions) if config.subset is not None else everything
    if config.protocol == FILE:
        listed = _file_of(config, split_file).listed(chosen.ids, everything.ids)
        chosen = replace(chosen, listed=listed)
    return Folds(config.protocol, config.fold_seed, chosen, positions)


def _file_of(config: Config, split_file: SplitFile | None) -> SplitFile:
    if split_file is None or split_file.sha256 != config.split_sha256:
        found = "none is given" if split_file is None else f"{split_file.source} is {split_file.sha256[:12]}…"
        raise UsageError(
            f"the configuration names the file of --split with SHA-256 {str(config.split_sha256)[:12]}…, and {found}"
        )
    return split_file
