"""Which runs belong together: a condition is everything but fold and seed; those two name a cell of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tfcr.errors import TfcrError
from tfcr.runs import Run

Cell = tuple[int, int]  # fold, seed

SYSTEMS = ("fusion", "audio", "text", "early-fusion", "late-fusion", "mdre", "mha-1", "mha-2", "mha-3", "ds-lstm")
BASELINE_SYSTEM = "fusion"
PAPER_ALPHA = 0.1  # Sec. 4.3

PROTOCOLS = {
    "random": "10 stratified folds over utterances, 8:1:1; training and test share speakers and scripts",
    "authors": (
        "every fifth utterance by id is tested; on IEMOCAP's four classes fold 0 is the published split; "
        "training and test share speakers and scripts"
    ),
    "speaker": "each fold tests one speaker, whom training has not heard",
    "session": "each fold tests one session; training has heard its speakers only if they speak in other sessions too",
    "script": "5 folds, no script in two parts; training and test share speakers",
}
FOLDS = {"random": 10, "script": 5}  # of the protocols whose number of folds no corpus changes

_NAMES = {
    "audio": "Audio only",
    "text": "Text only",
    "early-fusion": "Feature-level fusion",
    "late-fusion": "Decision-level fusion",
}
_NEEDED = ("dataset_sha256", "preset", "protocol", "fold_seed", "system", "alpha", "fold", "seed")
_CELL_SETTINGS = {"fold", "seed", "run", "data", "threads"}  # may differ within a condition without a word


@dataclass(frozen=True)
class Condition:
    """What is held fixed over the folds and seeds of an experiment."""

    dataset_sha256: str
    preset: str
    protocol: str
    fold_seed: int
    system: str
    alpha: float

    @property
    def name(self) -> str:
        """The system in words."""
        if self.system == BASELINE_SYSTEM:
            if self.alpha == 0:
                return "Model-level fusion (baseline)"
            return f"Contrastive regularization, α = {self.alpha:g}"
        name = _NAMES.get(self.system, self.system.upper())
        return f"{name} + contrastive, α = {self.alpha:g}" if self.alpha else name

    @property
    def setting(self) -> tuple:
        """All but alpha: conditions that agree in it can be paired."""
        return self.dataset_sha256, self.preset, self.protocol, self.fold_seed, self.system

    @property
    def order(self) -> tuple:
        """Sorts conditions as a table reads: by dataset, then the paper's own system first, then by alpha."""
        rank = SYSTEMS.index(self.system) if self.system in SYSTEMS else len(SYSTEMS)
        return self.dataset_sha256, rank, self.system, self.alpha, self.protocol, self.fold_seed, self.preset


@dataclass(frozen=True)
class Group:
    """The runs of one condition, by cell."""

    condition: Condition
    runs: Mapping[Cell, Run] = field(repr=False)

    @property
    def folds(self) -> list[int]:
        """The folds, ascending."""
        return sorted({fold for fold, _ in self.runs})

    @property
    def num_folds(self) -> int | None:
        """How many folds the protocol has on this corpus, where the runs or the protocol say so."""
        recorded = (run.metrics.get("num_folds") for run in self.runs.values())
        return next((number for number in recorded if number), FOLDS.get(self.condition.protocol))

    @property
    def seeds(self) -> list[int]:
        """The seeds, ascending."""
        return sorted({seed for _, seed in self.runs})

    @property
    def emotions(self) -> list[str]:
        """The classes, in label order."""
        return next(iter(self.runs.values())).emotions

    @property
    def is_complete(self) -> bool:
        """Whether every fold has every seed."""
        return len(self.runs) == len(self.folds) * len(self.seeds)

    @property
    def differing_settings(self) -> list[str]:
        """Names of configuration fields in which runs of the condition differ, other than those that name a cell."""
        return differing(list(self.runs.values()), ignoring=_CELL_SETTINGS)


def group_by_condition(runs: Iterable[Run]) -> list[Group]:
    """Sorts runs into conditions, in the order of a table.

    Raises:
        TfcrError: there is none; two hold the same cell; or their classes differ.
    """
    runs = list(runs)
    if not runs:
        raise TfcrError("there are no runs to report; expected at least one finished run; train one with `tfcr train`")
    _check_emotions(runs)
    cells: dict[Condition, dict[Cell, Run]] = {}
    for run in runs:
        condition, cell = _place(run)
        earlier = cells.setdefault(condition, {}).setdefault(cell, run)
        if earlier is not run:
            raise TfcrError(_of_one_cell(earlier, run, condition, cell))
    ordered = sorted(cells, key=lambda condition: condition.order)
    return [Group(condition, dict(sorted(cells[condition].items()))) for condition in ordered]


def differing(runs: list[Run], ignoring: set[str]) -> list[str]:
    """Names of configuration fields, dotted where nested, in which runs differ."""
    settings = [_flat(run.config) for run in runs]
    names = sorted(set().union(*settings))
    return [
        name
        for name in names
        if name.split(".")[-1] not in ignoring and any(other.get(name) != settings[0].get(name) for other in settings)
    ]


def _place(run: Run) -> tuple[Condition, Cell]:
    missing = [name for name in _NEEDED if run.metrics.get(name) is None]
    if missing:
        raise TfcrError(
            f"metrics.json of {run.folder} lacks {', '.join(missing)}; expected a run of this version; train it anew"
        )
    metrics = run.metrics
    condition = Condition(
        dataset_sha256=metrics["dataset_sha256"],
        preset=metrics["preset"],
        protocol=metrics["protocol"],
        fold_seed=metrics["fold_seed"],
        system=metrics["system"],
        alpha=float(f"{metrics['alpha']:.12g}"),  # 0.1 + 0.2 is 0.3
    )
    return condition, (metrics["fold"], metrics["seed"])


def _of_one_cell(one: Run, other: Run, condition: Condition, cell: Cell) -> str:
    """Why two runs cannot stand in one cell of a report."""
    place = (
        f"system {condition.system}, alpha {condition.alpha:g}, protocol {condition.protocol}, fold {cell[0]}, "
        f"seed {cell[1]}"
    )
    settings = differing([one, other], ignoring=_CELL_SETTINGS)
    if settings:
        return f"{one.folder} and {other.folder} ({place}) differ in {', '.join(settings)}; give them separate reports"
    return f"{one.folder} and {other.folder} are the same experiment ({place}); report only one"


def _check_emotions(runs: list[Run]) -> None:
    for run in runs[1:]:
        if run.emotions != runs[0].emotions:
            raise TfcrError(
                f"{runs[0].folder} has the emotions {', '.join(runs[0].emotions)}, {run.folder} has "
                f"{', '.join(run.emotions)}; one report needs the same emotions in the same order"
            )


def _flat(config: Mapping, prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat
