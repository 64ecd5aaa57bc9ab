"""What is to be trained: a configuration on a dataset, with every default resolved and its fold drawn."""

import os
import pathlib
from collections import defaultdict
from dataclasses import dataclass

import keras
import numpy as np

from tfcr import protocols, runs
from tfcr.config import Config, from_mapping
from tfcr.data.pipeline import Pipeline
from tfcr.dataset_info import Dataset, open_dataset
from tfcr.errors import TfcrError, UsageError
from tfcr.folds import folds_of
from tfcr.models.sizes import Sizes
from tfcr.models.systems import check_features, feature_names, on_dataset, resolve, sizes_of
from tfcr.split_file import SplitFile
from tfcr.verification import verify
from tfcr.wording import counted


@dataclass(frozen=True)
class Experiment:
    """A configuration on a dataset, with everything resolved that a default left open.

    Attributes:
        num_folds: of the protocol on this dataset.
        split_file: what stands for the protocol, if a file does.
    """

    config: Config
    dataset: Dataset
    split: protocols.Split
    num_folds: int
    split_file: SplitFile | None = None

    @property
    def folder(self) -> pathlib.Path:
        """Where its run goes by default."""
        return runs.folder_of(self.dataset.name, self.config)

    @property
    def network_sizes(self) -> Sizes:
        """What the network has to know of the dataset."""
        return sizes_of(self.config, self.dataset)

    @property
    def sizes(self) -> dict[str, int]:
        """Utterances of each part."""
        return {part: len(getattr(self.split, part)) for part in ("train", "validation", "test")}

    @property
    def speakers_shared(self) -> bool:
        """Whether a speaker who is tested trains too."""
        trained, tested = (
            {self.dataset.index[position].speaker for position in part} for part in (self.split.train, self.split.test)
        )
        return not trained.isdisjoint(tested)

    def rows(self) -> list[tuple[str, str, str]]:
        """(id, recording, part) of every utterance that is in a part, sorted by id."""
        parts = {position: part for part in self.sizes for position in getattr(self.split, part).tolist()}
        rows = enumerate(self.dataset.index)
        return [(row.id, row.recording, parts[position]) for position, row in rows if position in parts]

    @property
    def shared_recordings(self) -> list[list[tuple[str, str]]]:
        """Of every recording that is in two parts its (id, part), so that what trained is tested."""
        by_recording = defaultdict(list)
        for id, recording, part in self.rows():
            by_recording[recording].append((id, part))
        return [same for same in by_recording.values() if len({part for _, part in same}) > 1]

    def shared_note(self) -> str | None:
        """A warning of `shared_recordings`; None where there are none."""
        shared = self.shared_recordings
        if not shared:
            return None
        (first, its_part), *others = shared[0]
        second, other_part = next((id, part) for id, part in others if part != its_part)
        are = counted(len(shared), "recording stands", "recordings stand")
        return (
            f"{are} in two parts of this fold under different ids, the first as {first!r} ({its_part}) and {second!r} "
            f"({other_part}); remove one of each, or what was learned is tested again"
        )

    @property
    def untaught(self) -> list[str]:
        """Emotions that no training utterance has."""
        taught = set(self.labels(self.split.train).tolist())
        return [emotion for label, emotion in enumerate(self.dataset.emotions) if label not in taught]

    def untaught_note(self) -> str | None:
        """A sentence on emotions that no training utterance has; None without any."""
        untaught = self.untaught
        if not untaught:
            return None
        tested = np.isin(self.labels(self.split.test), [self.dataset.emotions.index(emotion) for emotion in untaught])
        return (
            f"no training utterance of this fold has the emotion {' or '.join(map(repr, untaught))}, so it is not "
            f"learned; {counted(int(tested.sum()), 'test utterance has', 'test utterances have')} it"
        )

    def labels(self, positions: np.ndarray) -> np.ndarray:
        return np.array([self.dataset.index[position].label for position in positions])


def plan(config: Config, data: str | os.PathLike, split_file: SplitFile | None = None) -> Experiment:
    """Resolves a configuration against a dataset, whose shards are checked.

    Args:
        split_file: for protocol `file`, what says its parts or folds.

    Raises:
        UsageError: the configuration contradicts the dataset or the file, or names a fold or an alpha that does not
            exist.
        TfcrError: no dataset, or one that is not intact.
    """
    config = resolve(config)
    dataset = open_dataset(data)
    if config.preset != dataset.info["preset"]:
        raise UsageError(
            f"preset {config.preset!r} contradicts dataset {dataset.folder}, which has {dataset.info['preset']!r}"
        )
    if config.dataset_sha256 not in (None, dataset.sha256):
        raise UsageError(
            f"dataset {dataset.folder} is {dataset.sha256[:12]}…; the configuration names {config.dataset_sha256[:12]}…"
        )
    resolved = on_dataset(config, dataset)
    if config.features_sha256 not in (None, resolved.features_sha256):
        names = ", ".join(feature_names(config))
        raise UsageError(
            f"dataset {dataset.folder} has other features {names} than the configuration names, prepared anew since; "
            "prepare the earlier ones again, or train again into another --run"
        )
    verify(dataset, feature_names(config))
    folds = folds_of(config, dataset, split_file)
    kept = split_file if config.protocol == protocols.FILE else None
    return Experiment(resolved, dataset, folds.split(config.fold), folds.number, kept)


def pipeline_of(config: Config, dataset: Dataset, network: keras.Model) -> Pipeline:
    """The pipelines that feed a network of a configuration."""
    return Pipeline(
        dataset,
        network.input,
        config.threads,
        features=check_features(config, dataset),
        longest={"mfcc": config.max_frames, "token_ids": config.max_token_ids},
    )


def read_run_config(run: pathlib.Path) -> Config:
    """The configuration in a run's folder.

    Raises:
        TfcrError: it is missing, or no longer valid.
    """
    content = {name: value for name, value in runs.read_config(run).items() if name not in runs.WHERE}
    try:
        return from_mapping(content)
    except UsageError as error:
        raise TfcrError(f"{run / runs.CONFIG}: {error}") from None
