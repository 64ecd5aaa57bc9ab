"""What is measured, against figures worked out by hand."""

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from tfcr.errors import TfcrError
from tfcr.report.findings.conditions import group_by_condition
from tfcr.report.findings.results import measure
from tfcr.report.findings.sections import divide


def measured(*runs):
    (group,) = group_by_condition(runs)
    return measure(group)


def test_wa_is_averaged_over_seeds_before_folds(make_run):
    label = [0, 0, 1, 1]
    result = measured(
        make_run("f0s0", fold=0, seed=0, label=label, predicted=[0, 0, 1, 1], audio=label, text=label),  # WA 1
        make_run("f0s1", fold=0, seed=1, label=label, predicted=[0, 0, 0, 0], audio=label, text=label),  # WA 1/2
        make_run("f1s0", fold=1, seed=0, label=label, predicted=[0, 1, 0, 0], audio=label, text=label),  # WA 1/4
    )
    # Fold means 3/4 and 1/4: mean 1/2, sample deviation sqrt(2 * (1/4)^2 / 1) = sqrt(1/8).
    assert result.wa.mean == pytest.approx(0.5)
    assert result.wa.deviation == pytest.approx(math.sqrt(1 / 8))
    # Only fold 0 has two seeds, 1 and 1/2: again deviation sqrt(2 * (1/4)^2).
    assert result.wa.seed_deviation == pytest.approx(math.sqrt(1 / 8))
    # Pooled over the eight utterances: fold 0 has 4 and 2 of 4 right, 3 on average, fold 1 has 1.
    assert result.pooled.wa == pytest.approx(4 / 8)


def test_pooled_figures_are_those_of_sklearn(make_run):
    rng = np.random.default_rng(7)
    labels = [rng.choice(4, 50, p=[0.5, 0.2, 0.2, 0.1]) for _ in range(3)]
    predictions = [np.where(rng.random(50) < 0.6, label, rng.integers(0, 4, 50)) for label in labels]
    runs = [
        make_run(f"f{fold}", fold=fold, label=label, predicted=predicted, audio=predicted, text=predicted)
        for fold, (label, predicted) in enumerate(zip(labels, predictions, strict=True))
    ]
    result = measured(*runs)
    assert result.pooled.wa == pytest.approx(accuracy_score(np.concatenate(labels), np.concatenate(predictions)))
    assert result.pooled.ua == pytest.approx(
        balanced_accuracy_score(np.concatenate(labels), np.concatenate(predictions))
    )


def test_one_fold_has_no_deviation(make_run):
    result = measured(make_run())
    assert result.wa.mean == 7 / 8
    assert result.wa.deviation is None and result.wa.seed_deviation is None


def test_ua_is_over_the_classes_that_occur(make_run):
    # No anger: recalls 1, 1/2, 0 of the others.
    three = [0, 0, 1, 1, 2]
    result = measured(make_run(label=three, predicted=[0, 0, 1, 0, 3], audio=three, text=three))
    assert result.ua.mean == pytest.approx(0.5)
    assert result.absent == ["anger"]
    assert result.folds_with_absent == [0]


def test_a_run_of_the_schema_before_has_f1_by_its_confusion_matrix_and_no_temperature(make_run):
    # True 0 0 1 1 2, predicted 0 0 1 0 3. F1 = 2 right / (true + predicted): 4/5, 2/3, 0, of the classes that occur.
    three = [0, 0, 1, 1, 2]
    run = make_run(label=three, predicted=[0, 0, 1, 0, 3], audio=three, text=three)
    assert "macro_f1" not in run.metrics["test"] and "temperature" not in run.metrics
    result = measured(run)
    assert result.macro_f1.mean == pytest.approx((4 / 5 + 2 / 3) / 3)
    assert result.weighted_f1.mean == pytest.approx((2 * 4 / 5 + 2 * 2 / 3) / 5)
    assert list(result.f1.values()) == [pytest.approx(4 / 5), pytest.approx(2 / 3), 0, None]
    assert list(result.precision.values()) == [pytest.approx(2 / 3), 1, None, 0]
    # Every confidence is e/(e + 3), and 3 of 5 are right.
    assert result.ece.mean == pytest.approx(3 / 5 - math.e / (math.e + 3))
    assert result.ece_scaled is None and result.calibration.after is None


def test_each_run_is_calibrated_by_its_own_temperature(make_run):
    # 7 of 8 are right, at confidence t / (t + 3) for logits log t: 1/2 of log 3, and 3/4 of log 9.
    runs = [make_run(f"f{k}", fold=k, temperature=1 / math.log(t)) for k, t in enumerate((3, 9))]
    result = measured(*runs)
    assert result.ece_scaled.by_fold == {0: pytest.approx(7 / 8 - 1 / 2), 1: pytest.approx(7 / 8 - 3 / 4)}
    assert result.calibration.after.count.sum() == 16 and result.calibration.before.count.max() == 16


def test_a_system_without_audio_has_no_conflicts(make_run):
    result = measured(make_run(system="text", audio=None))
    assert result.conflict is None and result.conflict_rate is None and result.wa_audio is None
    assert result.wa_text.mean == 6 / 8  # text alone is wrong on the second and the last of eight


def differences(*runs):
    (section,) = divide(group_by_condition(runs))
    return section.differences


def test_a_difference_pairs_the_cells_both_have(make_run):
    label = [0, 0, 1, 1]
    runs = [
        make_run("base0", fold=0, label=label, predicted=[0, 1, 1, 0], audio=label, text=label),  # right: 1st, 3rd
        make_run("base1", fold=1, label=label, predicted=[1, 1, 0, 0], audio=label, text=label),  # no partner
        make_run("ours0", fold=0, alpha=0.1, label=label, predicted=[0, 0, 0, 1], audio=label, text=label),  # not 3rd
        make_run(
            "ours2", fold=2, alpha=0.1, label=label, predicted=[0, 0, 1, 1], audio=label, text=label
        ),  # no partner
    ]
    (difference,) = differences(*runs)
    assert difference.role == "primary" and difference.confounds == []
    comparison = difference.comparison
    assert comparison.cells == ((0, 0),)
    (seed,) = comparison.by_seed
    assert (seed.mcnemar.gained, seed.mcnemar.lost, seed.utterances) == (2, 1, 4)
    assert comparison.wa == comparison.effect == pytest.approx(3 / 4 - 2 / 4)
    assert comparison.ua == pytest.approx(3 / 4 - 2 / 4)


def test_settings_that_differ_besides_alpha_are_named(make_run):
    (difference,) = differences(make_run("base"), make_run("ours", alpha=0.1, settings={"batch_size": 32}))
    assert difference.confounds == ["batch_size"]


def test_pairs_must_have_tested_the_same_utterances(make_run):
    other = [f"other-{index}" for index in range(8)]
    with pytest.raises(TfcrError, match="expected the same test utterances"):
        differences(make_run("base"), make_run("ours", alpha=0.1, ids=other))


def test_the_papers_alpha_is_the_primary_comparison_and_the_rest_of_the_grid_comes_after_it(make_run):
    runs = [make_run(f"a{alpha}", alpha=alpha) for alpha in (0, 0.05, 0.1, 0.2)]
    assert [(each.role, each.proposed.condition.alpha) for each in differences(*runs)] == [
        ("primary", 0.1),
        ("chosen per fold", None),
        ("grid", 0.05),
        ("grid", 0.2),
    ]


def test_predictions_that_contradict_the_metrics_are_refused(make_run):
    run = make_run(test={"confusion": np.eye(4, dtype=int).tolist()})
    with pytest.raises(TfcrError, match="different confusion matrices; train the run again in another folder"):
        measured(run)


def test_improvised_and_scripted_speech_stand_apart_on_iemocap(make_run):
    ids = ["Ses01F_impro01_F000", "Ses01F_impro01_F001", "Ses01F_script01_1_F000", "Ses05M_script01_1b_M003"]
    label = [0, 1, 0, 1]
    result = measured(make_run(ids=ids, label=label, predicted=[0, 1, 0, 0], audio=label, text=label))
    assert [(style.name, style.wa, style.predictions) for style in result.styles] == [
        ("improvised", 1.0, 2),
        ("scripted", 0.5, 2),
    ]


def test_only_the_published_split_is_on_the_published_test_set(make_run):
    label = np.repeat(range(4), [365, 311, 213, 218])
    facts = {"label": label, "predicted": label, "audio": label, "text": label}
    assert measured(make_run("same", protocol="authors", **facts)).on_published_test_set
    assert not measured(make_run("random", protocol="random", **facts)).on_published_test_set
    assert not measured(make_run("shifted", protocol="authors", fold=1, **facts)).on_published_test_set
    assert not measured(make_run("small", protocol="authors")).on_published_test_set


def test_the_same_cell_twice_is_refused_naming_both_folders(make_run):
    with pytest.raises(TfcrError, match=r"(?s)first.*second.*fold 3, seed 1"):
        group_by_condition([make_run("first", fold=3, seed=1), make_run("second", fold=3, seed=1)])


def test_settings_that_differ_within_a_cell_are_named(make_run):
    runs = [make_run("first"), make_run("second", settings={"negative_weights": [1, 2]})]
    with pytest.raises(TfcrError, match=r"(?s)first.*second.*differ in negative_weights.*separate reports") as raised:
        group_by_condition(runs)
    assert "same experiment" not in str(raised.value)


def test_balanced_class_weights_are_a_condition_of_their_own(make_run):
    balanced = {"class_weights": "balanced"}
    before = make_run("before", settings=balanced)  # by a version that wrote it into config.yaml alone
    proposed = make_run("proposed", alpha=0.1, settings=balanced, **balanced)
    groups = group_by_condition([make_run("plain"), before, proposed])
    assert [group.condition.name for group in groups] == [
        "Model-level fusion (baseline)",
        "Model-level fusion (baseline), with balanced class weights",
        "Contrastive regularization, α = 0.1, with balanced class weights",
    ]
    assert [group.condition.published_row is None for group in groups] == [False, True, True]
    [section] = divide(groups)
    compared = [setting.primary for setting in section.settings if setting.primary]
    assert [(each.baseline.condition, each.confounds) for each in compared] == [(groups[1].condition, [])]


def test_pooling_by_attention_is_a_condition_of_its_own_where_there_is_something_to_pool(make_run):
    own = {"audio_features": "wavlm", "own_features": {"audio_features": [None, 768]}}
    attended = {"settings": {"pooling": "attention"}}
    runs = [make_run("mean", **own), make_run("attended", **own, **attended), make_run("spectrograms", **attended)]
    groups = group_by_condition([*runs, make_run("audio", system="audio", **own, **attended)])
    assert [group.condition.name for group in groups] == [
        "Model-level fusion (baseline)",
        "Model-level fusion on wavlm",
        "Model-level fusion on wavlm, pooled by attention",
        "Audio only on wavlm, pooled by attention",
    ]
    assert len({group.condition.setting for group in groups}) == 4


def test_pooling_says_nothing_of_features_without_time(make_run):
    own = {"audio_features": "egemaps", "own_features": {"audio_features": [88]}}
    attended = {"settings": {"pooling": "attention"}}
    [group] = group_by_condition([make_run("mean", **own), make_run("attended", seed=1, **own, **attended)])
    assert group.condition.name == "Model-level fusion on egemaps" and group.differing_settings == []
    with pytest.raises(TfcrError, match="are the same experiment"):
        group_by_condition([make_run("one", **own), make_run("other", **own, **attended)])


def test_the_number_of_replicas_is_a_setting_where_each_has_its_own_negatives(make_run):
    def differing(scope, alpha):
        settings = {"negatives_scope": scope}
        runs = [
            make_run(f"{scope}-{alpha}-{fold}", fold=fold, alpha=alpha, replicas=count, settings=settings)
            for fold, count in enumerate((2, 4))
        ]
        [group] = group_by_condition(runs)
        return group.differing_settings

    assert differing("replica", 0.1) == ["replicas"]
    assert differing("replica", 0.0) == differing("global", 0.1) == []


def test_the_smallest_alpha_is_no_baseline(make_run):
    groups = group_by_condition([make_run("base"), make_run("tiny", alpha=1e-7)])
    assert [group.condition.alpha for group in groups] == [0, 1e-7]
    assert groups[1].condition.name == "Contrastive regularization, α = 1e-07"


def test_an_alpha_is_the_same_however_it_was_computed(make_run):
    (group,) = group_by_condition([make_run("a", alpha=0.3), make_run("b", alpha=0.1 + 0.2, seed=1)])
    assert group.condition.alpha == 0.3


def test_one_report_needs_the_same_emotions(make_run):
    with pytest.raises(TfcrError, match="same emotions in the same order"):
        group_by_condition(
            [make_run("a"), make_run("b", seed=1, emotions=("anger", "sadness", "happiness", "neutral"))]
        )


def test_no_runs_are_refused():
    with pytest.raises(TfcrError, match="no runs"):
        group_by_condition([])


def test_runs_on_ones_own_features_are_a_condition_of_their_own(make_run):
    runs = [
        make_run("paper", alpha=0.0),
        make_run("own", alpha=0.0, audio_features="hubert", text_features=None),
        make_run("both", alpha=0.1, audio_features="hubert", text_features="bert"),
    ]
    names = [group.condition.name for group in group_by_condition(runs)]
    assert names == [
        "Model-level fusion (baseline)",
        "Model-level fusion on hubert",
        "Model-level fusion on hubert and bert + contrastive, α = 0.1",
    ]
    assert [group.condition.published_row is None for group in group_by_condition(runs)] == [False, True, True]
