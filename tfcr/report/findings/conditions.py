"""Which runs belong together: a condition is everything but fold and seed; those two name a cell of it."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from tfcr import protocols, published
from tfcr.config import Config
from tfcr.errors import TfcrError
from tfcr.runs import PREDICTIONS, SHOWN_DIGITS, Predictions, Run, read_predictions
from tfcr.training_noise import TrainingNoise

Cell = tuple[int, int]  # fold, seed

SYSTEMS = ("fusion", "audio", "text", "early-fusion", "late-fusion", "mdre", "mha-1", "mha-2", "mha-3", "ds-lstm")
BASELINE_SYSTEM = "fusion"
PAPER_ALPHA = 0.1  # Sec. 4.3

_NAMES = {
    "fusion": "Model-level fusion",
    "audio": "Audio only",
    "text": "Text only",
    "early-fusion": "Feature-level fusion",
    "late-fusion": "Decision-level fusion",
}
_NEEDED = ("dataset_sha256", "preset", "protocol", "fold_seed", "system", "alpha", "fold", "seed")
CELL_SETTINGS = {
    "fold",
    "seed",
    "run",
    "data",
    "threads",
    "distribution",
    "split",
}  # may differ within a condition without a word
BALANCED = ", with balanced class weights"
_ATTENDED = ", pooled by attention"
_UNDER_NOISE = ", trained under noise"
ON = " on "  # behind it stand one's own features, or a subset
_CHOSEN = "α chosen per fold on validation"


@dataclass(frozen=True)
class Condition:
    """What is held fixed over the folds and seeds of an experiment.

    Attributes:
        protocol: and behind it what else says which utterances train and are tested: `random on improvised`, and of
            protocol `file` the beginning of its file's SHA-256.
        system: and behind it, where it takes some, one's own features: `fusion on hubert and bert`.
        alpha: Eq. 7's; None where each fold has its own, chosen on its validation part
            (`tfcr.report.findings.selection`).
        start: whose encoders training started from, for the preset `authors` trains in stages.
        noise: what was added to speech and words in training, as JSON; empty for nothing.
        class_weights: of the cross-entropy: `none` or `balanced`.
        pooling: of one's own features over time: `mean` or `attention`; `mean` where none have time.
    """

    dataset_sha256: str
    preset: str
    protocol: str
    fold_seed: int
    system: str
    alpha: float | None
    start: str = "fresh"
    noise: str = ""
    class_weights: str = "none"
    pooling: str = "mean"

    @property
    def is_continued(self) -> bool:
        """Whether it is a baseline that was trained further, to compare runs with that start from the baseline too."""
        return self.alpha == 0 and self.start == "baseline"

    @property
    def published_row(self) -> published.PublishedRow | None:
        """The row of Table 1 for this system and alpha, if the paper prints one."""
        return None if self.is_continued or self.trained else published.table_1_row(self.system, self.alpha)

    @property
    def name(self) -> str:
        """The system in words."""
        return self._name + self.trained

    @property
    def trained(self) -> str:
        """How it was trained otherwise than the paper says, in words behind a name; empty where it was not."""
        attended = _ATTENDED if self.pooling == "attention" else ""
        balanced = BALANCED if self.class_weights == "balanced" else ""
        return attended + balanced + self.under_noise

    @property
    def under_noise(self) -> str:
        """Under what noise it was trained, in words behind a name; empty for none."""
        if not self.noise:
            return ""
        otherwise = self._training_noise.otherwise
        return f"{_UNDER_NOISE} ({otherwise})" if otherwise else _UNDER_NOISE

    @property
    def heard(self) -> tuple[str, ...]:
        """The kinds of degradation that it was trained under, by their names in `tfcr.noise.grades`."""
        return self._training_noise.heard if self.noise else ()

    @property
    def _training_noise(self) -> TrainingNoise:
        return TrainingNoise(**json.loads(self.noise))

    @property
    def _name(self) -> str:
        if self.is_continued:
            return f"{self.system_name} (baseline, trained on)"
        if self.alpha == 0:
            return f"{self.system_name} (baseline)" if self.system == BASELINE_SYSTEM else self.system_name
        method = "Contrastive regularization" if self.system == BASELINE_SYSTEM else f"{self.system_name} + contrastive"
        return f"{method}, {self.alpha_text}"

    @property
    def system_name(self) -> str:
        """The system without its alpha, in words."""
        system, on, own = self.system.partition(ON)
        return _NAMES.get(system, system.upper()) + on + own

    @property
    def alpha_text(self) -> str:
        """`α = 0.1`, or how it was chosen."""
        return _CHOSEN if self.alpha is None else f"α = {self.alpha:g}"

    @property
    def protocol_name(self) -> str:
        """The protocol alone."""
        return self.protocol.split()[0]

    @property
    def setting(self) -> tuple:
        """All but alpha: conditions that agree in it can be paired."""
        division = self.dataset_sha256, self.preset, self.protocol, self.fold_seed
        return *division, self.system, self.start, self.noise, self.class_weights, self.pooling

    @property
    def stage(self) -> tuple:
        """Sorts conditions of one system and alpha: what was trained otherwise than the paper says comes later."""
        return bool(self.noise), self.class_weights != "none", self.pooling != "mean", self.is_continued

    @property
    def order(self) -> tuple:
        """Sorts conditions as a table reads: by dataset, then the paper's own system first, then by alpha."""
        system, _, _ = self.system.partition(ON)
        rank = SYSTEMS.index(system) if system in SYSTEMS else len(SYSTEMS)
        alpha = math.inf if self.alpha is None else self.alpha
        trained = self.start == "baseline", self.class_weights != "none", self.pooling != "mean", self.noise
        rest = self.protocol, self.fold_seed, self.preset
        return self.dataset_sha256, rank, self.system, alpha, *trained, *rest


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
        return next((number for number in recorded if number), protocols.fixed_folds(self.condition.protocol_name))

    @property
    def speakers_were_heard(self) -> bool:
        """Whether training had other utterances of the test speakers, as the runs say, or as the protocol allows it."""
        recorded = [run.metrics.get("speakers_shared") for run in self.runs.values()]
        return protocols.shares_speakers(self.condition.protocol_name) if None in recorded else any(recorded)

    @property
    def split(self) -> str:
        """How the protocol divides the utterances, and which, in words."""
        metrics = next(iter(self.runs.values())).metrics
        meaning = protocols.meaning(self.condition.protocol_name) or "not one of this package's own"
        file = f"; the file is {metrics['split']}, SHA-256 {metrics['split_sha256']}" if metrics.get("split") else ""
        subset = f"; of the utterances {metrics['subset']} alone" if metrics.get("subset") else ""
        return meaning + file + subset

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

    @cached_property
    def differing_settings(self) -> list[str]:
        """Names of configuration fields in which runs of the condition differ, other than those that name a cell."""
        by_fold = {"alpha"} if self.condition.alpha is None else set()
        return differing(list(self.runs.values()), ignoring=CELL_SETTINGS | by_fold)

    @cached_property
    def predictions(self) -> Mapping[Cell, Predictions]:
        """By cell, without embeddings: they are large, and one figure alone needs them."""
        return {cell: read_predictions(run.folder / PREDICTIONS, embeddings=()) for cell, run in self.runs.items()}


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
    """Names of configuration fields, dotted where nested, in which runs differ.

    A field that is younger than a run counts as its default. So does the number of replicas where each has its own
    negatives: the objective depends on it. Pooling is no setting of a run that pools nothing.
    """
    if not all(run.pooled_features for run in runs):
        ignoring = ignoring | {"pooling"}
    defaults = Config().to_dict()
    settings = [flat({**defaults, **run.config}) | _replicas(run) for run in runs]
    names = sorted(set().union(*settings))
    return [
        name
        for name in names
        if name.split(".")[-1] not in ignoring and any(other.get(name) != settings[0].get(name) for other in settings)
    ]


def _replicas(run: Run) -> dict[str, int]:
    of_replica = run.config.get("negatives_scope") == "replica" and run.metrics["alpha"] > 0
    return {"replicas": run.metrics.get("replicas", 1)} if of_replica else {}


def _place(run: Run) -> tuple[Condition, Cell]:
    missing = [name for name in _NEEDED if run.metrics.get(name) is None]
    if missing:
        raise TfcrError(
            f"metrics.json of {run.folder} lacks {', '.join(missing)}; expected a run of this version; train it anew"
        )
    metrics = run.metrics
    own = [metrics[name] for name in ("audio_features", "text_features") if metrics.get(name)]
    file = (metrics.get("split_sha256") or "")[:SHOWN_DIGITS]
    protocol = " ".join(filter(None, (metrics["protocol"], file)))
    condition = Condition(
        dataset_sha256=metrics["dataset_sha256"],
        preset=metrics["preset"],
        protocol=ON.join([protocol, *([metrics["subset"]] if metrics.get("subset") else [])]),
        fold_seed=metrics["fold_seed"],
        system=ON.join([metrics["system"], *([" and ".join(own)] if own else [])]),
        alpha=float(f"{metrics['alpha']:.12g}"),  # 0.1 + 0.2 is 0.3
        start=metrics.get("start", "fresh"),
        noise=json.dumps(metrics["noise"], sort_keys=True) if metrics.get("noise") else "",
        class_weights=metrics.get("class_weights", run.config.get("class_weights", "none")),  # earlier: config alone
        pooling=run.config.get("pooling", "mean") if run.pooled_features else "mean",
    )
    return condition, (metrics["fold"], metrics["seed"])


def _of_one_cell(one: Run, other: Run, condition: Condition, cell: Cell) -> str:
    """Why two runs cannot stand in one cell of a report."""
    place = (
        f"system {condition.system}, alpha {condition.alpha:g}, protocol {condition.protocol}, fold {cell[0]}, "
        f"seed {cell[1]}"
    )
    settings = differing([one, other], ignoring=CELL_SETTINGS)
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


def flat(config: Mapping, prefix: str = "") -> dict[str, object]:
    """A configuration's fields by dotted name."""
    fields: dict[str, object] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            fields.update(flat(value, f"{prefix}{name}."))
        else:
            fields[f"{prefix}{name}"] = value
    return fields
