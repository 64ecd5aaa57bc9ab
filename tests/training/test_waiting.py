"""What waiting for data is measured by changes no bit of a training."""

import types

import numpy as np
import pytest


@pytest.fixture
def make_model(tensorflow):
    def make():
        import keras

        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        model.optimizer.build(model.trainable_variables)
        return model

    return make


@pytest.fixture
def data(tensorflow):
    """Three batches, the last one smaller."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(10, 3)).astype(np.float32), random.normal(size=(10, 1)).astype(np.float32)
    return tensorflow.data.Dataset.from_tensor_slices((x, y)).batch(4)


def test_measured_steps_are_keras_own_to_the_bit(make_model, data):
    from tfcr.training.waiting import InputTimer

    plain, measured = make_model(), make_model()
    InputTimer(measured)
    histories = [model.fit(data, epochs=3, shuffle=False, verbose=0).history for model in (plain, measured)]
    assert histories[0] == histories[1]
    for one, other in zip(plain.get_weights(), measured.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_step_is_traced_once_though_the_last_batch_is_smaller(make_model, data):
    from tfcr.training.waiting import InputTimer

    model, traced = make_model(), []
    train_step = model.train_step
    model.train_step = lambda batch: traced.append(batch) or train_step(batch)
    InputTimer(model)
    for epoch in range(2):
        model.fit(data, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0)
    assert len(traced) == 1


def test_seconds_are_those_between_asking_for_a_batch_and_having_it(make_model, data, monkeypatch):
    from tfcr.training import waiting as module

    looks = iter([0.0, 2.0, 10.0, 10.5, 20.0, 20.25])  # 2, 0.5 and 0.25 s for three batches
    monkeypatch.setattr(module, "time", types.SimpleNamespace(monotonic=lambda: next(looks)))
    model = make_model()
    waiting = module.InputTimer(model)
    model.fit(data, shuffle=False, verbose=0)
    assert waiting.seconds() == 2.75
    assert waiting.seconds() == 0  # since the last call
