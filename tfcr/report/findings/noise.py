"""What noise does: accuracy and conflicts against degradation, and whether training otherwise helps.

Everything is an utterance's own share before it is averaged: right or wrong, in conflict or not, at every grade. The
area under a curve is the mean over its levels by the trapezoid rule, so the area of an utterance is a share too. Seeds
are averaged within each fold, folds are joined, and intervals draw whole speakers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tfcr import statistics
from tfcr.noise.grades import CLEAN, KINDS, Grade, Kind
from tfcr.noise.results import NoiseResults, read_noise
from tfcr.objectives.metrics import conflicts
from tfcr.report.findings.comparisons import MAY_DIFFER
from tfcr.report.findings.conditions import CELL_SETTINGS, Cell, Condition, Group, differing
from tfcr.runs import Predictions, Run
from tfcr.statistics import MIN_CLUSTERS, GradedComparison, Interval, bootstrap_interval, compare_graded

WA, UA, CONFLICTS, CENTRED = "WA", "UA", "conflicts", "conflicts, centred"
MEASURES = (WA, UA, CONFLICTS, CENTRED)
ALL_KINDS = "all kinds"  # that have grades
UNHEARD = "unheard kinds"  # of these the ones that no training heard
REPETITIONS = 2_000  # of a bootstrap; there are hundreds of them
_TRAPEZOID_END = 0.5


@dataclass(frozen=True)
class Share:
    """A share over test utterances, and its 95 % bootstrap interval over speakers; None with too few."""

    value: float
    interval: Interval | None


@dataclass(frozen=True, eq=False)
class UnderNoise:
    """One condition under noise.

    Attributes:
        cells: the folds and seeds that every condition of the findings has.
        results: by cell, with every grade that all have.
        centre: by cell, the training means by which conflicts are centred; None where a run has none.
        speakers_were_heard: whether training heard the test speakers.
    """

    condition: Condition
    results: Mapping[Cell, NoiseResults] = field(repr=False)
    centre: Mapping[Cell, Mapping[str, np.ndarray] | None] = field(repr=False)
    speakers_were_heard: bool

    @property
    def cells(self) -> list[Cell]:
        return sorted(self.results)

    @property
    def folds(self) -> list[int]:
        return sorted({fold for fold, _ in self.results})

    @cached_property
    def tested(self) -> Predictions:
        """The utterances of all folds, without noise, as the first seed of each fold has them."""
        firsts = [next(cell for cell in self.cells if cell[0] == fold) for fold in self.folds]
        return statistics.joined([self.results[cell].by_grade[CLEAN] for cell in firsts])

    @property
    def speakers(self) -> dict[int, np.ndarray]:
        """Fold → the speaker of every utterance."""
        return {fold: self.results[fold, seed].by_grade[CLEAN].speaker for fold, seed in self.cells}

    @cached_property
    def num_speakers(self) -> int:
        return len(np.unique(self.tested.speaker))

    @property
    def has_intervals(self) -> bool:
        """Whether there are speakers enough."""
        return self.num_speakers >= MIN_CLUSTERS

    @cached_property
    def measures(self) -> list[str]:
        """Those that the system defines."""
        said = [results.by_grade[CLEAN] for results in self.results.values()]
        has_both = all(each.audio_logits is not None and each.text_logits is not None for each in said)
        centred = has_both and all(self.centre.values())
        return [WA, UA, *([CONFLICTS] if has_both else []), *([CENTRED] if centred else [])]

    def at(self, measure: str, grade: str) -> Share:
        """A measure at one grade."""
        return self._share(measure, {grade: 1.0})

    def area(self, measure: str, kinds: Sequence[Kind]) -> Share:
        """The mean of a measure over the levels of some kinds, which weigh the same."""
        return self._share(measure, weights_of(kinds))

    def shares(self, kinds: Sequence[Kind], measure: str = WA) -> dict[Cell, np.ndarray]:
        """By cell, each utterance's share of the levels of some kinds at which it is right, or in conflict.

        Args:
            measure: any but UA, which no single utterance has.

        Returns:
            float [utterances] by cell, from 0 to 1.
        """
        return {cell: self._values(cell, measure, weights_of(kinds)) for cell in self.cells}

    def lost(self, kinds: Sequence[Kind]) -> dict[Cell, np.ndarray]:
        """By cell, what each utterance loses to noise: right without it, minus its share under some kinds."""
        clean, noisy = self.shares([]), self.shares(kinds)
        return {cell: clean[cell] - noisy[cell] for cell in self.cells}

    def _share(self, measure: str, weights: Mapping[str, float]) -> Share:
        key = (measure, *weights.items())
        if key not in self._known:
            self._known[key] = self._measured(measure, weights)
        return self._known[key]

    @cached_property
    def _known(self) -> dict[tuple, Share]:
        """What has been measured: page, tables and figures ask for the same."""
        return {}

    def _measured(self, measure: str, weights: Mapping[str, float]) -> Share:
        by_fold = [
            np.mean([self._values(cell, measure, weights) for cell in self.cells if cell[0] == fold], axis=0)
            for fold in self.folds
        ]
        values, labels = np.concatenate(by_fold), self.tested.label if measure == UA else None
        strata = [values[labels == label].mean() for label in np.unique(labels)] if measure == UA else [values.mean()]
        interval = bootstrap_interval(values, self.tested.speaker, labels, repetitions=REPETITIONS)
        return Share(float(np.mean(strata)), interval)

    def _values(self, cell: Cell, measure: str, weights: Mapping[str, float]) -> np.ndarray:
        """Of every utterance of a cell, float [utterances]."""
        return np.sum([weight * self._flags(cell, measure, grade) for grade, weight in weights.items()], axis=0)

    def _flags(self, cell: Cell, measure: str, grade: str) -> np.ndarray:
        said = self.results[cell].by_grade[grade]
        if measure in (WA, UA):
            return said.logits.argmax(axis=1) == said.label
        assert said.audio_logits is not None and said.text_logits is not None
        return conflicts(said.audio_logits, said.text_logits, self.centre[cell] if measure == CENTRED else None)


@dataclass(frozen=True)
class Row:
    """A row of a table of areas.

    Attributes:
        key: how tables for programs call it: a kind's name, `clean`, `all kinds` or `unheard kinds`.
        name: how the page calls it.
        kinds: what it is the mean over; none for the test without noise.
    """

    key: str
    name: str
    kinds: Sequence[Kind]

    @property
    def has_conflicts(self) -> bool:
        """Whether speech and words are both there, so that they can be in conflict."""
        return not any(kind.is_absence for kind in self.kinds)


@dataclass(frozen=True)
class NoiseFindings:
    """Conditions of one system under the same noise, on the same folds and seeds.

    Attributes:
        systems: the baseline first where there is one.
        kinds: the kinds of which all have every grade.
        place: where noise was added to speech, `recordings` or `spectrograms`.
        left_out: runs that were tested under noise and are not in here: on folds, with seeds or under noise that not
            all conditions have, or cut off before they had been tested under any.
        not_by_all: the kinds under which some of the runs were tested, and not all.
        confounds: configuration fields in which runs differ, other than alpha and the noise of training.
    """

    label: str
    systems: Sequence[UnderNoise]
    kinds: Sequence[Kind]
    place: str
    seed: int
    left_out: int = 0
    not_by_all: Sequence[Kind] = ()
    confounds: Sequence[str] = ()

    @property
    def graded(self) -> list[Kind]:
        return [kind for kind in self.kinds if kind.is_graded]

    @property
    def heard_in_training(self) -> list[Kind]:
        """The graded kinds that some of the conditions were trained under."""
        heard = {kind for system in self.systems for kind in system.condition.heard}
        return [kind for kind in self.graded if kind.name in heard]

    @property
    def unheard(self) -> list[Kind]:
        """The graded kinds that no training heard, where some training heard others."""
        heard = self.heard_in_training
        return [kind for kind in self.graded if kind not in heard] if heard else []

    @property
    def rows(self) -> list[Row]:
        """What a table of areas has rows for."""
        return rows_of(self.kinds, self.unheard)

    @property
    def measures(self) -> list[str]:
        """Those that all systems define."""
        return [measure for measure in MEASURES if all(measure in each.measures for each in self.systems)]

    @property
    def pairs(self) -> list[tuple[UnderNoise, UnderNoise]]:
        """What is compared: every other condition with the first, and the method with the baseline trained like it."""
        first, *others = self.systems
        baselines = {system.condition.noise: system for system in others if system.condition.alpha == 0}
        methods = [system for system in others if system.condition.alpha != 0]
        own = [(baselines.get(system.condition.noise), system) for system in methods]
        return [*((first, other) for other in others), *((before, after) for before, after in own if before)]

    @property
    def first_is_baseline(self) -> bool:
        """Whether the others are compared with a baseline that was trained without noise."""
        return self.systems[0].condition.alpha == 0 and not self.systems[0].condition.noise

    @cached_property
    def corrected(self) -> list[GradedComparison]:
        """Of each pair the second minus the first by the area of WA over all kinds with grades, by which is decided:
        p is corrected for their number (Holm 1979)."""
        return statistics.corrected([change(before, after, self.graded) for before, after in self.pairs])

    def change(self, system: UnderNoise, row: Row, measure: str = WA) -> GradedComparison:
        """A system minus the first by a measure that every utterance has its own of: all but UA."""
        key = self.systems.index(system), row.key, measure
        if key not in self._known:
            self._known[key] = change(self.systems[0], system, row.kinds, measure)
        return self._known[key]

    @cached_property
    def _known(self) -> dict[tuple, GradedComparison]:
        """What has been compared: page and tables ask for the same."""
        return {}


def rows_of(kinds: Sequence[Kind], unheard: Sequence[Kind]) -> list[Row]:
    """The rows of a table of areas of some kinds.

    Args:
        unheard: those with grades that no training heard, where some training heard others.
    """
    graded = [kind for kind in kinds if kind.is_graded]
    together = [Row(ALL_KINDS, f"all {len(graded)} with grades", graded)] if len(graded) > 1 else []
    if unheard:
        together.append(Row(UNHEARD, f"of these the {len(unheard)} that no training heard", unheard))
    return [Row(CLEAN, "none (clean)", []), *together, *(Row(kind.name, kind.meaning, [kind]) for kind in kinds)]


def change(before: UnderNoise, after: UnderNoise, kinds: Sequence[Kind], measure: str = WA) -> GradedComparison:
    """One condition minus another over the grades of some kinds, utterance by utterance; over none without noise."""
    return compare_graded(before.shares(kinds, measure), after.shares(kinds, measure), before.speakers)


def change_of_loss(before: UnderNoise, after: UnderNoise, kinds: Sequence[Kind]) -> GradedComparison:
    """How much more of its WA without noise one condition loses to some kinds than another."""
    return compare_graded(before.lost(kinds), after.lost(kinds), before.speakers)


def weights_of(kinds: Sequence[Kind]) -> dict[str, float]:
    """Grade's name → its weight, so that the weighted mean over grades is the mean of the kinds' areas; together 1.

    Of no kinds it is the test without noise.
    """
    weights: dict[str, float] = {} if kinds else {CLEAN: 1.0}
    for kind in kinds:
        for grade, weight in _weights(kind).items():
            weights[grade] = weights.get(grade, 0.0) + weight / len(kinds)
    return weights


def _weights(kind: Kind) -> dict[str, float]:
    """By the trapezoid rule over the levels; the clean one takes part where it has a place among them."""
    if not kind.is_graded:
        return {Grade(kind, kind.levels[0]).name: 1.0}
    places = {Grade(kind, level).name: level for level in kind.levels}
    if kind.clean_level is not None:
        places = {CLEAN: kind.clean_level, **places}
    steps = np.abs(np.diff(list(places.values())))
    weights = _TRAPEZOID_END * (np.append(steps, 0) + np.insert(steps, 0, 0)) / steps.sum()
    return dict(zip(places, weights.tolist(), strict=True))


def under_noise(label: str, groups: Sequence[Group]) -> NoiseFindings | None:
    """What the runs of some conditions of one system say under noise; None where none was tested so.

    Args:
        groups: the baseline, the proposed method and the like, each trained on clean speech or under noise.

    Raises:
        TfcrError: a file of results is broken.
    """
    found = {group.condition: {c: r for c, run in group.runs.items() if (r := _of_run(run))} for group in groups}
    every = sum(map(len, found.values()))
    found = {
        condition: {cell: results for cell, results in by_cell.items() if _kinds_of_all([results])}
        for condition, by_cell in found.items()
    }
    cut_off = every - sum(map(len, found.values()))
    found = {condition: by_cell for condition, by_cell in found.items() if by_cell}
    if not found:
        return None
    place, seed = _commonest(found)
    comparable = {
        condition: {c: r for c, r in by_cell.items() if (r.identity.place, r.identity.seed) == (place, seed)}
        for condition, by_cell in found.items()
    }
    comparable = {condition: by_cell for condition, by_cell in comparable.items() if by_cell}
    cells = set.intersection(*(set(by_cell) for by_cell in comparable.values()))
    if not cells:  # a condition on other folds leaves the first alone
        comparable = dict([next(iter(comparable.items()))])
        cells = set(next(iter(comparable.values())))
    kinds = _kinds_of_all([by_cell[cell] for by_cell in comparable.values() for cell in cells])
    if not kinds:
        return None
    by_condition = {group.condition: group for group in groups}
    systems = [
        UnderNoise(
            condition,
            {cell: by_cell[cell] for cell in sorted(cells)},
            {cell: _centre(by_condition[condition].runs[cell]) for cell in cells},
            by_condition[condition].speakers_were_heard,
        )
        for condition, by_cell in comparable.items()
    ]
    left_out = sum(map(len, found.values())) - sum(len(each.results) for each in systems)
    some = {kind.name for each in systems for results in each.results.values() for kind in _kinds_of_all([results])}
    not_by_all = [kind for kind in KINDS.values() if kind.name in some and kind not in kinds]
    runs = [by_condition[each.condition].runs[cell] for each in systems for cell in each.cells]
    differ = [
        name for name in differing(runs, ignoring=MAY_DIFFER | CELL_SETTINGS) if name.partition(".")[0] != "noise"
    ]
    return NoiseFindings(label, systems, kinds, place, seed, left_out + cut_off, not_by_all, differ)


def _of_run(run: Run) -> NoiseResults | None:
    """Its results, unless they are of other weights."""
    found = read_noise(run.folder)
    return found if found and found.identity.weights_sha256 == run.metrics.get("weights_sha256") else None


def _commonest(found: Mapping[Condition, Mapping[Cell, NoiseResults]]) -> tuple[str, int]:
    """Where noise was added, and by which seed it was drawn, in most of the runs."""
    every = [(r.identity.place, r.identity.seed) for by_cell in found.values() for r in by_cell.values()]
    return max(sorted(set(every)), key=every.count)


def _kinds_of_all(results: Sequence[NoiseResults]) -> list[Kind]:
    return [
        kind
        for kind in KINDS.values()
        if all(grade in each.by_grade for each in results for grade in [CLEAN, *_weights(kind)])
    ]


def _centre(run: Run) -> dict[str, np.ndarray] | None:
    means = run.metrics.get("training_means") or {}
    both = {"audio_logits", "text_logits"} <= means.keys()
    return {name: np.array(mean) for name, mean in means.items()} if both else None
