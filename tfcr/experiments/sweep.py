"""Systems × alphas × folds × seeds on one dataset: a list of cells, trained by several processes or machines."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tfcr import files, runs
from tfcr.config import Config, from_mapping
from tfcr.dataset_info import INFO, Dataset
from tfcr.errors import TfcrError, UsageError
from tfcr.experiments.backends.backend import LOCAL, Backend
from tfcr.experiments.cells import Cell, OnEpoch, nothing
from tfcr.experiments.progress import train_and_tell
from tfcr.folds import Folds, folds_of
from tfcr.models import systems
from tfcr.report import Report, write_report
from tfcr.split_file import SplitFile
from tfcr.verification import verify

_AXES = ("system", "alpha", "fold", "seed")
THREADS = 1  # of a training, where nothing else is said: several trainings of one thread finish sooner than one of many


@dataclass(frozen=True)
class Sweep:
    """A grid of trainings that differ in what it lists and share everything else.

    Attributes:
        dataset: the prepared dataset.
        fields: what the cells share, `field: value` of the configuration; what they leave open is each system's, and
            then the preset's. System, alpha, fold and seed are not looked at.
        systems, alphas, folds, seeds: the axes; `folds` None for all of the protocol.
        out: the folder that the runs' folders go to.
        split_file: for protocol `file`, what says its parts or folds.

    Raises:
        UsageError: an axis is empty, a value on it does not exist, or the configuration contradicts the dataset.
        TfcrError: the dataset has too few groups or utterances for the protocol, or lacks features of a system.
    """

    dataset: Dataset
    fields: Mapping[str, Any]
    out: pathlib.Path
    systems: Sequence[str] = ("fusion",)
    alphas: Sequence[float] = (0.0, 0.1)  # the baseline, and "alpha is selected as 0.1" (Sec. 4.3)
    folds: Sequence[int] | None = None
    seeds: Sequence[int] = (0,)
    split_file: SplitFile | None = None

    def __post_init__(self) -> None:
        preset = self.dataset.info["preset"]
        if self.config.preset != preset:
            raise UsageError(
                f"preset {self.config.preset!r} contradicts dataset {self.dataset.folder}, which has {preset!r}"
            )
        if self.config.dataset_sha256 not in (None, self.dataset.sha256):
            raise UsageError(f"dataset {self.dataset.folder} is not the one that the configuration names")
        for name in ("systems", "alphas", "folds", "seeds"):
            if not (self._all_folds if name == "folds" else getattr(self, name)):
                raise UsageError(f"the grid is empty: it has no {name}")
        for name in self.systems:
            systems.system(name)
        for field, values in (("alpha", self.alphas), ("fold", self._all_folds), ("seed", self.seeds)):
            for value in values:
                replace(self.config, **{field: value})  # checks its range
        self._check_own_features()
        self._check_folds()
        for name in self.systems:
            systems.check_features(self.config_of(name), self.dataset)

    @cached_property
    def config(self) -> Config:
        """What the cells share, as a configuration of the first system."""
        return self.config_of(self.systems[0]) if self.systems else from_mapping(self.fields)

    def config_of(self, system: str) -> Config:
        fields = {name: value for name, value in self.fields.items() if name not in _AXES}
        own = {name for modality, name in systems.OWN_FIELDS.items() if modality not in systems.own_features(system)}
        kept = {name: value for name, value in fields.items() if name not in own}  # others of the sweep take them
        return systems.configure({**kept, "system": system}, self.dataset.info["preset"])

    def _check_own_features(self) -> None:
        """Refuses one's own features that no system of the sweep takes."""
        for modality, name in systems.OWN_FIELDS.items():
            takes = [system for system in self.systems if modality in systems.own_features(system)]
            if self.fields.get(name) is not None and not takes:
                systems.configure({name: self.fields[name], "system": self.systems[0]})  # says which systems do

    @property
    def _all_folds(self) -> Sequence[int]:
        if self.folds is None:
            return range(self._drawn.number)
        return self.folds

    @cached_property
    def _drawn(self) -> Folds:
        return folds_of(self.config, self.dataset, self.split_file)

    def _check_folds(self) -> None:
        """Refuses folds that do not exist; one that is too small fails by itself unless all are."""
        failures = []
        for fold in self._all_folds:
            try:
                self._drawn.split(fold)
            except UsageError:
                raise
            except TfcrError as error:
                failures.append(error)
        if len(failures) == len(self._all_folds):
            raise failures[0]

    def cells(self) -> list[Cell]:
        """Every training once: all systems and alphas on a fold, then the next fold, then the next seed.

        Within a fold the slowest are trained first (`longest_first`). So what has ended is comparable at any time. A
        system without a regulariser is trained once, with alpha 0. Where training goes in stages, those that start from
        a baseline come last, so that no worker waits for one.
        """
        found = {}
        for seed in self.seeds:
            for fold in self._all_folds:
                for system in self.systems:
                    for config in self._row(replace(self.config_of(system), fold=fold, seed=seed)):
                        found[config] = cell_of(config, self.dataset, self.out, self.split_file)
        return sorted(found.values(), key=lambda cell: cell.config.start == "baseline")

    def _row(self, config: Config) -> list[Config]:
        """One system on one fold: every alpha, and the baseline trained on where a contrastive model starts from it."""
        if not systems.system(config.system).REGULARISED:
            return [systems.resolve(replace(config, alpha=0.0))]
        row = [systems.resolve(replace(config, alpha=float(alpha))) for alpha in self.alphas]
        if {config.start for config in row} == {"unimodal", "baseline"}:
            row.insert(1, systems.resolve(replace(config, alpha=0.0, start="baseline")))
        return row


def cell_of(config: Config, dataset: Dataset, out: pathlib.Path, split_file: SplitFile | None = None) -> Cell:
    """The cell of a resolved configuration, its run by its default name in `out`."""
    return Cell(config, dataset.folder, out / runs.folder_of(dataset.name, config).name, split_file)


@dataclass(frozen=True)
class Swept:
    """What came of a sweep, or of the part of it that was asked for.

    Attributes:
        failures: run folder → why it failed, in one line.
        elsewhere: run folders that another process is training.
        missing: how many trainings of the whole grid are not there yet.
        report: over the whole grid; None where some of it is missing, or none was asked for.
    """

    failures: Mapping[pathlib.Path, str]
    elsewhere: Sequence[pathlib.Path]
    missing: int
    report: Report | None


def part(cells: Sequence[Cell], number: int, count: int) -> list[Cell]:
    """The `number`-th of `count` parts, from 1: a stretch of the list, so that it holds every system and alpha.

    The parts are disjoint, cover the cells, and differ by at most one in length.
    """
    if not 1 <= number <= count:
        raise UsageError(f"shard must be from 1/{count} to {count}/{count}; received {number}/{count}")
    return list(cells[len(cells) * (number - 1) // count : len(cells) * number // count])


def states(sweep: Sweep, shard: tuple[int, int] = (1, 1)) -> list[tuple[Cell, str]]:
    """Every training of a part, in order, and whether it is `done`, `begun` or `missing`; nothing is trained.

    Raises:
        TfcrError: `out` has runs of another configuration.
    """
    every = sweep.cells()
    refuse_other(sweep, every)
    return [(cell, "done" if cell.is_done else "begun" if cell.is_begun else "missing") for cell in part(every, *shard)]


def run_sweep(
    sweep: Sweep,
    workers: int | None = None,
    shard: tuple[int, int] = (1, 1),
    report: pathlib.Path | None = None,
    say: Callable[[str], None] = nothing,
    on_end: Callable[[int, float], None] = nothing,
    prepare_process: Callable[[], None] = nothing,
    on_epoch: OnEpoch = nothing,
    backend: Backend = LOCAL,
) -> Swept:
    """Trains what is missing of a sweep, and reports once all of it is there.

    A training that fails stops no other. The same call again does what is still missing; two calls on one folder, on
    one machine or several, share the work.

    Args:
        workers: trainings at a time; by default as many as there are cores, at most four for each GPU, or room on a
            cluster. Their number changes nothing in the bits.
        shard: (i, n) for the i-th of n parts, from 1.
        report: the report's folder; None for no report.
        say: takes a sentence for the user.
        on_end: see `report_ends`.
        prepare_process, on_epoch, backend: see `train_cells`.

    Raises:
        TfcrError: the dataset is not intact, or `out` has runs of another configuration.
    """
    every = sweep.cells()
    cells = part(every, *shard)
    refuse_other(sweep, every)
    verify(sweep.dataset, {name for cell in cells for name in systems.feature_names(cell.config)})
    if sweep.config.distribution == "mirrored":
        workers = alone(workers, backend)
    ended = train_and_tell(cells, workers, say, on_end, prepare_process, on_epoch, backend)
    absent = sum(not cell.is_done for cell in every)
    failures = {each.cell.run: each.failure for each in ended if each.failure}
    reported = None
    if report is not None and not absent and not failures:
        reported = write_report([runs.open_run(cell.run) for cell in every], report)
    return Swept(failures, [each.cell.run for each in ended if each.elsewhere], absent, reported)


def alone(workers: int | None, backend: Backend) -> int:
    """The number of workers for trainings that take every GPU of the machine: 1.

    Raises:
        UsageError: more workers, or another backend, were asked for.
    """
    if backend is not LOCAL:
        raise UsageError("distribution mirrored takes every GPU of one machine; expected --backend local")
    if workers not in (None, 1):
        raise UsageError(
            f"distribution mirrored takes every GPU for one training; expected workers 1, received {workers}"
        )
    return 1


def refuse_other(sweep: Sweep, cells: Sequence[Cell]) -> None:
    """Refuses, before anything is trained, a folder that has runs of another configuration or dataset."""
    files.refuse_undecodable(sweep.out)
    if (sweep.out / INFO).is_file():
        raise UsageError(f"{sweep.out} is a dataset; name another folder for the runs by --out")
    for cell in cells:
        if (cell.run / runs.CONFIG).is_file():
            try:
                runs.refuse_other(cell.run, systems.on_dataset(cell.config, sweep.dataset))
            except TfcrError as error:
                raise TfcrError(str(error).replace("--run", "--out")) from None
