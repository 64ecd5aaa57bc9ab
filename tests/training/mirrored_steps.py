"""Two devices against one. `test_mirrored.py` runs this file in a process whose processor counts as two devices."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfcr.config import Config
from tfcr.models import global_batch
from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.heads.pair_discriminator import PairDiscriminator
from tfcr.models.systems import system
from tfcr.training import distribution
from tfcr.training.epochs import reseed

NUM_CLASSES = 4

distribution.divide_processor()  # before TensorFlow computes anything


@pytest.fixture
def two():
    """A strategy over both devices."""
    strategy = distribution.strategy_of(Config(distribution="mirrored"))
    assert strategy.num_replicas_in_sync == 2
    return strategy


@pytest.fixture
def one():
    return tf.distribute.get_strategy()


def dense_network(dtype=None, penalty=None, dropout=0.0):
    """Two dense encoders over vectors of 5 and 3, and a linear head: what is true of them is no matter of layers."""
    audio, text = keras.Input((5,), name="audio"), keras.Input((3,), name="text")
    audio_embedding = keras.layers.Dense(6, "tanh", kernel_regularizer=penalty, dtype=dtype)(audio)
    text_embedding = keras.layers.Dense(4, "tanh", dtype=dtype)(text)
    both = keras.layers.Concatenate(dtype=dtype)([audio_embedding, text_embedding])
    both = keras.layers.Dropout(dropout, dtype=dtype)(both)
    outputs = {
        "logits": keras.layers.Dense(NUM_CLASSES, dtype=dtype)(both),
        "audio_embedding": audio_embedding,
        "text_embedding": text_embedding,
    }
    return keras.Model({"audio": audio, "text": text}, outputs)


def made(strategy, network=dense_network, optimizer=None, dtype="float64", metrics=(), **settings):
    """A compiled model, its weights a function of nothing but the arguments."""
    policy = keras.DTypePolicy(dtype)
    with strategy.scope():
        keras.utils.set_random_seed(3)
        discriminator = PairDiscriminator(6, dtype=policy)
        model = ContrastiveModel(network(dtype=policy), discriminator=discriminator, dtype=policy, **settings)
        optimizer = optimizer or keras.optimizers.Adam(0.01)
        model.compile(optimizer, weighted_metrics=list(metrics) or None, jit_compile=False)
        model.optimizer.build(model.trainable_variables)
    return model


def batches(sizes, inputs=None, seed=0):
    """Batches of these sizes: vectors of noise or what `inputs` makes of a size, labels, utterances and weights."""
    rng = np.random.default_rng(seed)

    def batch(size):
        x = (
            inputs(rng, size)
            if inputs
            else {
                name: rng.normal(size=(size, units)).astype(np.float32) for name, units in (("audio", 5), ("text", 3))
            }
        )
        y = {"label": rng.integers(0, NUM_CLASSES, size), "utterance": rng.integers(0, size, size)}
        return x, y, rng.uniform(0.2, 1.8, size).astype(np.float32)

    found = [batch(size) for size in sizes]
    signature = tf.nest.map_structure(lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype), found[0])
    data = tf.data.Dataset.from_generator(lambda: iter(found), output_signature=signature)
    return data.apply(tf.data.experimental.assert_cardinality(len(sizes)))


def fitted(model, data):
    """The logs of one epoch."""
    divided = distribution.divided(model.distribute_strategy, data)
    history = model.fit(divided, steps_per_epoch=len(data), shuffle=False, verbose=0).history
    return {name: values[-1] for name, values in history.items()}


def evaluated(model, data):
    divided = distribution.divided(model.distribute_strategy, data)
    return model.evaluate(divided, steps=len(data), return_dict=True, verbose=0)


def assert_close(found, expected, tolerance):
    for mine, its in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, its, rtol=0, atol=tolerance)


def fusion_network(dtype):
    config = Config(conv_filters=2, lstm_layers=1, lstm_units=8)
    return system("fusion").build(config, NUM_CLASSES, dtype=dtype)


def fusion_inputs(rng, size):
    """Noise with silence behind it, and words with zeros behind them; some transcripts are empty."""
    num_frames = rng.integers(1, 129, size).astype(np.int32)
    num_tokens = rng.integers(0, 6, size).astype(np.int32)
    spectrogram = rng.normal(0, 1, (size, 128, 128)).astype(np.float32)
    spectrogram[np.arange(128)[None, :] >= num_frames[:, None]] = -3
    embeddings = rng.normal(0, 0.3, (size, 30, 300)).astype(np.float32)
    embeddings[np.arange(30)[None, :] >= num_tokens[:, None]] = 0
    return {"spectrogram": spectrogram, "num_frames": num_frames, "embeddings": embeddings, "num_tokens": num_tokens}


NETWORKS = [
    pytest.param(dense_network, None, id="dense"),
    pytest.param(fusion_network, fusion_inputs, id="fusion", marks=pytest.mark.full),
]


@pytest.mark.parametrize(("network", "inputs"), NETWORKS)
def test_fifty_steps_in_float64_end_with_the_loss_and_the_weights_of_one_device(one, two, network, inputs):
    size = 64 if inputs is None else 16  # pictures in float64 take their time
    data = batches([size, size, size, 33, 1] * 10, inputs)  # 33 make 17 and 16, and 1 leaves a device nothing
    alone, mirrored = (made(strategy, network) for strategy in (one, two))
    before = [weight.numpy() for weight in alone.trainable_weights]
    expected, found = fitted(alone, data), fitted(mirrored, data)
    assert set(found) == {"loss", "classification_loss", "contrastive_loss"}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-6), name  # the trackers are float32
    assert_close([w.numpy() for w in mirrored.weights], [w.numpy() for w in alone.weights], 1e-8)
    moved = [np.abs(w.numpy() - b).max() for w, b in zip(alone.trainable_weights, before, strict=True)]
    assert np.median(moved) > 0.01
    _assert_same_objective(mirrored, alone, batches([64], inputs, seed=1), 1e-8)


def _objective(model, data):
    """The objective of one batch in the model's own precision: the replicas' shares, summed."""
    strategy = model.distribute_strategy

    def step(x, y, weight):
        outputs = global_batch.outputs_of(model, x, training=False)
        return model.compute_loss(x, y, outputs, weight, training=False)

    run = tf.function(lambda batch: strategy.run(step, batch))
    [batch] = iter(distribution.divided(strategy, data))
    return np.array([float(share) for share in strategy.experimental_local_results(run(batch))])


def _assert_same_objective(mirrored, alone, data, tolerance):
    assert _objective(mirrored, data).sum() == pytest.approx(_objective(alone, data).sum(), rel=tolerance)


def momentums(optimizer):
    """Adam's first moments, one for each weight."""
    return [variable.numpy() for variable in optimizer.variables if variable.path.endswith("_momentum")]


@pytest.mark.parametrize("size", [33, pytest.param(64, marks=pytest.mark.full)])
@pytest.mark.parametrize(("network", "inputs"), NETWORKS)
def test_one_step_in_float32_has_the_loss_and_the_gradients_of_one_device(one, two, network, inputs, size):
    alone, mirrored = (made(strategy, network, dtype="float32") for strategy in (one, two))
    data = batches([size], inputs)
    _assert_same_objective(mirrored, alone, data, 1e-5)
    assert fitted(mirrored, data)["loss"] == pytest.approx(fitted(alone, data)["loss"], rel=1e-5)
    found, expected = ([10 * m for m in momentums(model.optimizer)] for model in (mirrored, alone))
    for mine, its in zip(found, expected, strict=True):  # Adam's first moment after one step: a tenth of the gradient
        # of the discriminator's last bias, which moves all scores alike, it is zero but for rounding
        assert np.abs(mine - its).max() <= 1e-5 * np.abs(its).max() + 1e-8


SIZES = [8, 8, 5, 1]
SETTINGS = {
    "drawn": {"negatives_per_anchor": 3, "seed": 5},
    "penalty": {"network": lambda dtype: dense_network(dtype, penalty=keras.regularizers.L2(0.3))},
    "clipnorm": {"optimizer": lambda: keras.optimizers.Adam(0.01, clipnorm=0.01)},
    "any": {"negatives": "any"},
    "balanced": {"negative_weights": "balanced"},
    "clipvalue": {"optimizer": lambda: keras.optimizers.Adam(0.01, clipvalue=0.001)},
    "global clipnorm": {"optimizer": lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.01)},
}
QUICK = ("drawn",)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(values, id=name, marks=() if name in QUICK else pytest.mark.full)
        for name, values in SETTINGS.items()
    ],
)
def test_each_setting_trains_as_on_one_device(one, two, settings):
    logs, weights = [], []
    for strategy in (one, two):
        with strategy.scope():
            optimizer = {"optimizer": settings["optimizer"]()} if "optimizer" in settings else {}
        model = made(strategy, **{**settings, **optimizer})
        logs.append(fitted(model, batches(SIZES * 2)))
        weights.append([weight.numpy() for weight in model.trainable_weights])
    assert logs[1] == pytest.approx(logs[0], rel=1e-6)
    assert_close(weights[1], weights[0], 1e-9)


def test_logs_and_metrics_are_those_of_the_whole_batches(one, two):
    found, expected = (
        evaluated(made(strategy, metrics=["sparse_categorical_accuracy"]), batches([8, 8, 6, 2]))
        for strategy in (two, one)
    )
    assert found == pytest.approx(expected, rel=1e-6)
    assert 0 < found["sparse_categorical_accuracy"] < 1


def test_negatives_of_the_replica_are_those_of_its_part_alone(one, two):
    [batch] = batches([10])
    halves = [tf.nest.map_structure(lambda rows, half=half: rows[half], batch) for half in (slice(0, 5), slice(5, 10))]
    alone = made(one, alpha=0.4)
    expected = [_objective(alone, tf.data.Dataset.from_tensors(half)).sum() for half in halves]
    shares = _objective(made(two, alpha=0.4, negatives_scope="replica"), batches([10]))
    np.testing.assert_allclose(shares * 2, expected, rtol=1e-12)  # each is half of the mean
    together = _objective(made(two, alpha=0.4), batches([10])).sum()
    assert together > shares.sum() + 0.01  # more negatives, more loss


@pytest.mark.parametrize("row", [7, pytest.param(0, marks=pytest.mark.full)])  # of the second replica, of the first
def test_an_overflow_on_one_replica_skips_the_step_and_lowers_the_scale_on_both(two, row):
    model = made(two, dtype="mixed_float16")
    [(x, y, weight)] = batches([8])
    spoilt = {**x, "audio": tf.tensor_scatter_nd_update(x["audio"], [[row]], [[np.inf] * 5])}
    before = [w.numpy() for w in model.trainable_weights]
    scale = model.optimizer.dynamic_scale.numpy()
    fitted(model, tf.data.Dataset.from_tensors((spoilt, y, weight)))
    assert_close([w.numpy() for w in model.trainable_weights], before, 0)
    scales = two.experimental_local_results(model.optimizer.dynamic_scale.value)
    assert [each.numpy() for each in scales] == [scale / 2] * 2
    fitted(model, batches([8]))
    still = {w.path for w, b in zip(model.trainable_weights, before, strict=True) if np.all(w.numpy() == b)}
    assert still <= {model.discriminator.score_bias.path}  # which has no gradient by Eq. 6 but for rounding


@pytest.mark.full
def test_loss_scaling_gives_the_gradients_of_one_device(one, two):
    moments = []
    for strategy in (two, one):
        model = made(strategy, dtype="mixed_float16")
        fitted(model, batches([8, 5]))
        assert model.optimizer.iterations.numpy() == 2
        moments.append(momentums(model.optimizer.inner_optimizer))
    assert_close(*moments, 0.002)  # half precision holds three digits
    assert max(np.abs(m).max() for m in moments[0]) > 0.02


def test_replicas_drop_other_units_and_the_same_every_time(two):
    model = made(two, lambda dtype: dense_network(dtype, dropout=0.5))
    x = {"audio": tf.ones((4, 5)), "text": tf.ones((4, 3))}

    def drawn():
        reseed(model, seed=1, epoch=2)
        logits = two.run(lambda: model(x, training=True)["logits"])
        return [np.asarray(each) for each in two.experimental_local_results(logits)]

    first, second = drawn()
    assert np.abs(first - second).max() > 0.01
    for before, again in zip((first, second), drawn(), strict=True):
        np.testing.assert_array_equal(again, before)
    seeds = [each.numpy().tolist() for each in two.experimental_local_results(model.draw_seeds.state.value)]
    assert seeds[0] == seeds[1]


@pytest.mark.parametrize(("size", "expected"), [(1, [1, 0]), (2, [1, 1]), (5, [3, 2]), (8, [4, 4])])
def test_a_batch_is_divided_in_order_as_evenly_as_it_can_be(two, size, expected):
    data = tf.data.Dataset.range(size).batch(size)
    [parts] = [two.experimental_local_results(batch) for (batch,) in distribution.divided(two, data)]
    assert [len(part) for part in parts] == expected
    assert np.concatenate(parts).tolist() == list(range(size))
