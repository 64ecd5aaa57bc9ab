"""What runs of one dataset do on the others: a row for each condition and dataset, its own test parts included."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfcr import files, runs
from tfcr.objectives.confusions import macro_f1, weighted_f1
from tfcr.report.findings.conditions import Condition, Group, group_by_condition
from tfcr.report.findings.results import Spread, accuracy, over_folds, unweighted_accuracy
from tfcr.runs import Run


@dataclass(frozen=True)
class Transfer:
    """A condition's runs, trained on one dataset and tested on one, among the classes that all datasets share.

    Attributes:
        trained_on, tested_on: datasets' names; where they are the same, each run is tested on its own test part.
        runs: those that had utterances of these classes to be tested on.
        untested_runs: those whose own test part has none.
        utterances: tested, over all runs: an utterance counts once for each run that is tested on it.
        left_out: likewise, those of another dataset that a run was trained or stopped by, and is not tested on.
    """

    trained_on: str
    tested_on: str
    condition: Condition
    runs: int
    untested_runs: int
    utterances: int
    left_out: int
    wa: Spread
    ua: Spread
    macro_f1: Spread
    weighted_f1: Spread


def find_transfers(runs_of: Mapping[str, Sequence[Run]], emotions: Sequence[str]) -> list[Transfer]:
    """Every condition on every dataset, without those that had nothing to be tested on.

    Args:
        runs_of: dataset's name → the runs that were trained on it, each of which has been tested on all the others.
        emotions: the classes that all datasets share.
    """
    found = (
        _transfer(trained_on, tested_on, group, emotions)
        for trained_on, some in runs_of.items()
        for group in group_by_condition(some)
        for tested_on in runs_of
    )
    return [each for each in found if each is not None]


def _transfer(trained_on: str, tested_on: str, group: Group, emotions: Sequence[str]) -> Transfer | None:
    some = group.runs.values()
    all_confusions = {
        cell: _of_own_test_part(run, emotions) if tested_on == trained_on else _of_other(run, tested_on)
        for cell, run in group.runs.items()
    }
    confusions = {cell: counts for cell, counts in all_confusions.items() if counts.any()}
    if not confusions:
        return None
    return Transfer(
        trained_on=trained_on,
        tested_on=tested_on,
        condition=group.condition,
        runs=len(confusions),
        untested_runs=len(group.runs) - len(confusions),
        utterances=int(sum(counts.sum() for counts in confusions.values())),
        left_out=0 if tested_on == trained_on else sum(_evaluation(run, tested_on)["left_out"] for run in some),
        wa=over_folds({cell: accuracy(counts) for cell, counts in confusions.items()}),
        ua=over_folds({cell: unweighted_accuracy(counts) for cell, counts in confusions.items()}),
        macro_f1=over_folds({cell: float(macro_f1(counts)) for cell, counts in confusions.items()}),
        weighted_f1=over_folds({cell: float(weighted_f1(counts)) for cell, counts in confusions.items()}),
    )


def _of_own_test_part(run: Run, emotions: Sequence[str]) -> np.ndarray:
    """The confusion matrix among some classes: utterances of others are left out, and so are their scores."""
    columns = [run.emotions.index(emotion) for emotion in emotions]
    predictions = run.predictions
    kept = np.isin(predictions.label, columns)
    confusion = np.zeros((len(columns), len(columns)), np.int64)
    true = [columns.index(label) for label in predictions.label[kept].tolist()]
    np.add.at(confusion, (true, predictions.logits[kept][:, columns].argmax(axis=1)), 1)
    return confusion


def _of_other(run: Run, dataset: str) -> np.ndarray:
    return np.array(_evaluation(run, dataset)["confusion"])


def _evaluation(run: Run, dataset: str) -> dict:
    """What was written of its test on another dataset."""
    return files.read_json(runs.evaluation_folder(run, dataset) / runs.METRICS)
