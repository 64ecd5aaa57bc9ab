"""The regulariser on anyone's encoders, used as any Keras model is."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

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
    (sequential, functional, {"alpha": 2}, "Argument `alpha` must be from 0 to 1. Received: alpha=2"),
])  # fmt: skip
def test_what_cannot_be_joined_is_named_with_what_was_expected(audio, text, settings, message):
    with pytest.raises(ValueError, match=message):
        ContrastiveModel.from_encoders(audio(), text(), **{"num_classes": 3, **settings})


def test_a_loss_to_compile_with_is_refused_rather_than_ignored(data):
    model = make()
    model.compile("adam", loss="sparse_categorical_crossentropy", run_eagerly=True)
    with pytest.raises(ValueError, match=r"`loss` of `compile` must be None.*Received: loss='sparse_categorical_cross"):
        model.fit(*data, verbose=0)


def test_the_package_names_it_and_loads_tensorflow_when_asked():
    code = (
        "import sys, tfcr; before = 'tensorflow' in sys.modules or 'keras' in sys.modules;"
        "assert 'ContrastiveModel' in dir(tfcr); assert not before;"
        "from tfcr import ContrastiveModel; assert 'tensorflow' in sys.modules; print(ContrastiveModel.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["tfcr.models.contrastive"], done.stderr
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


def test_a_refused_loss_is_gone_after_compiling_without_one(data):
    x, y = data
    model = make()
    model.compile("adam", loss="sparse_categorical_crossentropy", run_eagerly=True)
    with pytest.raises(ValueError, match="must be None"):
        model.fit(x, y, verbose=0)
    model.compile("adam", run_eagerly=True)
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"][0])
