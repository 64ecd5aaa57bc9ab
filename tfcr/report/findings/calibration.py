"""Whether the probabilities of test predictions are true, before and after each run's own temperature."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tfcr.objectives.calibration import Reliability, confidences, reliability
from tfcr.report.findings.conditions import Cell, Group


@dataclass(frozen=True)
class Calibration:
    """The calibration of a condition.

    Attributes:
        before: of the test predictions of all runs together: an utterance counts once per seed.
        after: with each run's temperature, which its validation part chose; None where a run has none.
        errors, errors_scaled: expected calibration error of each run, before and after; the latter None like `after`.
    """

    before: Reliability
    after: Reliability | None
    errors: Mapping[Cell, float]
    errors_scaled: Mapping[Cell, float] | None


def find_calibration(group: Group) -> Calibration:
    """The calibration of a condition, from its stored predictions; the temperatures are those of metrics.json."""
    temperatures = {cell: run.metrics.get("temperature") for cell, run in group.runs.items()}
    before, errors = _reliability(group, dict.fromkeys(temperatures, 1.0))
    if None in temperatures.values():  # of versions that fitted none
        return Calibration(before, None, errors, None)
    after, errors_scaled = _reliability(group, temperatures)
    return Calibration(before, after, errors, errors_scaled)


def _reliability(group: Group, temperatures: Mapping[Cell, float]) -> tuple[Reliability, dict[Cell, float]]:
    """Of all runs together, and the error of each."""
    right = {cell: each.logits.argmax(axis=1) == each.label for cell, each in group.predictions.items()}
    sure = {cell: confidences(each.logits, temperatures[cell]) for cell, each in group.predictions.items()}
    together = reliability(np.concatenate(list(right.values())), np.concatenate(list(sure.values())))
    return together, {cell: reliability(right[cell], sure[cell]).error for cell in right}
