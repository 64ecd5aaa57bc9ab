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
from tfcr.report.findings.comparisons import within_a_sentence
from tfcr.report.findings.conditions import Cell, Condition, Group
from tfcr.runs import Predictions, Run
from tfcr.statistics import GradedComparison, Interval, bootstrap_interval, compare_graded
from tfcr.wording import counted

WA, UA, CONFLICTS, CENTRED = "WA", "UA", "conflicts", "conflicts, centred"
MEASURES = (WA, UA, CONFLICTS, CENTRED)
ALL_KINDS = "all kinds"
_REPETITIONS = 2_000  # of a bootstrap; there are hundreds of them
_TRAPEZOID_END = 0.5


@dataclass(frozen=True)
class Share:
    """A share over test utterances, and its 95 % bootstrap interval over speakers; None with one speaker."""

    value: float
    interval: Interval | None


@dataclass(frozen=True)
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

    def right(self, kinds: Sequence[Kind]) -> dict[Cell, np.ndarray]:
        """By cell, how much each utterance is right over the levels of some kinds, float [utterances]."""
        return {cell: self._values(cell, WA, weights_of(kinds)) for cell in self.cells}

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
        interval = bootstrap_interval(values, self.tested.speaker, labels, repetitions=_REPETITIONS)
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
class NoiseDifference:
    """One condition minus another over the grades of some kinds: their mean WA, utterance by utterance.

    Attributes:
        kinds: the name of the kind, or `all kinds`.
    """

    kinds: str
    before: UnderNoise
    after: UnderNoise
    comparison: GradedComparison = field(repr=False)


@dataclass(frozen=True)
class NoiseFindings:
    """Conditions of one system under the same noise, on the same folds and seeds.

    Attributes:
        systems: the baseline first where there is one.
        kinds: the kinds of which all have every grade.
        place: where noise was added to speech, `recordings` or `spectrograms`.
        differences: of every other condition to the first, over all graded kinds and over each; and over all of them
            of the method to the baseline that was trained under the same noise.
        left_out: runs that were tested under noise and are not in here: on folds, with seeds or under noise that not
            all conditions have.
    """

    label: str
    systems: Sequence[UnderNoise]
    kinds: Sequence[Kind]
    place: str
    seed: int
    differences: Sequence[NoiseDifference]
    left_out: int = 0

    @property
    def graded(self) -> list[Kind]:
        return [kind for kind in self.kinds if kind.is_graded]

    @property
    def measures(self) -> list[str]:
        """Those that all systems define."""
        return [measure for measure in MEASURES if all(measure in each.measures for each in self.systems)]

    @property
    def conclusion(self) -> str:
        """What can and cannot be concluded, in words; empty where there is nothing to compare."""
        found = [each for each in self.differences if each.kinds == ALL_KINDS]
        if not found:
            return ""
        opening = f"WA averaged over {counted(len(self.graded), 'kind')} of degradation at all their grades:"
        heard = found[0].after.speakers_were_heard
        limits = statistics.caveats(found[0].comparison, heard)  # all share their folds and seeds
        return " ".join([opening, *map(_sentence, found), *limits])

    def differences_of(self, system: UnderNoise) -> dict[str, GradedComparison]:
        """Kind's name, or `all kinds` → a system's difference to the baseline."""
        return {each.kinds: each.comparison for each in self.differences if self._is_to_first(each, system)}

    def _is_to_first(self, difference: NoiseDifference, system: UnderNoise) -> bool:
        return difference.before is self.systems[0] and difference.after is system


def _sentence(difference: NoiseDifference) -> str:
    """What one comparison shows, without what it does not show."""
    before, after = (within_a_sentence(each.condition) for each in (difference.before, difference.after))
    said = statistics.conclusion(difference.comparison, before, after)
    return said.removesuffix(" ".join(["", *statistics.caveats(difference.comparison)]))


def noise_rows(findings: NoiseFindings) -> list[tuple[str, list[Kind]]]:
    """What a table of areas has rows for: all graded kinds together, where there are two, and every kind."""
    graded = findings.graded
    together = [(f"all {len(graded)} with grades", graded)] if len(graded) > 1 else []
    return [*together, *((kind.meaning, [kind]) for kind in findings.kinds)]


def weights_of(kinds: Sequence[Kind]) -> dict[str, float]:
    """Grade's name → its weight, so that the weighted mean over grades is the mean of the kinds' areas; together 1."""
    weights: dict[str, float] = {}
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
    return NoiseFindings(label, systems, kinds, place, seed, _differences(systems, kinds), left_out)


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


def _differences(systems: Sequence[UnderNoise], kinds: Sequence[Kind]) -> list[NoiseDifference]:
    graded = [kind for kind in kinds if kind.is_graded]
    together = {ALL_KINDS: graded} if graded else {}
    asked = {**together, **{kind.name: [kind] for kind in kinds}}
    pairs = [(systems[0], after, asked) for after in systems[1:]]
    baselines = {system.condition.noise: system for system in systems[1:] if system.condition.alpha == 0}
    methods = [system for system in systems[1:] if system.condition.alpha != 0]
    own = [(baselines.get(system.condition.noise), system) for system in methods]
    pairs += [(before, after, together) for before, after in own if before]
    return [
        NoiseDifference(name, before, after, compare_graded(before.right(some), after.right(some), before.speakers))
        for before, after, wanted in pairs
        for name, some in wanted.items()
    ]
