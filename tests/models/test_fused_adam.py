"""Adam of few kernels: Keras's formula and variables, and which trainings take it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcr.config import Config
from tfcr.models.fused_adam import FusedAdam
from tfcr.models.kernels import KERNELS
from tfcr.training.build import optimizer_of

SETTINGS = {"learning_rate": 0.01, "epsilon": 1e-7}


def trained(kind, gradients, **settings):
    """Two weights and what an optimiser keeps of them, after a step in a graph for each of the gradients."""
    weights = [keras.Variable(np.linspace(-1, 1, 12).reshape(3, 4)), keras.Variable([0.5, -0.5])]
    optimizer = kind(**{**SETTINGS, **settings})
    optimizer.build(weights)
    step = tf.function(lambda *gradients: optimizer.apply(list(gradients)))
    for some in gradients:
        step(*map(tf.constant, some))
    return [each.numpy() for each in (*weights, *optimizer.variables)]


@pytest.fixture
def gradients():
    random = np.random.default_rng(0)
    return [
        [random.normal(0, scale, shape).astype(np.float32) for shape in ((3, 4), (2,))]
        for scale in np.geomspace(1e-6, 10, 60)
    ]


@pytest.mark.parametrize("settings", [{}, {"clipnorm": 0.5}, {"clipvalue": 0.1}, {"epsilon": 1e-3}])
def test_weights_and_moments_are_those_of_keras(gradients, settings):
    found, expected = (trained(kind, gradients, **settings) for kind in (FusedAdam, keras.optimizers.Adam))
    for mine, its in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, its, rtol=2e-5, atol=1e-9)


def operations(kind, count=10):
    """How many operations the graph of a step over so many weights has, by their types."""
    weights = [keras.Variable([float(number)]) for number in range(count)]
    optimizer = kind(**SETTINGS)
    optimizer.build(weights)
    step = tf.function(lambda gradient: optimizer.apply([gradient] * count))
    graph = step.get_concrete_function(tf.TensorSpec((1,))).graph
    return [operation.type for operation in graph.get_operations()]


def test_a_weight_takes_one_kernel():
    fused, keras_own = operations(FusedAdam), operations(keras.optimizers.Adam)
    assert fused.count("ResourceApplyAdam") == 10
    computing = (
        "Mul",
        "Sub",
        "AddV2",
        "Sqrt",
        "RealDiv",
        "Pow",
        "Square",
        "AssignAddVariableOp",
        "AssignSubVariableOp",
    )
    assert sum(fused.count(kind) for kind in computing) < 10 < 100 < sum(keras_own.count(kind) for kind in computing)


def test_a_gradient_of_a_few_rows_changes_these_rows_as_keras_does():
    found = []
    for kind in (FusedAdam, keras.optimizers.Adam):
        table = keras.Variable(np.ones((5, 2), np.float32))
        optimizer = kind(**SETTINGS)
        optimizer.build([table])
        for row in (1, 3, 1):
            optimizer.apply([tf.IndexedSlices(tf.ones((1, 2)), [row], (5, 2))])
        found.append(table.numpy())
    np.testing.assert_array_equal(*found)


def test_an_overflow_in_half_precision_skips_the_step():
    weight = keras.Variable([1.0, 2.0])
    optimizer = keras.optimizers.LossScaleOptimizer(FusedAdam(**SETTINGS))
    optimizer.build([weight])
    step = tf.function(lambda gradient: optimizer.apply([gradient]))
    step(tf.constant([np.inf, 1.0]))
    np.testing.assert_array_equal(weight.numpy(), [1.0, 2.0])
    step(tf.constant([1.0, 1.0]) * float(optimizer.dynamic_scale.numpy()))
    np.testing.assert_allclose(weight.numpy(), [0.99, 1.99], rtol=1e-5)


def test_either_goes_on_from_the_others_checkpoint(tmp_path):
    def model(kind):
        keras.utils.set_random_seed(0)
        made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        made.compile(kind(**SETTINGS), "mse", jit_compile=False)
        made.optimizer.build(made.trainable_variables)
        return made

    x, y = np.random.default_rng(0).normal(size=(2, 8, 3)).astype(np.float32)
    undisturbed = model(keras.optimizers.Adam)
    undisturbed.fit(x, y[:, :2], epochs=6, batch_size=8, verbose=0)
    for first, second in ((FusedAdam, keras.optimizers.Adam), (keras.optimizers.Adam, FusedAdam)):
        begun, on = model(first), model(second)
        begun.fit(x, y[:, :2], epochs=3, batch_size=8, verbose=0)
        begun.save_weights(tmp_path / "begun.weights.h5")
        on.load_weights(tmp_path / "begun.weights.h5")
        on.fit(x, y[:, :2], epochs=3, batch_size=8, verbose=0)
        for mine, its in zip(on.variables, undisturbed.variables, strict=True):
            np.testing.assert_allclose(mine.numpy(), its.numpy(), rtol=1e-5, atol=1e-7)


def test_a_model_compiled_with_it_is_loaded_by_whoever_knows_contrastive_models(fresh_process):
    assert fresh_process["optimizer"] == ["FusedAdam", 1e-7]


def test_what_the_kernel_cannot_do_is_done_as_keras_does_it(gradients):
    found, expected = (trained(kind, gradients, amsgrad=True) for kind in (FusedAdam, keras.optimizers.Adam))
    for mine, its in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, its)


def test_a_gpu_takes_it_and_a_cpu_does_not(gpu, monkeypatch):
    assert type(optimizer_of(Config())) is FusedAdam
    monkeypatch.setenv(KERNELS, "cpu")
    assert type(optimizer_of(Config())) is keras.optimizers.Adam
