r"""The paper's own motive, measured: baseline, regulariser, training under noise and both, at every grade of noise.

  python benchmarks/noise_study.py data/synthetic --root corpora/synthetic \
      --counts docs/noise/synthetic.csv --figure docs/noise/synthetic.svg
  python benchmarks/noise_study.py data/emodb --root emodb --protocol speaker --folds 0-9 \
      --counts docs/noise/emodb.csv --figure docs/noise/emodb.svg

Every model is trained once and tested under all noise once. What it then says is counted, for every test speaker, in
lines of the file of counts, and a model that stands there, by the same configuration, is not trained again: the study
goes on where it was cut off, down to the grade in the same folder, and from model to model on another machine. Folds
are outermost within a seed, so that what is there after each fold can be compared: all four are trained on the same
folds and seeds. The tables are of the folds and seeds that all four have in the file; a line above them says how much
of the whole that is. Columns are over all test utterances, and differences are means over speakers, as in a report.
"""

import csv
import hashlib
import io
import itertools
import json
import pathlib
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property

import click
import numpy as np

from tfcr import files, statistics
from tfcr.errors import TfcrError
from tfcr.noise.grades import CLEAN, KINDS, grades
from tfcr.objectives.metrics import conflicts
from tfcr.report.figures.drawing import Drawing
from tfcr.report.figures.noise_figure import draw_noise
from tfcr.report.findings.conditions import Condition
from tfcr.report.findings.noise import REPETITIONS, UA, WA, Share, rows_of, weights_of
from tfcr.report.tables.markdown import markdown_table
from tfcr.statistics import GradedComparison
from tfcr.training_noise import TrainingNoise

CONDITIONS = {  # name → what of the configuration makes it
    "baseline": {"alpha": 0.0, "noise": None},
    "regularised": {"alpha": 0.1, "noise": None},
    "noise-trained": {"alpha": 0.0, "noise": {}},
    "both": {"alpha": 0.1, "noise": {}},
}
PAIRS = (  # before, after
    *(("baseline", "regularised"), ("baseline", "noise-trained"), ("baseline", "both")),
    ("noise-trained", "both"),
)
RIGHT, CONFLICTS, CENTRED = "right", "conflicts", "conflicts, centred"  # what is counted
MEASURES = {WA: RIGHT, "conflicts": CONFLICTS, "conflicts, centred": CENTRED}
GRADED = [kind for kind in KINDS.values() if kind.is_graded]
GRADES = (CLEAN, *(grade.name for grade in grades()))
COLUMNS = (
    *("dataset", "protocol", "place", "configuration", "condition", "fold", "seed", "version"),
    *("speaker", "counted", "utterances", *GRADES),
)
_DIGITS = 12  # of a SHA-256
_FREE = ("fold", "seed", "threads")  # what a configuration's digest leaves out


@dataclass(frozen=True)
class Cell:
    """One model of the study."""

    condition: str
    fold: int
    seed: int


@dataclass(frozen=True)
class Count:
    """So many utterances of a test speaker, and how many of them were counted at each grade.

    Attributes:
        counted: `right` and an emotion, of whose utterances the model was right about so many; else `conflicts` or
            `conflicts, centred`.
        at: grade's name → how many.
    """

    speaker: str
    counted: str
    utterances: int
    at: Mapping[str, int]


def cells(folds: Iterable[int], seeds: Iterable[int]) -> Iterator[Cell]:
    """All models, in the order in which a part of them is useful: fold after fold with every condition."""
    folds = list(folds)
    for seed in seeds:
        for fold in folds:
            for condition in CONDITIONS:
                yield Cell(condition, fold, seed)


def counts(run) -> list[Count]:
    """What a model that was tested under all noise has said, counted for each test speaker."""
    from tfcr.noise.results import read_noise

    by_grade = read_noise(run.folder).by_grade
    means = {name: np.array(mean) for name, mean in run.metrics["training_means"].items()}
    clean = by_grade[CLEAN]
    right = {grade: by_grade[grade].logits.argmax(axis=1) == clean.label for grade in GRADES}
    differ = {
        name: {g: conflicts(by_grade[g].audio_logits, by_grade[g].text_logits, centre) for g in GRADES}
        for name, centre in ((CONFLICTS, None), (CENTRED, means))
    }
    found = []
    for speaker in np.unique(clean.speaker):
        of_speaker = clean.speaker == speaker
        for label, emotion in enumerate(run.emotions):
            these = of_speaker & (clean.label == label)
            found.append(_count(speaker, f"{RIGHT} {emotion}", these, right))
        found += [_count(speaker, name, of_speaker, flags) for name, flags in differ.items()]
    return [count for count in found if count.utterances]


def _count(speaker: str, counted: str, these: np.ndarray, flags: Mapping[str, np.ndarray]) -> Count:
    return Count(str(speaker), counted, int(these.sum()), {grade: int(flags[grade][these].sum()) for grade in GRADES})


def add(path: pathlib.Path, same: Mapping[str, str], cell: Cell, found: Sequence[Count]) -> None:
    """Adds a model's lines to the file of counts, which appears whole; nothing where another process has been faster.

    Args:
        same: what else its lines say: `dataset`, `protocol`, `place`, `configuration` and `version`.
    """
    if cell in read(path, same["dataset"], same["place"], {cell.condition: same["configuration"]}):
        return
    text = io.StringIO(path.read_text(encoding="utf-8") if path.is_file() else "", newline="")
    text.seek(0, io.SEEK_END)
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    if not text.tell():
        writer.writeheader()
    for count in found:
        of_count = {"speaker": count.speaker, "counted": count.counted, "utterances": count.utterances}
        writer.writerow({**same, **vars(cell), **of_count, **count.at})
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, text.getvalue())


def read(path: pathlib.Path, dataset: str, place: str, configurations: Mapping[str, str]) -> dict[Cell, list[Count]]:
    """The models of a file of counts that were tested on a dataset under noise in this place.

    Args:
        dataset: the beginning of its SHA-256.
        configurations: condition → the digest of its configuration; models by another one are passed over.

    Raises:
        TfcrError: a line is broken, or a model's are not all there, or twice.
    """
    if not path.is_file():
        return {}
    found: dict[Cell, list[Count]] = {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                cell = Cell(row["condition"], int(row["fold"]), int(row["seed"]))
                at = {grade: int(row[grade]) for grade in GRADES}
                count = Count(row["speaker"], row["counted"], int(row["utterances"]), at)
                known = row["dataset"], row["place"], row["configuration"]
            except (KeyError, TypeError, ValueError):
                raise TfcrError(f"{path}, line {number} is no line of counts; remove that model's lines") from None
            if known == (dataset, place, configurations.get(cell.condition)):
                found.setdefault(cell, []).append(count)
    for cell, of_cell in found.items():
        if not _is_whole(of_cell):
            raise TfcrError(f"{path}: the counts of {cell} are not all there, or twice; remove its lines")
    return found


def _is_whole(counts: Sequence[Count]) -> bool:
    """Whether every speaker's utterances are counted once in each way."""
    totals: dict[str, Counter[str]] = {measure: Counter() for measure in MEASURES.values()}
    for count in counts:
        for measure, of_speaker in totals.items():
            if _is_of(count.counted, measure):
                of_speaker[count.speaker] += count.utterances
    once = len({(count.speaker, count.counted) for count in counts}) == len(counts)
    return once and totals[RIGHT] == totals[CONFLICTS] == totals[CENTRED]


def _is_of(counted: str, measure: str) -> bool:
    return counted.startswith(f"{RIGHT} ") if measure == RIGHT else counted == measure


class Counts:
    """The counts of the folds and seeds that every condition has.

    A measure is one of `MEASURES`, or `right` and an emotion; `weights` are grades' names → weights, whose sum is 1.
    """

    def __init__(self, found: Mapping[Cell, Sequence[Count]]) -> None:
        by_condition = [{(c.fold, c.seed) for c in found if c.condition == name} for name in CONDITIONS]
        self.cells = sorted(set.intersection(*by_condition))
        self._found = {cell: of_cell for cell, of_cell in found.items() if (cell.fold, cell.seed) in self.cells}

    def share(self, condition: str, measure: str, weights: Mapping[str, float]) -> float:
        """The share that is counted: seeds are averaged within a fold, and folds joined."""
        return float(self._joined(condition, measure, weights).mean())

    def recall(self, condition: str, weights: Mapping[str, float]) -> float:
        """UA: the mean over the emotions of the share that is right."""
        return float(np.mean([self.share(condition, emotion, weights) for emotion in self._emotions]))

    def at(self, condition: str, measure: str, grade: str) -> Share:
        """A measure of a report at a grade, and its interval over speakers."""
        weights = {grade: 1.0}
        if measure != UA:
            values = self._joined(condition, MEASURES[measure], weights)
            speakers = self._joined_speakers(MEASURES[measure])
            return Share(float(values.mean()), statistics.bootstrap_interval(values, speakers, repetitions=REPETITIONS))
        values, speakers = (
            [method(emotion) for emotion in self._emotions]
            for method in (lambda emotion: self._joined(condition, emotion, weights), self._joined_speakers)
        )
        labels = np.repeat(np.arange(len(values)), list(map(len, values)))
        drawn = statistics.bootstrap_interval(*map(np.concatenate, (values, speakers)), labels, repetitions=REPETITIONS)
        return Share(self.recall(condition, weights), drawn)

    def of_seed(self, seed: int) -> "Counts":
        """The models of one seed alone."""
        return Counts({cell: of_cell for cell, of_cell in self._found.items() if cell.seed == seed})

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for _, seed in self.cells})

    @cached_property
    def num_speakers(self) -> int:
        return len(np.unique(self._joined_speakers(RIGHT)))

    @cached_property
    def _emotions(self) -> list[str]:
        of_all = itertools.chain.from_iterable(self._found.values())
        return sorted({count.counted for count in of_all if _is_of(count.counted, RIGHT)})

    def _joined(self, condition: str, measure: str, weights: Mapping[str, float]) -> np.ndarray:
        """For every utterance the share that is counted, averaged over seeds; the folds one behind another."""
        shares = self._shares(condition, measure, weights)
        by_fold = [np.mean([shares[cell] for cell in self.cells if cell[0] == fold], axis=0) for fold in self._folds]
        return np.concatenate(by_fold)

    def _joined_speakers(self, measure: str) -> np.ndarray:
        """Whose the utterances of `_joined` are."""
        firsts = [next(cell for cell in self.cells if cell[0] == fold) for fold in self._folds]
        return np.concatenate([self._speakers(*cell, measure) for cell in firsts])

    @property
    def _folds(self) -> list[int]:
        return sorted({fold for fold, _ in self.cells})

    def change(self, before: str, after: str, measure: str, weights: Mapping[str, float]) -> GradedComparison:
        """One condition minus another, over speakers as in a report."""
        first, second = (self._shares(condition, measure, weights) for condition in (before, after))
        return statistics.compare_graded(first, second, {fold: self._speakers(fold, seed) for fold, seed in self.cells})

    def _shares(self, condition: str, measure: str, weights: Mapping[str, float]) -> dict[tuple[int, int], np.ndarray]:
        """By fold and seed, for every utterance the share of its speaker's that is counted, float [utterances]."""
        found = {}
        for cell in self.cells:
            each = [_share_of_each(of, weights) for of in self._by_speaker(condition, *cell, measure).values()]
            found[cell] = np.concatenate([np.empty(0), *each])  # none in a fold without an emotion
        return found

    def _speakers(self, fold: int, seed: int, measure: str = CONFLICTS) -> np.ndarray:
        """Of every utterance of a fold whose it is."""
        counts = self._by_speaker("baseline", fold, seed, measure)
        sizes = [sum(count.utterances for count in of) for of in counts.values()]
        return np.repeat(np.array(list(counts), dtype=str), sizes)

    def _by_speaker(self, condition: str, fold: int, seed: int, measure: str) -> dict[str, list[Count]]:
        found: dict[str, list[Count]] = {}
        for count in self._found[Cell(condition, fold, seed)]:
            if _is_of(count.counted, measure):
                found.setdefault(count.speaker, []).append(count)
        return dict(sorted(found.items()))


def _share_of_each(counts: Sequence[Count], weights: Mapping[str, float]) -> np.ndarray:
    utterances = sum(count.utterances for count in counts)
    counted = sum(weight * count.at[grade] for count in counts for grade, weight in weights.items())
    return np.full(utterances, counted / utterances)


def table_of_areas(found: Counts, measure: str) -> str:
    """The areas of a measure of `MEASURES` in percent, and paired differences with 95 % intervals, in Markdown."""
    header = [measure, *CONDITIONS, *(f"{after} − {before}" for before, after in PAIRS)]
    unheard = [kind for kind in GRADED if kind.name not in TrainingNoise().heard]
    lines = []
    for row in rows_of(list(KINDS.values()), unheard):
        if row.has_conflicts or measure == WA:
            weights = weights_of(row.kinds)
            values = (f"{100 * found.share(condition, MEASURES[measure], weights):.1f}" for condition in CONDITIONS)
            changes = (_points(found.change(*pair, MEASURES[measure], weights)) for pair in PAIRS)
            lines.append([row.name, *values, *changes])
    return "\n".join(markdown_table(header, lines))


def table_of_grades(found: Counts) -> str:
    """WA and UA at every grade in percent, in Markdown."""
    header = ["grade", *(f"{measure}, {name}" for measure in ("WA", "UA") for name in CONDITIONS)]
    lines = []
    for grade in GRADES:
        wa = (found.share(condition, RIGHT, {grade: 1.0}) for condition in CONDITIONS)
        ua = (found.recall(condition, {grade: 1.0}) for condition in CONDITIONS)
        lines.append([f"`{grade}`", *(f"{100 * value:.1f}" for value in (*wa, *ua))])
    return "\n".join(markdown_table(header, lines))


def table_of_seeds(found: Counts) -> str:
    """WA over all kinds with grades in percent and its differences over utterances, seed by seed, in Markdown."""
    header = ["WA, by seed", *CONDITIONS, *(f"{after} − {before}" for before, after in PAIRS)]
    weights, lines = weights_of(GRADED), []
    by_seed = [found.change(*pair, RIGHT, weights).by_seed for pair in PAIRS]
    for seed in found.seeds:
        alone = found.of_seed(seed)
        values = (f"{100 * alone.share(condition, RIGHT, weights):.1f}" for condition in CONDITIONS)
        lines.append([str(seed), *values, *(f"{100 * effects[seed]:+.1f}" for effects in by_seed)])
    return "\n".join(markdown_table(header, lines))


def conclusions(found: Counts, speakers_were_heard: bool) -> str:
    """What each comparison shows by the area of WA over all kinds with grades, in words, as a report says it.

    Their p values are corrected for their number (Holm 1979).
    """
    changes = statistics.corrected([found.change(*pair, RIGHT, weights_of(GRADED)) for pair in PAIRS])
    findings = [
        f"- {statistics.finding(change, *pair, tests=len(PAIRS))}" for pair, change in zip(PAIRS, changes, strict=True)
    ]
    caveats = " ".join(statistics.caveats(changes[0], speakers_were_heard))
    return "\n".join([*findings, *([f"\n{caveats}"] if caveats else [])])


def said(there: Mapping[Cell, Sequence[Count]], wanted: int, place: str, speakers_were_heard: bool) -> str:
    """All that the models say which are there, in Markdown.

    Args:
        wanted: how many models there are to be.
        place: where noise was added to speech, `recordings` or `spectrograms`.
    """
    found = Counts(there)
    parts = [f"{len(there)} of {wanted} models have been trained and tested under noise."]
    if found.cells:
        folds_and_seeds = f"{len(found.cells)} of {wanted // len(CONDITIONS)} folds and seeds"
        parts.append(f"Of {folds_and_seeds}, noise in the {place}, by WA over all kinds with grades:")
        parts.append(conclusions(found, speakers_were_heard))
        parts.append(table_of_seeds(found))
        parts += [table_of_areas(found, measure) for measure in MEASURES]
        parts.append(table_of_grades(found))
    return "\n\n".join(parts)


def _points(change: GradedComparison) -> str:
    """Percentage points, with the interval over speakers where there are enough."""
    effect = f"{100 * change.effect:+.1f}"
    if change.interval is None:
        return effect
    return f"{effect} ({100 * change.interval.low:+.1f} to {100 * change.interval.high:+.1f})"


@dataclass(frozen=True)
class Drawn:
    """A condition of the study, as a figure of the report takes it."""

    found: Counts
    name: str

    @property
    def condition(self) -> Condition:
        noise = CONDITIONS[self.name]["noise"]
        heard = "" if noise is None else json.dumps(asdict(TrainingNoise(**noise)))
        return Condition("", "paper", "", 0, "fusion", CONDITIONS[self.name]["alpha"], noise=heard)

    @property
    def has_intervals(self) -> bool:
        return self.found.num_speakers >= statistics.MIN_CLUSTERS

    def at(self, measure: str, grade: str) -> Share:
        return self.found.at(self.name, measure, grade)


def figure(found: Counts, place: str, measure: str) -> Drawing:
    """A measure of a report at every grade, as its chapter on noise has it.

    Args:
        place: where noise was added to speech, `recordings` or `spectrograms`.
    """
    conditions = [Drawn(found, name) for name in CONDITIONS]
    return draw_noise("noise", f"{measure} under noise", conditions, list(KINDS.values()), place, measure)


@click.command("noise_study.py", help=__doc__.partition("\n\n")[0])
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=pathlib.Path))
@click.option("--root", type=click.Path(path_type=pathlib.Path), help="Of the corpus, to add noise to its recordings.")
@click.option("--protocol", default="random", show_default=True)
@click.option("--folds", default="0-2", show_default=True)
@click.option("--seeds", default="0-4", show_default=True)
@click.option("--counts", "path", required=True, type=click.Path(path_type=pathlib.Path), help="The file of counts.")
@click.option("--out", default="noise-study", show_default=True, type=click.Path(path_type=pathlib.Path))
@click.option("--config", type=click.Path(path_type=pathlib.Path), help="What all models share; its counts are others.")
@click.option("--figure", "drawn", type=click.Path(path_type=pathlib.Path), help="An SVG of WA at every grade.")
@click.option("--tables-only", is_flag=True, help="Train and test nothing.")
def command(data, root, protocol, folds, seeds, path, out, config, drawn, tables_only):
    import tfcr
    from tfcr import protocols
    from tfcr.config import read_yaml
    from tfcr.dataset_info import open_dataset
    from tfcr.experiments.ranges import whole_numbers

    dataset = open_dataset(data)
    known = dataset.sha256[:_DIGITS], "spectrograms" if root is None else "recordings"
    wanted = list(cells(whole_numbers("--folds", folds), whole_numbers("--seeds", seeds)))
    shared = {"threads": 1, **(read_yaml(config) if config else {}), "system": "fusion", "protocol": protocol}
    digests = {name: _digest(_experiment(replace(wanted[0], condition=name), data, shared)) for name in CONDITIONS}
    for number, cell in enumerate(() if tables_only else wanted, start=1):
        if cell in read(path, *known, digests):
            continue
        experiment = _experiment(cell, data, shared)
        run = out / dataset.name / experiment.folder.name
        begin = time.process_time()
        found = counts(_tested(experiment, run, root))
        same = {"dataset": known[0], "protocol": protocol, "place": known[1], "version": tfcr.__version__}
        with files.locked(out, "writing the counts of", on_wait=lambda: None):
            add(path, {**same, "configuration": digests[cell.condition]}, cell, found)
        seconds = time.process_time() - begin
        print(f"{number}/{len(wanted)} {run.name}: {seconds:.0f} s of processor time", file=sys.stderr, flush=True)
    there = {cell: of_cell for cell, of_cell in read(path, *known, digests).items() if cell in wanted}
    click.echo(said(there, len(wanted), known[1], protocols.shares_speakers(protocol)))
    if drawn and (found := Counts(there)).cells:
        drawn.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(drawn, figure(found, known[1], WA).svg.decode("utf-8"))


def _experiment(cell: Cell, data: pathlib.Path, shared: dict):
    """What a model is trained by."""
    from tfcr.config import from_mapping
    from tfcr.training.experiment import plan

    return plan(from_mapping({**shared, "fold": cell.fold, "seed": cell.seed, **CONDITIONS[cell.condition]}), data)


def _digest(experiment) -> str:
    """Of all of a configuration that decides a model but fold and seed, the beginning of its SHA-256."""
    decides = {name: value for name, value in asdict(experiment.config).items() if name not in _FREE}
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def _tested(experiment, run: pathlib.Path, root: pathlib.Path | None):
    """The run, tested at every grade; what of it is there already is kept."""
    import keras

    from tfcr.training.evaluate_noise import evaluate_noise
    from tfcr.training.train import train_fold

    try:
        trained = train_fold(experiment, run)
        evaluate_noise(trained, experiment.dataset.folder, root)
        return trained
    finally:
        keras.backend.clear_session()


if __name__ == "__main__":
    from tfcr.cli import run
    from tfcr.cli.tensorflow import import_quietly

    import_quietly()
    run(command)
