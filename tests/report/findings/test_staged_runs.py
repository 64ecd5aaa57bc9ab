"""Stages of the preset `authors` in a report: the contrastive model stands beside the baseline that was trained on."""

import dataclasses

from tfcr import published
from tfcr.report.findings.conditions import Condition

BASELINE = Condition("sha", "authors", "authors", 0, "fusion", 0.0, "unimodal")
CONTINUED = dataclasses.replace(BASELINE, start="baseline")
PROPOSED = dataclasses.replace(CONTINUED, alpha=0.1)


def test_the_contrastive_model_is_paired_with_the_baseline_that_was_trained_on():
    assert PROPOSED.setting == CONTINUED.setting != BASELINE.setting


def test_the_published_baseline_is_the_one_before():
    assert BASELINE.published_row == published.TABLE_1[0]
    assert CONTINUED.published_row is None
    assert PROPOSED.published_row == published.TABLE_1[1]


def test_the_three_have_names_of_their_own_and_stand_in_this_order():
    names = [condition.name for condition in sorted((PROPOSED, CONTINUED, BASELINE), key=lambda each: each.order)]
    assert names == [
        "Model-level fusion (baseline)",
        "Model-level fusion (baseline, trained on)",
        "Contrastive regularization, α = 0.1",
    ]
