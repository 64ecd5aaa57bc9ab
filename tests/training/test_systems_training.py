"""Every system of Table 1 through the whole training: on its features, with its paper's settings, to figures."""

import dataclasses
import functools
import shutil

import numpy as np
import pytest

from tfcr import runs
from tfcr.config import PRESETS
from tfcr.data.pipeline import Pipeline
from tfcr.errors import TfcrError, UsageError
from tfcr.models import systems
from tfcr.models.layers.standardization import Standardization
from tfcr.models.layers.word_table import WordTable
from tfcr.models.sizes import Sizes
from tfcr.models.systems import ds_lstm
from tfcr.training.build import build_model, layers_of_kind
from tfcr.training.epochs import learning_rate
from tfcr.training.experiment import pipeline_of, plan
from tfcr.training.observer import Observer
from tfcr.training.train import train_fold

TINY = {
    "conv_filters": 2,
    "lstm_layers": 1,
    "lstm_units": 8,
    "recurrent_units": 8,
    "hidden_units": 16,
    "discriminator_units": 8,
    "batch_size": 32,
    "epochs": 1,
    "max_frames": 40,
    "max_token_ids": 8,
    "shuffle_buffer": 64,
    "projection_units": 8,
}
OTHERS = sorted(set(systems.names()) - {"audio", "fusion", "text"})
QUICK = ("mdre", "late-fusion")  # a sequence system with everything, and one of segments; the others are traced longer
REGULARISED = [name for name in systems.names() if systems.system(name).REGULARISED]


def tiny(name, **fields):
    return systems.configure({**TINY, "system": name, **fields})


def quick_or_full(names):
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.full) for name in names]


# ---- settings -------------------------------------------------------------------------------------------------------


def test_a_systems_paper_sets_what_is_left_open_and_the_user_wins():
    assert systems.configure({"system": "mdre"}).batch_size == 128  # Yoon, Byun and Jung (2018)
    assert systems.configure({"system": "mdre"}).clip_value == 10
    assert systems.configure({"system": "mdre", "batch_size": 64}).batch_size == 64
    assert systems.configure({"system": "ds-lstm"}).halve_every == 10  # Wang et al. (2020)
    assert systems.configure({"system": "fusion"}) == PRESETS["paper"]
    assert systems.configure({"system": "mdre"}, "authors").classification_loss == "sigmoid"  # as in their code
    assert systems.configure({"system": "mdre"}, "paper").classification_loss == "softmax"


def test_the_learning_rate_is_halved_after_ten_twenty_and_thirty_epochs_and_then_stays():
    config = systems.configure({"system": "ds-lstm"})
    rates = [learning_rate(config, epoch) for epoch in (0, 9, 10, 19, 20, 29, 30, 49)]
    assert rates == [1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4, 2.5e-4, 1.25e-4, 1.25e-4]
    assert {learning_rate(PRESETS["paper"], epoch) for epoch in (0, 99)} == {1e-3}


@pytest.mark.parametrize("name", REGULARISED)
def test_a_regularised_system_has_the_papers_alpha_by_default(name):
    assert systems.resolve(systems.configure({"system": name})).alpha == 0.1


def test_features_of_another_version_are_refused(full_dataset, tmp_path):
    from tfcr import files
    from tfcr.dataset_info import open_dataset

    shutil.copytree(full_dataset.folder, tmp_path / "old", ignore=shutil.ignore_patterns("corpus"))
    info = files.read_json(tmp_path / "old" / "dataset_info.json")
    info["features"]["mfcc"]["revision"] = 0
    files.write_json(tmp_path / "old" / "dataset_info.json", info)
    old = open_dataset(tmp_path / "old")
    with pytest.raises(TfcrError, match="the features mfcc as another version of tfcr computes them"):
        old.feature_sets(["prosody", "mfcc"])
    assert old.feature_sets(["prosody"])


def test_a_system_that_needs_other_features_names_the_command(small_dataset):
    with pytest.raises(TfcrError, match=r"without the features mfcc, prosody, token_ids; .*`tfcr prepare-tfrecords`"):
        plan(systems.configure({"system": "mdre"}), small_dataset.folder)


@pytest.mark.parametrize(("name", "field"), [("mdre", "audio_features"), ("audio", "text_features")])
def test_features_that_a_system_does_not_take_are_wrong_usage(name, field):
    with pytest.raises(UsageError, match=f"system '{name}' takes no {field}; those that do are .*fusion"):
        systems.configure({"system": name, field: "hubert"})


# ---- start ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mdre(full_dataset):
    experiment = plan(tiny("mdre"), full_dataset.folder)
    return experiment, build_model(experiment)


def test_statistics_are_of_the_training_part_alone(mdre):
    experiment, model = mdre
    layers = {layer.feature: layer for layer in layers_of_kind(model.network, Standardization)}
    assert set(layers) == {"mfcc", "prosody"}
    pipeline = pipeline_of(experiment.config, experiment.dataset, model.network)
    steps = np.concatenate(list(pipeline.steps(experiment.split.train, "mfcc"))).astype(np.float64)
    assert max(len(each) for each in pipeline.steps(experiment.split.train, "mfcc")) == TINY["max_frames"]
    np.testing.assert_allclose(layers["mfcc"].mean, steps.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(layers["mfcc"].deviation, steps.std(axis=0), rtol=1e-4)


def test_what_a_systems_paper_says_of_training_reaches_the_optimiser_and_the_loss(mdre, full_dataset):
    _, model = mdre
    assert (model.optimizer.clipvalue, model.optimizer.clipnorm, model.classification_loss) == (10.0, None, "softmax")
    other = build_model(plan(tiny("early-fusion", clip_norm=0.5, classification_loss="sigmoid"), full_dataset.folder))
    assert (other.optimizer.clipvalue, other.optimizer.clipnorm, other.classification_loss) == (None, 0.5, "sigmoid")


def test_a_halved_learning_rate_is_trained_with_from_its_epoch_on(full_dataset, tmp_path):
    def losses(name, **fields):
        config = tiny("early-fusion", epochs=2, **fields)
        return [row["loss"] for row in train_fold(plan(config, full_dataset.folder), tmp_path / name).history]

    first, second = losses("constant"), losses("halved", halve_every=1)
    assert first[0] == second[0] and first[1] != second[1]


def test_words_start_with_the_datasets_vectors(mdre):
    from tfcr.features.vocabulary import read_vocabulary

    experiment, model = mdre
    [table] = layers_of_kind(model.network, WordTable)
    _, vectors, known = read_vocabulary(experiment.dataset.folder)
    start = np.array(table.weights[0])
    assert known.any() and start.shape == (len(vectors) + 1, 300)
    np.testing.assert_array_equal(start[1:][known], vectors[known])
    assert np.abs(start[1:][~known]).max(initial=0) <= 0.25


# ---- training -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", quick_or_full(OTHERS))
def test_a_system_trains_tests_and_is_the_same_when_it_is_tested_again(full_dataset, tmp_path, name):
    from tfcr.training.evaluate_run import evaluate_run

    run = train_fold(plan(tiny(name), full_dataset.folder), tmp_path / "run")
    assert sum(map(sum, run.metrics["test"]["confusion"])) == run.metrics["sizes"]["test"]
    before = run.predictions
    assert np.isfinite(before.logits).all()
    if systems.system(name).REGULARISED:  # the scores of both modalities add up, but for the head's bias
        gap = before.logits - before.audio_logits - before.text_logits
        np.testing.assert_allclose(gap, np.broadcast_to(gap[:1], gap.shape), atol=1e-5)
    evaluation = evaluate_run(run)
    np.testing.assert_array_equal(runs.open_run(run.folder).predictions.logits, before.logits)
    assert evaluation.figures["wa"] == run.metrics["test"]["wa"]


@pytest.mark.full
@pytest.mark.parametrize("name", systems.names())
def test_a_system_trains_with_class_weights_in_half_precision_and_stops_by_macro_f1(
    full_dataset, tmp_path, monkeypatch, name
):
    few = functools.partial(ds_lstm.mel_branch, channels=(8, 4))  # all of them take minutes where a CPU has no bfloat16
    monkeypatch.setattr(ds_lstm, "mel_branch", few)
    settings = {"class_weights": "balanced", "precision": "mixed_bfloat16", "stop_on": "macro-f1", "epochs": 2}
    experiment = plan(tiny(name, **settings), full_dataset.folder)
    labels = experiment.labels(experiment.split.train)
    weights = build_model(experiment).class_weights
    assert np.bincount(labels) * weights == pytest.approx(np.full(4, len(labels) / 4))
    run = train_fold(experiment, tmp_path / "run")
    by_epoch = [row["val_macro_f1"] for row in run.history]
    assert run.metrics["best_epoch"] == 1 + int(np.argmax(by_epoch))
    assert run.metrics["validation"]["macro_f1"] == pytest.approx(max(by_epoch), abs=0.2)  # evaluated in float32
    assert not any("branch" in layer for layer in run.metrics["fast_layers"])  # those train in one precision


def of_different_words(dataset, positions):
    """The first utterance of each sentence: nothing can tell two emotions from the same words."""
    pipeline = Pipeline(dataset, ["token_ids"], features=dataset.feature_sets(["token_ids"]))
    sentences = [tuple(steps.ravel()) for steps in pipeline.steps(positions, "token_ids")]
    return np.array(
        [position for number, position in enumerate(positions) if sentences[number] not in sentences[:number]]
    )


@pytest.mark.full
@pytest.mark.parametrize("name", systems.names())
def test_a_system_overfits_32_utterances(full_dataset, name):
    from tfcr.training.evaluate import UtteranceOutputs

    sizes = {"recurrent_units": 32, "lstm_units": 32, "hidden_units": 64, "conv_filters": 4, "max_frames": 120}
    no_dropout = {"audio_dropout": 0.0, "text_dropout": 0.0}
    rate = 0.01 if name == "text" else 0.003  # word vectors of a small corpus are much alike, and learning takes longer
    config = tiny(name, **{**sizes, **no_dropout, "batch_size": 32, "learning_rate": rate, "alpha": 0.0})
    experiment = plan(config, full_dataset.folder)
    few = of_different_words(full_dataset, experiment.split.train)[:32]
    experiment = dataclasses.replace(experiment, split=dataclasses.replace(experiment.split, train=few))
    model = build_model(experiment)
    pipeline = pipeline_of(experiment.config, full_dataset, model.network)
    outputs, labels = UtteranceOutputs(model.network, pipeline), experiment.labels(few)
    batches = pipeline.training(few, batch_size=32, seed=0).cache()
    for _ in range(40):  # with words alone, how long it takes hangs on rounding: 200 to 500 times
        model.fit(batches.repeat(20), verbose=0, shuffle=False)
        if (outputs(few)["logits"].argmax(axis=1) == labels).all():
            return
    pytest.fail(f"{name} still errs on the 32 utterances that it was trained on 800 times")


@pytest.mark.parametrize("name", quick_or_full([name for name in REGULARISED if name != "fusion"]))
def test_the_regulariser_changes_what_another_system_learns(full_dataset, name):
    histories = []
    for alpha in (0.0, 0.5):
        experiment = plan(tiny(name, alpha=alpha), full_dataset.folder)
        model = build_model(experiment)
        pipeline = pipeline_of(experiment.config, full_dataset, model.network)
        batch = pipeline.training(experiment.split.train, batch_size=32, seed=0).take(1)
        histories.append(model.fit(batch, verbose=0, shuffle=False).history)
    assert "contrastive_loss" not in histories[0]
    [loss], [first], [second] = (histories[1][key] for key in ("loss", "classification_loss", "contrastive_loss"))
    assert loss == pytest.approx(0.5 * first + 0.5 * second, rel=1e-5)  # Eq. 7


def test_the_decisions_are_weighed_by_the_validation_part(full_dataset, tmp_path):
    run = train_fold(plan(tiny("late-fusion", decision_weights="validation"), full_dataset.folder), tmp_path / "run")
    experiment = plan(tiny("late-fusion"), full_dataset.folder)
    from tfcr.models.restore import restore_network
    from tfcr.training.evaluate import UtteranceOutputs

    network = restore_network(experiment.config, 4, run.folder / runs.WEIGHTS, Sizes())
    outputs = UtteranceOutputs(network, pipeline_of(experiment.config, full_dataset, network))
    validation = experiment.split.validation
    found = outputs(validation)
    share = systems.system("late-fusion").choose_share(
        found["audio_logits"], found["text_logits"], experiment.labels(validation)
    )
    assert float(network.get_layer("head").audio_share) == pytest.approx(share)


def test_words_of_another_vector_space_are_refused_also_without_scores_of_their_own(full_dataset, tmp_path):
    """Feature-level fusion reads word vectors, and has one score alone."""
    from tfcr.corpora import synthetic
    from tfcr.preparation.options import Preparation
    from tfcr.preparation.prepare import prepare
    from tfcr.training.evaluate_run import evaluate_run

    run = train_fold(plan(tiny("early-fusion"), full_dataset.folder), tmp_path / "run")
    assert "text_logits" not in run.metrics["training_means"]
    synthetic.read(tmp_path / "corpus", seed=5, utterances=60)
    sets, options = ("mfcc", "prosody"), {"seed": 5, "utterances": 60}
    other = prepare(Preparation("synthetic", tmp_path / "corpus", tmp_path / "o", "o", features=sets, options=options))
    with pytest.raises(TfcrError, match="has other word vectors"):
        evaluate_run(run, other.folder)


def test_features_that_are_prepared_anew_in_the_middle_of_a_training_leave_no_figures(full_dataset, tmp_path):
    shutil.copytree(full_dataset.folder, tmp_path / "data")
    shard = tmp_path / "data" / full_dataset.features["prosody"].shards[0].name

    class PreparedAnew(Observer):
        def epoch(self, row, state):
            shard.write_bytes(shard.read_bytes() * 2)  # the records are there, and once more

    with pytest.raises(TfcrError, match=f"{shard.name} has .* bytes; expected"):
        train_fold(plan(tiny("early-fusion"), tmp_path / "data"), tmp_path / "run", PreparedAnew())
    assert not (tmp_path / "run" / runs.METRICS).exists()


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"vocabulary_sha256": "0" * 64}, r"has another vocabulary than .* test it on a dataset of the same words"),
        ({"own_features": {"audio_features": [None, 24]}}, r"own features of the shapes {}; .* was trained on"),
    ],
)
def test_a_run_is_not_tested_on_features_that_mean_something_else(full_dataset, tmp_path, metrics, message):
    from tfcr.training.comparable import refuse_unlike

    config = systems.resolve(tiny("mdre"))
    own = {"vocabulary_sha256": full_dataset.info["vocabulary"]["sha256"], "own_features": {}}
    refuse_unlike("a run", own, config, full_dataset)  # its own are right
    with pytest.raises(TfcrError, match=message):
        refuse_unlike("a run", {**own, **metrics}, config, full_dataset)


def test_a_run_is_not_tested_on_features_of_another_extractor(full_dataset, monkeypatch):
    from tfcr.training import comparable

    monkeypatch.setattr(comparable, "extractors_of", lambda config, dataset: {"audio_features": {"layer": "last"}})
    config = systems.resolve(tiny("audio"))
    comparable.refuse_unlike("a run", {"own_features": {}}, config, full_dataset)  # nobody knows what made its own
    recorded = {"own_features": {}, "extractors": {"audio_features": {"layer": 3}}}
    with pytest.raises(TfcrError, match=r"has audio_features made by layer last; .* those made by layer 3"):
        comparable.refuse_unlike("a run", recorded, config, full_dataset)
