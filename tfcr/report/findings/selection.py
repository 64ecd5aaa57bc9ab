"""Alpha chosen per fold: by the fold's own validation part, never by a test figure.

For a fold, the choice is the alpha whose validation UA (`validation.ua` of metrics.json), averaged over seeds, is
highest; of equal ones the smallest alpha. Baselines (α = 0) take part, as in the paper's grid from 0.0 to 1.0.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tfcr.report.findings.conditions import Cell, Group
from tfcr.runs import Run

LEAST_ALPHAS = 3  # two are a comparison, not a grid
_DIGITS = 12  # means that agree so far are equal: 0.5 and 0.7 average to what 0.6 and 0.6 do


@dataclass(frozen=True)
class Choice:
    """What the validation part of one fold says.

    Attributes:
        alpha: the choice.
        validation_ua: alpha → mean over seeds of the fold's validation UA, for every candidate.
    """

    fold: int
    alpha: float
    seeds: tuple[int, ...]
    validation_ua: Mapping[float, float]


def choose_alphas(groups: Sequence[Group]) -> list[Choice]:
    """The choice of every fold, ascending; empty for fewer than three alphas.

    An alpha that lacks one of the fold's seeds is no candidate there: means over other seeds are not comparable.

    Args:
        groups: the conditions of one setting, which differ in alpha alone.
    """
    if len(groups) < LEAST_ALPHAS:
        return []
    folds = sorted({fold for group in groups for fold in group.folds})
    choices = (_choose(fold, groups) for fold in folds)
    return [choice for choice in choices if choice]


def chosen_group(groups: Sequence[Group], choices: Sequence[Choice]) -> Group:
    """The runs of every fold's chosen alpha, as a condition of its own."""
    by_alpha = {group.condition.alpha: group for group in groups}
    runs: dict[Cell, Run] = {
        (choice.fold, seed): by_alpha[choice.alpha].runs[choice.fold, seed]
        for choice in choices
        for seed in choice.seeds
    }
    return Group(replace(groups[0].condition, alpha=None), runs)


def _choose(fold: int, groups: Sequence[Group]) -> Choice | None:
    figures = {group.condition.alpha: _validation_ua(fold, group) for group in groups}
    seeds = sorted(set().union(*figures.values()))
    candidates = {
        alpha: round(statistics.fmean(by_seed.values()), _DIGITS)
        for alpha, by_seed in sorted(figures.items())
        if seeds and by_seed.keys() == set(seeds)
    }
    if not candidates:
        return None
    best = max(candidates, key=candidates.__getitem__)  # of equals the first, and they ascend
    return Choice(fold, best, tuple(seeds), candidates)


def _validation_ua(fold: int, group: Group) -> dict[int, float]:
    """By seed, of one fold; without runs that recorded none."""
    found = {seed: run.metrics["validation"].get("ua") for (each, seed), run in group.runs.items() if each == fold}
    return {seed: value for seed, value in found.items() if value is not None}
