"""What a program has set in `keras.config` before it builds, restores or trains a network of tfcr's."""

import keras
import numpy as np
import pytest

from tfcr.errors import TfcrError
from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.restore import restore_network
from tfcr.models.systems import names
from tfcr.training import runtime

# Keras warns of the softmax over one word, which is 1 as it should be
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis 1:UserWarning")

SETTINGS = ("floatx", "epsilon", "image_data_format", "dtype_policy", "max_epochs", "max_steps_per_epoch")


@pytest.fixture
def settings():
    """Sets what is in `keras.config`; afterwards it is as it was."""
    before = {name: getattr(keras.config, name)() for name in SETTINGS}

    def change(**values):
        for name, value in values.items():
            getattr(keras.config, f"set_{name}")(value)

    yield change
    change(**before)


def test_a_network_in_float32_is_the_same_whatever_is_set(settings, make_network, inputs):
    for name in names():
        expected = make_network(name, dtype=keras.DTypePolicy("float32"))
        x = inputs(expected.input, size=2)
        settings(floatx="float16", dtype_policy="float16", epsilon=0.1, image_data_format="channels_first")
        found = make_network(name, dtype=keras.DTypePolicy("float32"))
        outputs = found(x)
        settings(floatx="float32", dtype_policy="float32", epsilon=1e-7, image_data_format="channels_last")
        for output, value in expected(x).items():
            assert outputs[output].dtype == value.dtype, (name, output)
            np.testing.assert_array_equal(outputs[output], value, err_msg=f"{output} of {name}")


def test_a_network_is_restored_in_float32_and_with_channels_last(settings, small, make_network, inputs, tmp_path):
    trained = make_network()
    trained.save_weights(tmp_path / "trained.weights.h5")
    x = inputs(trained.input, size=2)
    expected = trained(x)["logits"]
    settings(floatx="float64", dtype_policy="float64", image_data_format="channels_first")
    found = restore_network(small, expected.shape[-1], tmp_path / "trained.weights.h5")(x)["logits"]
    assert found.dtype == "float32"
    np.testing.assert_array_equal(found, expected)


def test_a_training_pins_them(settings):
    settings(floatx="float16", dtype_policy="mixed_bfloat16", epsilon=0.1, image_data_format="channels_first")
    runtime.configure(2)
    found = [getattr(keras.config, name)() for name in SETTINGS]
    assert [getattr(value, "name", value) for value in found] == [
        *("float32", 1e-7, "channels_last", "float32", None, None),
    ]


@pytest.mark.parametrize("limit", ["max_epochs", "max_steps_per_epoch"])
def test_a_training_refuses_to_be_cut_short(settings, limit):
    settings(**{limit: 1})
    with pytest.raises(TfcrError, match=rf"keras.config.{limit}\(\) is 1, .*; set it to None"):
        runtime.configure(2)


@pytest.mark.parametrize("floatx", ["float64", "float16"])
def test_ones_own_encoders_are_trained_in_ones_own_precision(settings, floatx):
    settings(floatx=floatx, dtype_policy=floatx, image_data_format="channels_first")
    encoders = [
        keras.Sequential([keras.Input((3,), name=f"{name}_in"), keras.layers.Dense(2, name=f"{name}_units")], name=name)
        for name in ("speech", "words")
    ]
    model = ContrastiveModel.from_encoders(*encoders, num_classes=3, alpha=0.5)
    model.compile("adam", metrics=["accuracy"], run_eagerly=True)
    rng = np.random.default_rng(0)
    x = {f"{name}_in": rng.normal(size=(6, 3)) for name in ("speech", "words")}
    history = model.fit(x, np.arange(6) % 3, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert {weight.dtype for weight in model.trainable_weights} == {floatx}
