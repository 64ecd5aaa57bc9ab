"""The paper's own motive, measured: baseline, regulariser, training under noise and both, at every grade of noise.

  python benchmarks/noise_study.py data/synthetic --root corpora/synthetic --counts docs/noise/synthetic.csv
  python benchmarks/noise_study.py data/emodb --root emodb --protocol speaker --folds 0-9 --counts docs/noise/emodb.csv

Every model is trained once and tested under all noise once. What it then says is counted, for every test speaker, in
lines of the file of counts, and a model that stands there is not trained again: the study goes on where it was cut off,
down to the grade in the same folder, and from model to model on another machine. Folds are outermost within a seed, so
that what is there after each fold can be compared: all four are trained on the same folds and seeds. The tables are of
the folds and seeds that all four have in the file; a line above them says how much of the whole that is.
"""

import csv
import io
import itertools
import pathlib
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import click
import numpy as np

from tfcr import statistics
from tfcr.noise.grades import CLEAN, KINDS, Kind, grades
from tfcr.objectives.metrics import conflicts
from tfcr.report.findings.noise import weights_of
from tfcr.statistics import GradedComparison
from tfcr.training_noise import TrainingNoise

CONDITIONS = {  # name → what of the configuration makes it
    "baseline": {"alpha": 0.0},
    "regularised": {"alpha": 0.1},
    "noise-trained": {"alpha": 0.0, "noise": {}},
    "both": {"alpha": 0.1, "noise": {}},
}
PAIRS = (  # before, after
    *(("baseline", "regularised"), ("baseline", "noise-trained"), ("baseline", "both")),
    ("noise-trained", "both"),
)
RIGHT, CONFLICTS, CENTRED = "right", "conflicts", "conflicts, centred"  # what is counted
MEASURES = {"WA": RIGHT, "conflicts": CONFLICTS, "conflicts, centred": CENTRED}
GRADES = (CLEAN, *(grade.name for grade in grades()))
COLUMNS = (
    *("dataset", "protocol", "place", "condition", "fold", "seed", "version"),
    *("speaker", "counted", "utterances", *GRADES),
)
_DIGITS = 12  # of the dataset's SHA-256


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
    found = []
    for speaker in np.unique(clean.speaker):
        of_speaker = clean.speaker == speaker
        for label, emotion in enumerate(run.emotions):
            these = of_speaker & (clean.label == label)
            found.append(_count(speaker, f"{RIGHT} {emotion}", these, right))
        for name, centre in ((CONFLICTS, None), (CENTRED, means)):
            flags = {
                grade: conflicts(said.audio_logits, said.text_logits, centre)
                for grade, said in ((grade, by_grade[grade]) for grade in GRADES)
            }
            found.append(_count(speaker, name, of_speaker, flags))
    return [count for count in found if count.utterances]


def _count(speaker: str, counted: str, these: np.ndarray, flags: Mapping[str, np.ndarray]) -> Count:
    return Count(str(speaker), counted, int(these.sum()), {grade: int(flags[grade][these].sum()) for grade in GRADES})


def append(path: pathlib.Path, same: Mapping[str, str], cell: Cell, found: Sequence[Count]) -> None:
    """Adds a model's lines to the file of counts, in one piece.

    Args:
        same: what all lines of a study have: `dataset`, `protocol`, `place` and `version`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    if not path.is_file():
        writer.writeheader()
    for count in found:
        of_count = {"speaker": count.speaker, "counted": count.counted, "utterances": count.utterances}
        writer.writerow({**same, **vars(cell), **of_count, **count.at})
    with path.open("a", newline="", encoding="utf-8") as file:
        file.write(text.getvalue())


def read(path: pathlib.Path, dataset: str, protocol: str, place: str) -> dict[Cell, list[Count]]:
    """The models of a file of counts that were tested on this dataset's folds under noise in this place."""
    if not path.is_file():
        return {}
    found: dict[Cell, list[Count]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if (row["dataset"], row["protocol"], row["place"]) == (dataset, protocol, place):
                cell = Cell(row["condition"], int(row["fold"]), int(row["seed"]))
                at = {grade: int(row[grade]) for grade in GRADES}
                found.setdefault(cell, []).append(Count(row["speaker"], row["counted"], int(row["utterances"]), at))
    return found


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
        shares = self._shares(condition, measure, weights)
        folds = sorted({fold for fold, _ in self.cells})
        by_fold = [np.mean([shares[cell] for cell in self.cells if cell[0] == fold], axis=0) for fold in folds]
        return float(np.concatenate(by_fold).mean())

    def recall(self, condition: str, weights: Mapping[str, float]) -> float:
        """UA: the mean over the emotions of the share that is right."""
        of_all = itertools.chain.from_iterable(self._found.values())
        emotions = sorted({count.counted for count in of_all if count.counted.startswith(f"{RIGHT} ")})
        return float(np.mean([self.share(condition, emotion, weights) for emotion in emotions]))

    def change(self, before: str, after: str, measure: str, weights: Mapping[str, float]) -> GradedComparison:
        """One condition minus another, over speakers as in a report."""
        first, second = (self._shares(condition, measure, weights) for condition in (before, after))
        return statistics.compare_graded(first, second, {fold: self._speakers(fold, seed) for fold, seed in self.cells})

    def _shares(self, condition: str, measure: str, weights: Mapping[str, float]) -> dict[tuple[int, int], np.ndarray]:
        """By fold and seed, for every utterance the share of its speaker's that is counted, float [utterances]."""
        found = {}
        for fold, seed in self.cells:
            by_speaker: dict[str, list[Count]] = {}
            for count in self._found[Cell(condition, fold, seed)]:
                if count.counted == measure or count.counted.startswith(f"{measure} "):
                    by_speaker.setdefault(count.speaker, []).append(count)
            found[fold, seed] = np.concatenate([_share_of_each(of, weights) for of in by_speaker.values()])
        return found

    def _speakers(self, fold: int, seed: int) -> np.ndarray:
        of_all = [count for count in self._found[Cell("baseline", fold, seed)] if count.counted == CONFLICTS]
        return np.concatenate([np.full(count.utterances, count.speaker) for count in of_all])


def _share_of_each(counts: Sequence[Count], weights: Mapping[str, float]) -> np.ndarray:
    utterances = sum(count.utterances for count in counts)
    counted = sum(weight * count.at[grade] for count in counts for grade, weight in weights.items())
    return np.full(utterances, counted / utterances)


def rows(with_conflicts: bool) -> list[tuple[str, list[Kind]]]:
    """The rows of the tables of areas: a name, and the kinds that are averaged; none is the test without noise.

    Args:
        with_conflicts: whether speech and words have to be there.
    """
    graded = [kind for kind in KINDS.values() if kind.is_graded]
    unheard = [kind for kind in graded if kind.name not in TrainingNoise().heard]
    alone = [kind for kind in KINDS.values() if not (with_conflicts and kind.is_absence)]
    return [
        ("none (clean)", []),
        (f"all {len(graded)} with grades", graded),
        (f"of these the {len(unheard)} that no training heard", unheard),
        *((kind.meaning, [kind]) for kind in alone),
    ]


def table_of_areas(found: Counts, measure: str) -> str:
    """The areas of a measure of `MEASURES` in percent, and paired differences with 95 % intervals, in Markdown."""
    lines = _header(measure, *CONDITIONS, *(f"{after} − {before}" for before, after in PAIRS))
    for name, kinds in rows(with_conflicts=measure != "WA"):
        weights = weights_of(kinds)
        values = (f"{100 * found.share(condition, MEASURES[measure], weights):.1f}" for condition in CONDITIONS)
        changes = (_points(found.change(*pair, MEASURES[measure], weights)) for pair in PAIRS)
        lines.append(_line(name, *values, *changes))
    return "\n".join(lines)


def table_of_grades(found: Counts) -> str:
    """WA and UA at every grade in percent, in Markdown."""
    lines = _header("grade", *(f"{measure}, {name}" for measure in ("WA", "UA") for name in CONDITIONS))
    for grade in GRADES:
        wa = (found.share(condition, RIGHT, {grade: 1.0}) for condition in CONDITIONS)
        ua = (found.recall(condition, {grade: 1.0}) for condition in CONDITIONS)
        lines.append(_line(f"`{grade}`", *(f"{100 * value:.1f}" for value in (*wa, *ua))))
    return "\n".join(lines)


def conclusions(found: Counts) -> str:
    """What each comparison says of the area of WA over all kinds, its p corrected for their number, in Markdown."""
    lines = _header("", "all kinds with grades", "p (Holm)", "without noise")
    graded = weights_of([kind for kind in KINDS.values() if kind.is_graded])
    changes = [found.change(*pair, RIGHT, graded) for pair in PAIRS]
    p_values = statistics.holm([change.p for change in changes]) if changes[0].p is not None else [None] * len(PAIRS)
    for (before, after), change, p in zip(PAIRS, changes, p_values, strict=True):
        clean = found.change(before, after, RIGHT, {CLEAN: 1.0})
        said = "–" if p is None else f"{p:.3f}"
        lines.append(_line(f"{after} − {before}", _points(change), said, _points(clean)))
    return "\n".join(lines)


def _points(change: GradedComparison) -> str:
    """Percentage points, with the interval over speakers where there are enough."""
    effect = f"{100 * change.effect:+.1f}"
    if change.interval is None:
        return effect
    return f"{effect} ({100 * change.interval.low:+.1f} to {100 * change.interval.high:+.1f})"


def _header(*columns: str) -> list[str]:
    return [_line(*columns), _line(*["---"] * len(columns))]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


@click.command("noise_study.py", help=__doc__.partition("\n\n")[0])
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=pathlib.Path))
@click.option("--root", type=click.Path(path_type=pathlib.Path), help="Of the corpus, to add noise to its recordings.")
@click.option("--protocol", default="random", show_default=True)
@click.option("--folds", default="0-2", show_default=True)
@click.option("--seeds", default="0-4", show_default=True)
@click.option("--counts", "path", required=True, type=click.Path(path_type=pathlib.Path), help="The file of counts.")
@click.option("--out", default="noise-study", show_default=True, type=click.Path(path_type=pathlib.Path))
@click.option("--config", type=click.Path(path_type=pathlib.Path), help="What all models share; its counts are others.")
@click.option("--tables-only", is_flag=True, help="Train and test nothing.")
def command(data, root, protocol, folds, seeds, path, out, config, tables_only):
    import tfcr
    from tfcr.config import read_yaml
    from tfcr.dataset_info import open_dataset
    from tfcr.experiments.ranges import whole_numbers

    dataset = open_dataset(data)
    place = "spectrograms" if root is None else "recordings"
    known = dataset.sha256[:_DIGITS], protocol, place
    wanted = list(cells(whole_numbers("--folds", folds), whole_numbers("--seeds", seeds)))
    shared = {"protocol": protocol, "threads": 1, **(read_yaml(config) if config else {})}
    for number, cell in enumerate(() if tables_only else wanted, start=1):
        if cell in read(path, *known):
            continue
        experiment, run = _experiment(cell, data, shared, out / dataset.name)
        begin = time.process_time()
        found = counts(_tested(experiment, run, root))
        same = dict(zip(COLUMNS, known, strict=False), version=tfcr.__version__)
        append(path, same, cell, found)
        seconds = time.process_time() - begin
        print(f"{number}/{len(wanted)} {run.name}: {seconds:.0f} s of processor time", file=sys.stderr, flush=True)
    there = {cell: of_cell for cell, of_cell in read(path, *known).items() if cell in wanted}
    click.echo(f"{len(there)} of {len(wanted)} models have been trained and tested under noise")
    found = Counts(there)
    if found.cells:
        folds_and_seeds = f"{len(found.cells)} of {len(wanted) // len(CONDITIONS)} folds and seeds"
        click.echo(f"Of {folds_and_seeds}, noise in the {place}:\n\n{conclusions(found)}")
        for measure in MEASURES:
            click.echo(f"\n{table_of_areas(found, measure)}")
        click.echo(f"\n{table_of_grades(found)}")


def _experiment(cell: Cell, data: pathlib.Path, shared: dict, out: pathlib.Path):
    """What a model is trained by, and its run's folder."""
    from tfcr.config import from_mapping
    from tfcr.training.experiment import plan

    settings = {"fold": cell.fold, "seed": cell.seed, **CONDITIONS[cell.condition]}
    experiment = plan(from_mapping({**shared, **settings}), data)
    return experiment, out / experiment.folder.name


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
