"""The regulariser on anyone's encoders, used as any Keras model is."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.heads.linear_fusion import LinearFusion
from tfcr.models.heads.pair_discriminator import PairDiscriminator


def sequential(name="voice", input_name="mfcc", units=6):
    return keras.Sequential(
        [keras.Input((5, 3), name=input_name), layers.Flatten(), layers.Dense(units, name=f"{name}_units")], name=name
    )


def functional(name="words"):
    """An encoder with two inputs, given as a dictionary."""
    ids, tone = keras.Input((4,), dtype="int32", name="ids"), keras.Input((2,), name="tone")
    x = layers.GlobalAveragePooling1D()(layers.Embedding(9, 3)(ids))
    return keras.Model({"ids": ids, "tone": tone}, layers.Concatenate()([x, tone]), name=name)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x = {
        "mfcc": rng.normal(size=(12, 5, 3)).astype(np.float32),
        "ids": rng.integers(0, 9, (12, 4)).astype(np.int32),
        "tone": rng.normal(size=(12, 2)).astype(np.float32),
    }
    return x, np.arange(12) % 3


def make(**settings):
    keras.utils.set_random_seed(0)
    model = ContrastiveModel.from_encoders(sequential(), functional(), **{"num_classes": 3, **settings})
    model.compile(keras.optimizers.Adam(0.01), metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2)])
    return model


def test_a_default_head_is_the_linear_fusion_of_both_outputs(data):
    x, _ = data
    model = make()
    outputs = model(x)
    np.testing.assert_allclose(outputs["audio_embedding"], sequential_of(model)(x["mfcc"]), atol=1e-6)
    both = np.hstack([outputs["audio_embedding"], outputs["text_embedding"]])
    assert both.shape == (12, 6 + 3 + 2)
    np.testing.assert_allclose(outputs["logits"], both @ model.network.get_layer("head").kernel.numpy(), atol=1e-5)
    assert isinstance(model.discriminator, PairDiscriminator)


def sequential_of(model):
    return model.network.get_layer("voice")


def test_it_is_fitted_evaluated_saved_and_loaded_with_callbacks_and_metrics(data, tmp_path):
    x, y = data
    model = make(alpha=0.2)
    history = model.fit(
        x,
        y,
        validation_data=(x, y),
        epochs=6,
        batch_size=6,
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping("val_accuracy", patience=1, mode="max", restore_best_weights=True),
            keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_loss", save_best_only=True),
        ],
    ).history
    names = {"loss", "classification_loss", "contrastive_loss", "accuracy", "sparse_top_k_categorical_accuracy"}
    assert set(history) == names | {f"val_{name}" for name in names}
    logs = model.evaluate(x, y, return_dict=True, verbose=0)
    scores = model.predict(x, verbose=0)["logits"]
    assert logs["accuracy"] == pytest.approx((scores.argmax(axis=1) == y).mean())
    assert logs["loss"] == pytest.approx(0.8 * logs["classification_loss"] + 0.2 * logs["contrastive_loss"], rel=1e-5)
    model.save(tmp_path / "model.keras")
    for path in ("model.keras", "best.keras"):
        loaded = keras.saving.load_model(tmp_path / path, safe_mode=True)
        assert set(loaded.evaluate(x, y, return_dict=True, verbose=0)) == names
    np.testing.assert_array_equal(
        keras.saving.load_model(tmp_path / "model.keras").predict(x, verbose=0)["logits"], scores
    )
    best = keras.saving.load_model(tmp_path / "best.keras")
    best = best.evaluate(x, y, batch_size=6, return_dict=True, verbose=0)
    assert best["loss"] == pytest.approx(min(history["val_loss"]), rel=1e-4)


def test_the_encoders_own_weights_are_trained(data):
    x, y = data
    voice, words = sequential(), functional()
    model = ContrastiveModel.from_encoders(voice, words, num_classes=3, alpha=1.0)
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    before = [weight.numpy() for weight in (*voice.weights, *words.weights)]
    model.fit(x, y, verbose=0)
    assert all((w.numpy() != old).any() for w, old in zip((*voice.weights, *words.weights), before, strict=True))


@keras.saving.register_keras_serializable("test_from_encoders")
class SumHead(layers.Layer):
    def build(self, audio_shape, text_shape):
        self.audio, self.text = layers.Dense(3), layers.Dense(3)
        self.audio.build(audio_shape)
        self.text.build(text_shape)

    def call(self, audio, text):
        return self.audio(audio) + self.text(text)


def test_a_head_of_ones_own_may_return_logits_alone(data, tmp_path):
    x, _ = data
    model = ContrastiveModel.from_encoders(sequential(), functional(), head=SumHead(name="sum"))
    outputs = model.predict(x, verbose=0)
    assert set(outputs) == {"logits", "audio_embedding", "text_embedding"}
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0)["logits"], outputs["logits"])


class Products(layers.Layer):
    """A discriminator without weights or `build`: products of embeddings, of which some are dropped in training."""

    def __init__(self, rank=2, **kwargs):
        super().__init__(**kwargs)
        self.rank, self.dropout, self.project = rank, layers.Dropout(0.5, seed=0), layers.Dense(5)

    def call(self, audio, text, training=None):
        scores = ops.matmul(self.project(self.dropout(audio, training=training)), ops.transpose(text))
        return scores if self.rank == 2 else ops.sum(scores, axis=1)


def test_a_discriminator_of_ones_own_is_built_by_a_call_and_hears_whether_it_trains(data):
    x, y = data
    model = ContrastiveModel.from_encoders(
        sequential(), functional(), num_classes=3, discriminator=Products(), alpha=1.0
    )
    assert len(model.discriminator.trainable_variables) == 2
    outputs = model(x)
    answers, trains = (
        [model.losses_of(outputs, y, training=training)[1].numpy() for _ in range(2)] for training in (False, True)
    )
    np.testing.assert_array_equal(*answers)
    assert not np.array_equal(*trains)
    model.compile("sgd", run_eagerly=True)
    losses = [model.evaluate(x, y, verbose=0) for _ in range(2)]
    assert losses[0] == losses[1]
    model.fit(x, y, verbose=0)


@pytest.mark.parametrize(
    ("discriminator", "received"),
    [
        (lambda: Products(rank=1), "one that gives"),
        (lambda: layers.Dense(1), "discriminator=<Dense"),
        (lambda: "dot", "discriminator='dot'"),
    ],
)
def test_what_does_not_score_pairs_is_no_discriminator(discriminator, received):
    with pytest.raises(ValueError, match=f"scores all pairs, .anchors, texts.. Received: {received}"):
        ContrastiveModel.from_encoders(sequential(), functional(), num_classes=3, discriminator=discriminator())


def unbuilt():
    return keras.Sequential([layers.Dense(3)])


def two_outputs():
    inputs = keras.Input((3,), name="three")
    return keras.Model(inputs, [inputs, inputs])


def unknown_units():
    inputs = keras.Input((None,), name="any")
    return keras.Model(inputs, layers.ReLU()(inputs))


class Subclassed(keras.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize(("audio", "text", "settings", "message"), [
    (lambda: "voice", functional, {}, "`audio_encoder` must be a Keras model. Received: audio_encoder='voice'"),
    (unbuilt, functional, {}, r"`audio_encoder` must be .* whose inputs are known; begin it with keras.Input"),
    (sequential, Subclassed, {}, r"`text_encoder` must be .* whose inputs are known; begin it with keras.Input"),
    (sequential, two_outputs, {}, r"`text_encoder` must have one output of the shape \(batch, units\). Received: "
                                  r"outputs of the shapes \[\(None, 3\), \(None, 3\)\]"),
    (lambda: keras.Sequential([keras.Input((5, 3)), layers.Dense(2)]), functional, {},
     r"`audio_encoder` must have one output .* Received: outputs of the shapes \[\(None, 5, 2\)\]"),
    (unknown_units, functional, {},
     r"`audio_encoder` must have one output .* Received: outputs of the shapes \[\(None, None\)\]"),
    (sequential, lambda: sequential("other"), {}, r"inputs of different names. Received: both have \['mfcc'\]"),
    (sequential, lambda: functional("voice"), {}, r"must have different names.* Received: names=\['voice', 'voice', "),
    (sequential, lambda: functional("head"), {}, r"must have different names.* Received: names=\['voice', 'head', "),
    (sequential, lambda: functional("mfcc"), {}, r"must have different names, which no input has. Received: "),
    (sequential, functional, {"num_classes": None}, r"one of the arguments `head` and `num_classes`. Received: "),
    (sequential, functional, {"head": LinearFusion(3)}, r"one of the arguments `head` and `num_classes`. Received: "),
    (sequential, functional, {"num_classes": None, "head": layers.Dense(3, name="mine")},
     r"`head` must be a layer that is called with both .*; for a linear one give `num_classes` instead. Received: "
     r"head=<Dense name=mine"),
    (sequential, functional, {"num_classes": None, "head": lambda audio, text: audio}, "`head` must be a layer "),
    (sequential, functional, {"alpha": 2}, "Argument `alpha` must be from 0 to 1. Received: alpha=2"),
])  # fmt: skip
def test_what_cannot_be_joined_is_named_with_what_was_expected(audio, text, settings, message):
    with pytest.raises(ValueError, match=message):
        ContrastiveModel.from_encoders(audio(), text(), **{"num_classes": 3, **settings})


@pytest.mark.parametrize(("arguments", "message"), [
    ({"loss": "sparse_categorical_crossentropy"},
     r"`loss` of `compile` must be None: .* \(Eq. 7\).*Received: loss='sparse_categorical_crossentropy'"),
    ({"loss": {"logits": "sparse_categorical_crossentropy"}}, "`loss` of `compile` must be None"),
    ({"loss_weights": {"logits": 0.5}}, r"`loss_weights` of `compile` must be None.*Received: loss_weights=\{'logits'"),
    ({"metrics": {"text_logit": ["accuracy"]}},
     r"`metrics` of `compile` must be .* one of \['audio_embedding', 'audio_logits', 'logits', 'text_embedding', "
     r"'text_logits'\]. Received: .*, whose keys \['text_logit'\] are no outputs"),
    ({"weighted_metrics": {0: "accuracy"}}, r"`weighted_metrics` of `compile` must be .* keys \['0'\] are no outputs"),
    ({"metrics": "accuracy"}, "`metrics` of `compile` must be a list .*Received: metrics='accuracy'"),
    ({"metrics": [["accuracy"], []]}, "`metrics` of `compile` must be a list .*Received: metrics=.*'accuracy'"),
])  # fmt: skip
def test_what_can_mean_nothing_to_compile_is_refused_rather_than_ignored(data, arguments, message):
    model = make()
    with pytest.raises(ValueError, match=message):
        model.compile("adam", **arguments)
    model.compile("adam", run_eagerly=True)
    assert np.isfinite(model.fit(*data, verbose=0).history["loss"][0])


def test_metrics_by_output_measure_that_output(data, tmp_path):
    x, y = data
    weights = np.linspace(0.1, 2, len(y)).astype(np.float32)
    model = make()
    metrics = {"text_logits": ["accuracy"], "audio_logits": keras.metrics.SparseTopKCategoricalAccuracy(2, name="two")}
    model.compile("adam", metrics=metrics, weighted_metrics={"text_logits": ["accuracy"]}, run_eagerly=True)
    model.save(tmp_path / "model.keras")
    scores = model.predict(x, verbose=0)
    correct = scores["text_logits"].argmax(axis=1) == y
    two = [label in row.argsort()[-2:] for row, label in zip(scores["audio_logits"], y, strict=True)]
    expected = {
        "text_logits_accuracy": np.mean(correct),
        "audio_logits_two": np.mean(two),
        "text_logits_weighted_accuracy": np.average(correct, weights=weights),
    }
    assert len({round(value, 3) for value in (*expected.values(), (scores["logits"].argmax(1) == y).mean())}) > 2
    for each in (model, keras.saving.load_model(tmp_path / "model.keras")):
        found = each.evaluate(x, y, sample_weight=weights, batch_size=5, return_dict=True, verbose=0)
        measured = {name: found[name] for name in set(found) - {"loss", "classification_loss", "contrastive_loss"}}
        assert measured == pytest.approx(expected)


def test_a_list_and_a_dictionary_of_metrics_go_together(data):
    model = make()
    model.compile("adam", metrics=["accuracy"], weighted_metrics={"text_logits": ["accuracy"]}, run_eagerly=True)
    found = model.evaluate(*data, return_dict=True, verbose=0)
    assert {"logits_accuracy", "text_logits_accuracy"} < set(found)


@pytest.mark.parametrize(("y", "message"), [
    (np.eye(3)[np.arange(12) % 3], r"must be labels, whole .*Received: labels of the shape \(\d+, 3\); of one-hot"),
    ({"label": np.eye(3)[np.arange(12) % 3]}, r"Received: labels of the shape \(\d+, 3\)"),
    ({"logits": np.arange(12) % 3}, r"`y` must be labels, .*Received: \['logits'\]"),
    (None, "`y` must be labels, .*Received: None"),
])  # fmt: skip
def test_labels_of_another_kind_are_named(data, y, message):
    model = make()
    model.run_eagerly = True
    with pytest.raises(ValueError, match=message):
        model.fit(data[0], y, verbose=0)


def test_it_is_exported_without_having_been_called(data, tmp_path):
    x, _ = data
    model = make()
    model.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(tmp_path / "exported").signatures["serving_default"]
    assert set(served.structured_input_signature[1]) == {"mfcc", "ids", "tone"}
    found = served(**{name: tf.constant(value) for name, value in x.items()})
    for name, value in model.predict(x, verbose=0).items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


@keras.saving.register_keras_serializable("test_from_encoders")
class ZerosWhereMissing(layers.Layer):
    """[batch, 4] of a tensor and of another one that may be missing."""

    def call(self, present, optional=None):
        return ops.concatenate([present, ops.zeros_like(present) if optional is None else optional], axis=1)

    def compute_output_shape(self, present_shape, optional_shape=None):
        return (present_shape[0], 4)


def test_an_optional_input_may_be_left_out(data, tmp_path):
    x, y = data
    tone, more = keras.Input((2,), name="tone"), keras.Input((2,), name="more", optional=True)
    words = keras.Model({"tone": tone, "more": more}, ZerosWhereMissing()(tone, more), name="words")
    model = ContrastiveModel.from_encoders(sequential(), words, num_classes=3)
    model.compile("adam")
    model.save(tmp_path / "model.keras")
    with_zeros = {**x, "more": np.zeros_like(x["tone"])}
    with_tone = {**x, "more": x["tone"]}
    for each in (model, keras.saving.load_model(tmp_path / "model.keras")):
        without, zeros, ones = (each.predict(z, verbose=0)["logits"] for z in (x, with_zeros, with_tone))
        np.testing.assert_allclose(without, zeros, atol=1e-6)
        assert np.abs(without - ones).max() > 1e-3
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"][0])


def test_the_package_names_it_and_loads_tensorflow_when_asked(fresh_process):
    assert "ContrastiveModel" in fresh_process["dir"] and fresh_process["before"] == []
    assert (fresh_process["loads"], fresh_process["module"]) == (True, "tfcr.models.contrastive")
    import tfcr

    with pytest.raises(AttributeError, match="has no attribute 'ContrastiveModels'"):
        tfcr.ContrastiveModels  # noqa: B018


def test_what_the_encoders_do_not_take_is_passed_over_wherever_it_sorts(data):
    x, _ = data
    model = make()
    expected = model.predict(x, verbose=0)["logits"]
    for name in ("a_more", "z_more"):
        found = model.predict({**x, name: np.ones_like(x["tone"])}, verbose=0)["logits"]
        np.testing.assert_array_equal(found, expected)


def test_an_input_that_is_missing_is_named(data):
    x, _ = data
    del x["tone"]
    with pytest.raises(ValueError, match=r"without \['tone'\]"):
        make()(x)
