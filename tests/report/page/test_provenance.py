"""What made a report is on it."""

from tfcr.report.findings.conditions import group_by_condition
from tfcr.report.findings.sections import divide
from tfcr.report.page.provenance import provenance_of


def made_by(*runs):
    (section,) = divide(group_by_condition(runs))
    return provenance_of(section)


def test_facts_are_gathered_over_runs(make_run):
    versions = {"python": "3.11.7", "tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.2.0"}
    runs = [make_run(f"{fold}{seed}", fold=fold, seed=seed, versions=versions) for fold in range(3) for seed in (1, 5)]
    facts = dict(made_by(*runs).facts)
    assert (facts["Folds"], facts["Seeds"], facts["Runs"]) == ("0 to 2", "1, 5", "6")
    assert facts["SHA-256 of the dataset"] == "ab" * 32
    assert facts["Training time"] == "0.2 hours together"  # six times 120 s
    assert (facts["Python"], facts["TensorFlow"]) == ("3.11.7", "2.21.0")
    assert facts["Trained by"] == "tfcr 0.1.0"


def test_what_no_run_recorded_is_left_out(make_run):
    facts = dict(made_by(make_run()).facts)
    assert not {"Python", "TensorFlow", "SHA-256 of the word vectors"} & set(facts)


def test_what_made_own_features_is_told_where_a_run_knows_it(make_run):
    own = {"audio_features": "wavlm", "text_features": "bert"}
    facts = dict(made_by(make_run(**own, extractors={"audio_features": {"model": "wavlm", "layer": "all"}})).facts)
    assert facts["Features wavlm"] == "model wavlm, layer all" and "Features bert" not in facts


def test_shared_settings_stand_once_and_others_with_who_has_them(make_run):
    runs = [
        make_run("a", settings={"lstm": {"units": 200}, "dropout": 0.1}),
        make_run("b", alpha=0.1, settings={"lstm": {"units": 16}, "dropout": 0.1}),
    ]
    made = made_by(*runs)
    assert "dropout: 0.1" in made.shared and "lstm" not in made.shared
    assert [(each.field, each.value, each.conditions) for each in made.deviations] == [
        ("lstm.units", "200", ["Model-level fusion (baseline) (random)"]),
        ("lstm.units", "16", ["Contrastive regularization, α = 0.1 (random)"]),
    ]


def test_what_a_regulariser_is_made_of_is_told_of_the_runs_that_have_one(make_run):
    runs = [
        make_run("a", settings={"discriminator_units": 320}),  # of the preset, for nobody reads it
        make_run("b", alpha=0.1, settings={"discriminator_units": 16}),
    ]
    made = made_by(*runs)
    assert "discriminator_units: 16" in made.shared and not made.deviations
    assert "discriminator_units: 320" in made_by(runs[0]).shared
