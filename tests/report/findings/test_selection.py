"""Alpha is chosen per fold, by validation alone."""

import numpy as np
import pytest
from fabricated_runs import figures_of
from fabricated_sweeps import fabricated_sweep

from tfcr import files
from tfcr.report.findings.conditions import group_by_condition
from tfcr.report.findings.sections import divide
from tfcr.report.findings.selection import choose_alphas, chosen_group
from tfcr.runs import METRICS, PREDICTIONS, Predictions, open_run, read_predictions, write_predictions


@pytest.fixture
def make_grid(make_run):
    """A function that makes the runs of {(alpha, fold, seed): validation UA}."""

    def make(validation_ua, **facts):
        return [
            make_run(f"a{alpha}-f{fold}-s{seed}", alpha=alpha, fold=fold, seed=seed, validation={"ua": ua}, **facts)
            for (alpha, fold, seed), ua in validation_ua.items()
        ]

    return make


def chosen(runs):
    return {choice.fold: choice.alpha for choice in choose_alphas(group_by_condition(runs))}


def test_a_fold_takes_the_alpha_with_the_best_mean_over_seeds_of_its_validation_ua(make_grid):
    fold_0 = {0.0: (0.50, 0.50), 0.1: (0.58, 0.62), 0.2: (0.40, 0.70)}  # means 0.50, 0.60, 0.55
    fold_1 = {0.0: (0.60, 0.60), 0.1: (0.50, 0.50), 0.2: (0.40, 0.40)}
    ua = {
        (alpha, fold, seed): value
        for fold, by_alpha in enumerate((fold_0, fold_1))
        for alpha, values in by_alpha.items()
        for seed, value in enumerate(values)
    }
    runs = make_grid(ua)
    assert chosen(runs) == {0: 0.1, 1: 0.0}


def test_of_equal_alphas_the_smallest_is_taken_whatever_the_rounding(make_grid):
    # Both 0.1 and 0.3 have mean 0.2; in floating point 0.1 + 0.3 and 0.2 + 0.2 may differ in the last digit.
    ua = {(0.0, 0, 0): 0.1, (0.0, 0, 1): 0.1, (0.1, 0, 0): 0.2, (0.1, 0, 1): 0.2, (0.3, 0, 0): 0.1, (0.3, 0, 1): 0.3}
    assert chosen(make_grid(ua)) == {0: 0.1}


def test_an_alpha_that_lacks_a_seed_is_no_candidate(make_grid):
    ua = {(0.0, 0, 0): 0.5, (0.0, 0, 1): 0.5, (0.1, 0, 0): 0.6, (0.1, 0, 1): 0.6, (0.2, 0, 0): 0.9}
    (choice,) = choose_alphas(group_by_condition(make_grid(ua)))
    assert choice.alpha == 0.1
    assert choice.validation_ua == pytest.approx({0.0: 0.5, 0.1: 0.6})


def test_two_alphas_are_no_grid(make_grid):
    assert chosen(make_grid({(0.0, 0, 0): 0.5, (0.1, 0, 0): 0.6})) == {}


def test_the_chosen_row_has_the_test_figures_of_the_choices(make_grid, make_run):
    label = [0, 0, 1, 1]
    same = {"label": label, "audio": label, "text": label}
    runs = [
        make_run("00", alpha=0.0, fold=0, validation={"ua": 0.9}, predicted=[0, 0, 1, 1], **same),  # chosen, WA 1
        make_run("10", alpha=0.1, fold=0, validation={"ua": 0.5}, predicted=[0, 0, 1, 0], **same),
        make_run("20", alpha=0.2, fold=0, validation={"ua": 0.5}, predicted=[0, 0, 1, 0], **same),
        make_run("01", alpha=0.0, fold=1, validation={"ua": 0.5}, predicted=[0, 0, 1, 1], **same),
        make_run("11", alpha=0.1, fold=1, validation={"ua": 0.5}, predicted=[0, 0, 1, 1], **same),
        make_run("21", alpha=0.2, fold=1, validation={"ua": 0.9}, predicted=[0, 1, 0, 1], **same),  # chosen, WA 1/2
    ]
    (section,) = divide(group_by_condition(runs))
    (setting,) = section.settings
    assert setting.chosen.wa.by_fold == {0: 1.0, 1: 0.5}
    assert setting.chosen.wa.mean == pytest.approx(0.75)  # the best alpha by test, 0.0, would have 1
    assert setting.chosen.group.condition.name == "Contrastive regularization, α chosen per fold on validation"
    assert setting.chosen.group.differing_settings == []  # alpha differs between folds by intent
    assert setting.chosen in section.main_results


def test_no_test_figure_and_no_test_label_moves_a_choice(tmp_path):
    sweep = {"systems": ["fusion"], "alphas": [0.0, 0.1, 0.5, 0.9], "folds": 3, "seeds": 2, "utterances": 40}
    before = fabricated_sweep(tmp_path, **sweep, dimensions=(4, 3), epochs=6)
    choices = choose_alphas(group_by_condition(before))
    test_ua = [run.metrics["test"]["ua"] for run in before]
    random = np.random.default_rng(0)
    after = [_with_other_tests(run, random) for run in before]
    assert choose_alphas(group_by_condition(after)) == choices
    assert not any(run.metrics["test"]["ua"] == ua for run, ua in zip(after, test_ua, strict=True))


def test_the_choice_reads_nothing_of_the_test_part(make_grid):
    runs = make_grid({(alpha, 0, 0): alpha for alpha in (0.0, 0.1, 0.2)})
    for run in runs:
        run.metrics.pop("test")
        (run.folder / PREDICTIONS).unlink()
    groups = group_by_condition(runs)
    choices = choose_alphas(groups)
    assert [choice.alpha for choice in choices] == [0.2]
    assert list(chosen_group(groups, choices).runs.values()) == [runs[2]]


def _with_other_tests(run, random):
    """The same run with test labels and scores drawn anew; the validation part stays."""
    old = read_predictions(run.folder / PREDICTIONS)
    fields = {name: getattr(old, name) for name in ("id", "speaker", "session", "script")}
    scores = {name: random.normal(size=old.logits.shape) for name in ("logits", "audio_logits", "text_logits")}
    label = np.random.default_rng(run.metrics["fold"]).permutation(old.label)
    new = Predictions(**fields, **scores, label=label)
    write_predictions(run.folder / PREDICTIONS, new)
    files.write_json(run.folder / METRICS, run.metrics | {"test": figures_of(new, run.emotions)})
    return open_run(run.folder)
