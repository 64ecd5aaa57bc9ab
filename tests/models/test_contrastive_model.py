"""ContrastiveModel as a Keras model: fit, evaluate, predict, save, load; and what alpha does to the weights."""

import csv
import json

import keras
import numpy as np
import pytest

from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.heads.pair_discriminator import PairDiscriminator
from tfcr.objectives.info_nce import info_nce
from tfcr.objectives.negatives import negative_weights
from tfcr.training.epochs import reseed

# Keras warns of the softmax over one word, which is 1 as it should be
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis 1:UserWarning")

SAMPLE_WEIGHT = np.array([0.2, 1.5, 1.0, 0.7, 2.0, 0.6], np.float32)  # sums to 6, as over an epoch


def eq_7(model, x, y, sample_weight=None):
    """The objective from the network's outputs, in NumPy float64 but for the discriminator's scores."""
    outputs = {name: np.asarray(value, np.float64) for name, value in model.predict(x, verbose=0).items()}
    logits, label = outputs["logits"], y["label"]
    l1 = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(label)), label]
    scores = np.asarray(model.discriminator(outputs["audio_embedding"], outputs["text_embedding"]), np.float64)
    negative = label[:, None] != label[None, :]
    l2 = np.log(np.exp(np.diag(scores)) + np.where(negative, np.exp(scores), 0).sum(1)) - np.diag(scores)
    weights = np.ones(len(label)) if sample_weight is None else sample_weight
    return np.mean(weights * ((1 - model.alpha) * l1 + model.alpha * l2)), np.mean(weights * l1), np.mean(weights * l2)


class TestLogs:
    @pytest.mark.parametrize("sample_weight", [None, SAMPLE_WEIGHT])
    def test_the_logged_losses_are_those_of_eq_5_to_7(self, make_model, examples, sample_weight):
        model = make_model(alpha=0.3)
        x, y = examples()
        expected = eq_7(model, x, y, sample_weight)
        logs = model.evaluate(x, y, batch_size=6, sample_weight=sample_weight, return_dict=True, verbose=0)
        found = [logs[name] for name in ("loss", "classification_loss", "contrastive_loss")]
        assert set(logs) == {"loss", "classification_loss", "contrastive_loss"}
        np.testing.assert_allclose(found, expected, rtol=1e-4)
        assert min(found) > 0.1

    @pytest.mark.parametrize("drawn", [None, 4])
    def test_a_training_step_and_a_test_step_have_one_objective(self, make_model, examples, drawn):
        x, y = examples()
        data = {"batch_size": 6, "sample_weight": SAMPLE_WEIGHT, "verbose": 0}
        logs = make_model(negatives_per_anchor=drawn).evaluate(x, y, return_dict=True, **data)
        history = make_model(negatives_per_anchor=drawn).fit(x, y, shuffle=False, **data).history
        for name, value in logs.items():
            assert history[name] == pytest.approx([value], rel=1e-5), name

    def test_an_epochs_loss_is_the_mean_over_its_examples_not_its_batches(self, make_model, examples):
        x, y = examples(6)
        model = make_model(alpha=0.0, discriminator=False)
        whole = model.evaluate(x, y, batch_size=6, verbose=0, return_dict=True)
        in_batches = model.evaluate(x, y, batch_size=4, verbose=0, return_dict=True)  # 4 and 2
        assert in_batches["loss"] == pytest.approx(whole["loss"], rel=1e-5)

    def test_examples_of_one_utterance_are_not_each_others_negatives(self, make_model, examples):
        x, y = examples()
        model = make_model(negatives="any")
        apart = model.evaluate(x, y, batch_size=6, return_dict=True, verbose=0)
        together = model.evaluate(
            x, {**y, "utterance": np.zeros(6, np.int32)}, batch_size=6, return_dict=True, verbose=0
        )
        assert together["contrastive_loss"] == 0 < apart["contrastive_loss"]
        assert together["classification_loss"] == apart["classification_loss"]

    def test_losses_that_layers_add_are_part_of_both_steps(self, make_network, examples):
        x, y = examples()
        network = make_network()
        model = ContrastiveModel(network, alpha=0.0)
        model.compile("adam", run_eagerly=True)
        plain = model.evaluate(x, y, verbose=0, return_dict=True)["loss"]
        network.get_layer("head").kernel.regularizer = keras.regularizers.L1(1.0)
        expected = plain + np.abs(network.get_layer("head").kernel.numpy()).sum()
        assert model.evaluate(x, y, verbose=0, return_dict=True)["loss"] == pytest.approx(expected, rel=1e-5)
        history = model.fit(x, y, batch_size=6, verbose=0).history
        assert history["loss"] == pytest.approx([expected], rel=1e-5)

    def test_the_csv_logger_and_early_stopping_see_the_loss(self, make_model, examples, tmp_path):
        model = make_model(metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")], graph=True)
        x, y = examples()
        model.fit(
            x,
            y,
            validation_data=(x, y),
            epochs=2,
            verbose=0,
            callbacks=[
                keras.callbacks.CSVLogger(tmp_path / "log.csv"),
                keras.callbacks.EarlyStopping("val_loss"),
                keras.callbacks.TerminateOnNaN(),
            ],
        )
        with open(tmp_path / "log.csv") as file:
            rows = list(csv.DictReader(file))
        losses = {"loss", "classification_loss", "contrastive_loss", "accuracy"}
        assert set(rows[0]) == {"epoch", *losses, *(f"val_{name}" for name in losses)}
        assert all(float(row["loss"]) > 0 for row in rows)


class TestKerasModel:
    @pytest.mark.parametrize("as_dictionary", [True, False])
    def test_labels_come_plain_or_with_utterances(self, make_model, examples, as_dictionary):
        model = make_model(metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")], graph=True)
        x, y = examples()  # every example its own utterance: the same as saying nothing about them
        target = y if as_dictionary else y["label"]
        before = model.evaluate(x, target, batch_size=6, return_dict=True, verbose=0)
        assert before["loss"] == pytest.approx(eq_7(model, x, y)[0], rel=1e-4)
        correct = model.predict(x, verbose=0)["logits"].argmax(1) == y["label"]
        assert before["accuracy"] == pytest.approx(correct.mean())
        history = model.fit(x, target, batch_size=6, epochs=15, verbose=0).history
        assert history["loss"][-1] < history["loss"][0]

    def test_a_column_of_labels_is_the_same(self, make_model, examples):
        x, y = examples()
        model = make_model()
        columns = {name: each[:, None] for name, each in y.items()}
        row, *others = (model.evaluate(x, labels, verbose=0) for labels in (y["label"], columns["label"], columns))
        assert others == [row, row]

    def test_a_column_of_weights_is_the_same(self, make_model, examples):
        x, y = examples()
        model = make_model()
        found = [
            model.evaluate(x, labels, sample_weight=weights, verbose=0, return_dict=True)
            for labels in (y["label"], y)
            for weights in (SAMPLE_WEIGHT, SAMPLE_WEIGHT[:, None])
        ]
        assert found[0] == found[1] and found[2] == found[3]

    def test_weighted_metrics_see_the_weights(self, make_model, examples):
        x, y = examples()
        model = make_model()
        model.compile("adam", weighted_metrics=["sparse_categorical_accuracy"], run_eagerly=True)
        found = model.evaluate(x, y, sample_weight=SAMPLE_WEIGHT, return_dict=True, verbose=0)
        correct = model.predict(x, verbose=0)["logits"].argmax(1) == y["label"]
        assert found["sparse_categorical_accuracy"] == pytest.approx(
            (correct * SAMPLE_WEIGHT).sum() / SAMPLE_WEIGHT.sum()
        )

    @pytest.mark.parametrize("settings", [
        {},
        {"alpha": 0.0, "discriminator": False},
        {"negatives": "any", "negative_weights": "balanced", "negatives_per_anchor": 5, "seed": 3},
        {"dtype": keras.DTypePolicy("mixed_bfloat16")},
    ], ids=["default", "baseline", "drawn", "bfloat16"])  # fmt: skip
    def test_it_is_saved_whole_and_training_goes_on_where_it_was(self, make_model, examples, tmp_path, settings):
        model = make_model(**settings)
        x, y = examples()
        model.fit(x, y, epochs=2, batch_size=3, shuffle=False, verbose=0)
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")  # safe_mode is on by default
        assert json.dumps(loaded.get_config()) == json.dumps(model.get_config())  # JSON: tuples come back as lists
        for name, value in model.predict(x, verbose=0).items():
            np.testing.assert_array_equal(loaded.predict(x, verbose=0)[name], value)
        for m in (model, loaded):
            m.run_eagerly = True
            reseed(m, seed=0, epoch=1)  # Keras saves the state of no seed generator, Dropout's neither
        histories = [m.fit(x, y, epochs=2, batch_size=3, shuffle=False, verbose=0).history for m in (model, loaded)]
        assert histories[0] == histories[1]
        for one, other in zip(model.weights, loaded.weights, strict=True):
            np.testing.assert_array_equal(one, other)

    def test_its_weights_alone_restore_it(self, make_model, examples, tmp_path):
        first, second = make_model(network_seed=1), make_model(network_seed=2)
        first.save_weights(tmp_path / "first.weights.h5")
        second.load_weights(tmp_path / "first.weights.h5")
        x, y = examples()
        assert second.evaluate(x, y, verbose=0) == first.evaluate(x, y, verbose=0)

    def test_a_discriminator_is_made_where_alpha_needs_one(self, make_model):
        assert isinstance(make_model(alpha=0.1, discriminator=None).discriminator, PairDiscriminator)
        assert make_model(alpha=0.0, discriminator=None).discriminator is None

    def test_its_variables_are_trained(self, make_model, examples):
        model = make_model(alpha=0.5)
        before = [weight.numpy() for weight in model.trainable_weights]
        assert len(before) == 8 + 3 + 1 + 4  # CNN, LSTM, head, discriminator
        x, y = examples()
        model.fit(x, y, batch_size=6, verbose=0)
        for weight, old in zip(model.trainable_weights, before, strict=True):
            if weight.name != "score_bias":  # a constant on all scores changes no loss (Eq. 6)
                assert (weight.numpy() != old).any(), weight.path


class TestAlpha:
    STEPS = 5

    def trained(self, model, examples):
        x, y = examples(4 * self.STEPS)
        sample_weight = np.random.default_rng(0).uniform(0.5, 1.5, 4 * self.STEPS).astype(np.float32)
        model.fit(x, y, sample_weight=sample_weight, batch_size=4, shuffle=False, verbose=0)
        assert int(model.optimizer.iterations) == self.STEPS
        return [weight.numpy() for weight in model.network.weights]

    def test_zero_is_the_baseline_to_the_bit(self, make_model, examples):
        with_discriminator = self.trained(make_model(alpha=0.0, graph=True), examples)
        without = self.trained(make_model(alpha=0.0, discriminator=False, graph=True), examples)
        untrained = [weight.numpy() for weight in make_model().network.weights]
        for one, other in zip(with_discriminator, without, strict=True):
            np.testing.assert_array_equal(one, other)
        assert any((one != other).any() for one, other in zip(without, untrained, strict=True))

    def test_one_leaves_the_head_alone_and_moves_the_encoders(self, make_model, examples):
        model = make_model(alpha=1.0)
        before = {weight.path: weight.numpy() for weight in model.network.trainable_weights}
        self.trained(model, examples)
        for weight in model.network.trainable_weights:
            moved = (weight.numpy() != before[weight.path]).any()
            assert moved == (weight is not model.network.get_layer("head").kernel), weight.path

    def test_in_between_is_another_training(self, make_model, examples):
        some, none = (self.trained(make_model(alpha=alpha), examples) for alpha in (0.1, 0.0))
        assert any((one != other).any() for one, other in zip(some, none, strict=True))


class TestDraws:
    def drawn(self, model, batches=3):
        labels = np.arange(12) % 4
        return np.stack(
            [
                negative_weights(labels, np.arange(12), per_anchor=3, seed=model.draw_seeds.next())
                for _ in range(batches)
            ]
        )

    def test_an_epochs_draws_depend_on_seed_and_epoch_only(self, make_model):
        fresh, used = make_model(negatives_per_anchor=3, seed=1), make_model(negatives_per_anchor=3, seed=2)
        self.drawn(used)
        reseed(fresh, 5, 7)
        reseed(used, 5, 7)
        first = self.drawn(fresh)
        np.testing.assert_array_equal(self.drawn(used), first)
        for seed, epoch in ((5, 8), (6, 7)):
            reseed(used, seed, epoch)
            assert (self.drawn(used) != first).any()

    def test_every_batch_of_an_epoch_draws_anew(self, make_model):
        first, second, third = self.drawn(make_model(negatives_per_anchor=3))
        assert (first != second).any()
        assert (second != third).any()

    def test_a_step_in_a_graph_draws_what_the_seed_says(self, make_model, examples):
        x, y = examples()
        model = make_model(negatives_per_anchor=3, graph=True)
        outputs = model.predict(x, verbose=0)
        losses = []
        for _ in range(2):
            reseed(model, 1, 1)
            losses.append(model.evaluate(x, y, batch_size=6, return_dict=True, verbose=0)["contrastive_loss"])
        reseed(model, 1, 1)
        weights = negative_weights(y["label"], y["utterance"], per_anchor=3, seed=model.draw_seeds.next())
        scores = model.discriminator(outputs["audio_embedding"], outputs["text_embedding"])
        expected = float(np.mean(info_nce(scores, keras.ops.diagonal(scores), weights)))
        assert losses == pytest.approx([expected, expected], rel=1e-5)


class TestWrongArguments:
    @pytest.mark.parametrize(("settings", "message"), [
        ({"alpha": 1.5}, "Argument `alpha` must be from 0 to 1. Received: alpha=1.5"),
        ({"alpha": -0.1}, "Argument `alpha` must be from 0 to 1. Received: alpha=-0.1"),
        ({"alpha": float("nan")}, "Argument `alpha` must be from 0 to 1. Received: alpha=nan"),
        ({"negatives": "all"}, r"Argument `negatives` must be one of \('other-emotion', 'any'\). Received: negatives="),
        ({"negative_weights": "even"}, r"`negative_weights` must be one of \('uniform', 'balanced'\). .*'even'"),
        ({"negatives_per_anchor": 0}, "`negatives_per_anchor` must be None or .* at least 1. Received: .*=0"),
        ({"negatives_per_anchor": 2.5}, "`negatives_per_anchor` must be None or an integer .* Received: .*=2.5"),
    ])  # fmt: skip
    def test_a_setting_is_named_with_what_was_expected_and_received(self, make_network, settings, message):
        with pytest.raises(ValueError, match=message):
            ContrastiveModel(make_network(), **settings)

    def test_one_modality_cannot_be_regularised(self, make_network):
        message = r"`network` must have the outputs \['audio_embedding', 'logits', 'text_embedding'\]. Received: "
        with pytest.raises(ValueError, match=message):
            ContrastiveModel(make_network("audio"), alpha=0.1)

    def test_a_network_without_logits_is_refused(self):
        inputs = keras.Input((3,))
        with pytest.raises(ValueError, match=r"`network` must have the outputs \['logits'\]. Received: "):
            ContrastiveModel(keras.Model(inputs, keras.layers.Dense(4)(inputs)), alpha=0)


class TestClassificationLoss:
    LOGITS = np.array([[2.0, -1.0, 0.0], [0.5, 0.0, 3.0]])

    def model(self, make_network, **settings):
        return ContrastiveModel(make_network("audio"), alpha=0, **settings)

    def test_sigmoid_is_the_mean_over_classes_of_binary_cross_entropies(self, make_network):
        model = self.model(make_network, classification_loss="sigmoid")
        found, _ = model.losses_of({"logits": keras.ops.array(self.LOGITS)}, np.array([0, 1]))
        # -log sigmoid(x) of the true class, -log(1 - sigmoid(x)) of the others
        truth = np.eye(3)[[0, 1]]
        probability = 1 / (1 + np.exp(-self.LOGITS))
        expected = -np.mean(truth * np.log(probability) + (1 - truth) * np.log(1 - probability), axis=1)
        np.testing.assert_allclose(found, expected, rtol=1e-6)

    def test_large_scores_neither_overflow_nor_are_clipped(self, make_network):
        model = self.model(make_network, classification_loss="sigmoid")
        found, _ = model.losses_of({"logits": keras.ops.array([[0.0, 200.0, -200.0]])}, np.array([2]))
        np.testing.assert_allclose(found, [(np.log(2) + 200 + 200) / 3], rtol=1e-6)

    @pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
    def test_of_branches_it_is_the_mean_whatever_the_decision(self, make_network, loss):
        model = self.model(make_network, classification_loss=loss)
        branches = keras.ops.array(np.stack([self.LOGITS, 2 * self.LOGITS], axis=1))
        label = np.array([0, 1])
        found, _ = model.losses_of({"logits": keras.ops.zeros((2, 3)), "branch_logits": branches}, label)
        alone = [model.losses_of({"logits": factor * keras.ops.array(self.LOGITS)}, label)[0] for factor in (1, 2)]
        np.testing.assert_allclose(found, (np.asarray(alone[0]) + np.asarray(alone[1])) / 2, rtol=1e-6)

    def test_another_name_is_refused(self, make_network):
        message = r"`classification_loss` must be one of \('softmax', 'sigmoid'\). Received: .*='hinge'"
        with pytest.raises(ValueError, match=message):
            self.model(make_network, classification_loss="hinge")

    def test_it_is_part_of_the_configuration(self, make_network):
        model = self.model(make_network, classification_loss="sigmoid")
        assert ContrastiveModel.from_config(model.get_config()).classification_loss == "sigmoid"
