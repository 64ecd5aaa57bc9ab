"""The training step of the paper's model: forward, backward and Adam, in tfcr, plain Keras and PyTorch.

    python benchmarks/training_step.py --pytorch pytorch/bin/python

Every variant trains on the same batches. A turn of one is a few steps; turns go round in an order that is drawn anew,
TensorFlow and PyTorch idle in turn. Before that, the variants of float32 are shown to compute the same loss and
gradients, and those of bfloat16 a loss close to it and gradients of the same direction.
"""

import contextlib
import dataclasses
import pathlib
import sys
import tempfile
from collections.abc import Callable

import click
import measuring
import numpy as np
import pytorch_process
from batches import BATCH, BINS, CLASSES, DEVIATION, MEAN, described
from batches import batch as numpy_batch
from measuring import Row, interleaved, rows_of
from pytorch_process import AnsweringProcess

SECTION = "Training step"
THREADS = 2
STEPS = 4  # of a turn
SEEDS = range(8)  # of the batches, which take turns too
TOLERANCE = 1e-4  # of losses and gradients of float32, relative to the largest entry
LOSS_TOLERANCE, COSINE = 0.02, 0.9  # of bfloat16: of the loss, relative, and of a weight's gradient to float32's
PLAIN, CONCATENATED = "plain Keras, float32", "plain Keras, float32, every pair concatenated"
PLAIN_HERE = "plain Keras, float32, with tfcr's thread settings"
OURS, OURS_BFLOAT16 = "tfcr, float32", "tfcr, mixed_bfloat16"


def variants() -> dict[str, Callable]:
    """Name → tfcr's model, compiled. A further one is a further line."""
    return {
        OURS: lambda: _tfcr(),
        OURS_BFLOAT16: lambda: _tfcr("mixed_bfloat16"),
    }


def plain_variants() -> dict[str, dict]:
    """Name → what `plain_model` takes; what is timed in plain Keras."""
    return {
        PLAIN: {"precision": "float32", "concatenated": False},
        "plain Keras, mixed_bfloat16": {"precision": "mixed_bfloat16", "concatenated": False},
        CONCATENATED: {"precision": "float32", "concatenated": True},
    }


def pytorch_variants(quick: bool = False) -> dict[str, dict]:
    """Name → what `pytorch_model.Step` takes; what is timed in PyTorch."""
    return {
        f"{layout}, {'packed' if packed else 'padded'}, {_of_pytorch(precision)}": {
            "layout": layout,
            "packed": packed,
            "precision": precision,
        }
        for precision in ("float32", "bfloat16")
        for layout in ("contiguous", "channels_last", *(() if quick else ("compiled",)))
        for packed in (False, True)
    }


def _of_pytorch(precision):
    """What PyTorch calls a precision."""
    return "bfloat16 autocast" if precision == "bfloat16" else precision


def measure(quick: bool = False, pytorch: str | None = None) -> list[Row]:
    """Milliseconds a step of every variant.

    Args:
        pytorch: an interpreter with PyTorch; by default this one, and without PyTorch its rows are left out.

    Raises:
        ArithmeticError: two of them compute different things.

    Plain Keras runs in a process with two threads for an operation and two operations at a time, and once more in
    tfcr's own process, where an operation has one thread and two run at a time.
    """
    prepare_tensorflow()
    click.echo(f"{BATCH} examples a step; {described(SEEDS)}.", err=True)
    models = {name: make() for name, make in variants().items()}
    models[PLAIN_HERE] = plain_model()
    calls = {name: _turn(model) for name, model in models.items()}
    found, version = {}, None
    others, close = {PLAIN_HERE: gradients_of(models[PLAIN_HERE])}, {OURS_BFLOAT16: gradients_of(models[OURS_BFLOAT16])}
    with contextlib.ExitStack() as processes:
        plain = processes.enter_context(AnsweringProcess(sys.executable, "plain_process.py", THREADS))
        for name, settings in plain_variants().items():
            calls[name] = _turn_of(plain, settings)
            compared = others if settings["precision"] == "float32" else close
            compared[name] = gradients_of_plain(plain, settings)
        if process := pytorch_process.started(pytorch, "pytorch_model.py", THREADS):
            processes.enter_context(process)
            version = process.version
            found = {f"PyTorch {name}": settings for name, settings in pytorch_variants(quick).items()}
            for name, settings in found.items():
                calls[name] = _turn_of(process, settings)
                compared = close if settings["precision"] == "bfloat16" else others
                compared[name] = gradients_in(process, models[OURS], settings)
        check_agreement(models[OURS], others, close)
        return _rows(interleaved(calls, 3 if quick else 12, warm_up=2), found, version)


def prepare_tensorflow() -> None:
    """TensorFlow as a training has it, on so many threads."""
    from tfcr.cli.tensorflow import import_quietly

    import_quietly()
    from tfcr.training import runtime

    runtime.configure(THREADS)


def plain_model(precision: str = "float32", concatenated: bool = False):
    """Plain Keras's model, compiled; `concatenated` has every pair of embeddings one after the other."""
    import keras
    from plain_keras import PlainDiscriminator, plain_network

    policy = _policy(precision)
    discriminator = PlainDiscriminator(name="discriminator", dtype=policy) if concatenated else None
    return _compiled(plain_network, precision, keras.optimizers.Adam(0.001), discriminator)


def _tfcr(precision="float32", **settings):
    from tfcr.config import Config
    from tfcr.models.keras_internals import layers_within
    from tfcr.models.systems import system
    from tfcr.training.build import optimizer_of

    config = Config(**settings)
    model = _compiled(
        lambda dtype: system("fusion").build(config, CLASSES, dtype=dtype), precision, optimizer_of(config)
    )
    [standardization] = (layer for layer in layers_within(model) if layer.name == "standardization")
    standardization.set_statistics(np.full(BINS, MEAN), np.full(BINS, DEVIATION))
    return model


def _policy(precision):
    import keras

    return keras.DTypePolicy(precision)


def _compiled(build, precision, optimizer, discriminator=None):
    import keras

    from tfcr.models.contrastive import ContrastiveModel

    keras.utils.set_random_seed(0)
    policy = _policy(precision)
    model = ContrastiveModel(build(policy), alpha=0.1, discriminator=discriminator, dtype=policy)
    model.compile(optimizer, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def steps_of(model) -> Callable:
    """A function that makes a step on the batch of each seed, and returns when all are done."""
    import tensorflow as tf

    step = tf.function(model.train_step)
    batches = {seed: _data(seed) for seed in SEEDS}

    def steps(seeds):
        for seed in seeds:
            logs = step(batches[seed])
        logs["loss"].numpy()

    return steps


def _turn(model):
    """A call that makes the steps of a turn."""
    steps, turns = steps_of(model), _turns()
    return lambda: steps(next(turns))


def _turn_of(process, settings):
    """The same, in a process of its own."""
    turns = _turns()
    return lambda: process.ask(do="steps", seeds=next(turns), **settings)


def _turns():
    """The batches of one turn after another."""
    while True:
        for begin in range(0, len(SEEDS), STEPS):
            yield list(SEEDS[begin : begin + STEPS])


def _data(seed):
    import tensorflow as tf

    tensors = {name: tf.constant(array) for name, array in numpy_batch(seed).items()}
    y = {name: tensors.pop(name) for name in ("label", "utterance")}
    return tensors, y, tf.ones(BATCH)


# ---- all compute the same -------------------------------------------------------------------------------------------


def check_agreement(
    ours, others: dict[str, dict[str, np.ndarray]], close: dict[str, dict[str, np.ndarray]] | None = None
) -> None:
    """Refuses variants whose loss or gradients on one batch differ from ours, each from its own copy of our weights.

    Args:
        ours: tfcr's model of float32.
        others: of float32: no entry may differ by more than 10⁻⁴ of the largest of its tensor.
        close: of bfloat16: the loss may differ by 2 %, and the cosine of a weight's gradient and ours is over 0.9.
            Gradients of biases are left out: sums over the batch that almost cancel, so that rounding shows in them.
    """
    expected = gradients_of(ours)
    del expected["score.bias"]  # the same added to all scores changes nothing: it is zero but for rounding
    for variant, found in others.items():
        for name, array in expected.items():
            error = np.abs(found[name] - array).max() / np.abs(array).max()
            if not error <= TOLERANCE:
                raise ArithmeticError(f"{variant}: {name} differs from tfcr's by {error:.1e} of its largest entry")
    loss = expected.pop("loss")
    for variant, found in (close or {}).items():
        error = abs(found["loss"] - loss) / abs(loss)
        if not error <= LOSS_TOLERANCE:
            raise ArithmeticError(f"{variant}: loss differs from tfcr's of float32 by {100 * error:.1f} %")
        for name, array in expected.items():
            if "bias" in name:
                continue
            cosine = (found[name] * array).sum() / np.sqrt((found[name] ** 2).sum() * (array**2).sum())
            if not cosine > COSINE:
                raise ArithmeticError(f"{variant}: {name} has a cosine of {cosine:.3f} to tfcr's of float32")


def weights_of(*models) -> dict[str, list]:
    """Layer → its variables, in the order of Keras."""
    from tfcr.models.keras_internals import layers_within

    named = {layer.name: layer for model in models for layer in layers_within(model)}
    wanted = [*(f"conv_{n}" for n in range(4)), "lstm_0", "lstm_1", "head", "discriminator"]
    return {name: named[name].trainable_variables for name in wanted}


def start_alike(model) -> None:
    """Weights of one draw, whatever the model's names and order, such that texts differ enough for their gradients."""
    random = np.random.default_rng(0)
    for name, variables in weights_of(model).items():
        gain = 4 if name.startswith("lstm") else 1
        for variable in variables:
            inputs = max(8, np.prod(variable.shape[:-1]))
            variable.assign(random.normal(0, gain / np.sqrt(inputs), variable.shape))


def gradients_of(model, seed: int = 0) -> dict[str, np.ndarray]:
    """`loss` and the gradient of every weight, in PyTorch's layout and names, from the weights of `start_alike`."""
    import tensorflow as tf

    start_alike(model)
    x, y, _ = _data(seed)
    named = weights_of(model)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x, training=True))
    gradients = tape.gradient(loss, named)
    arrays = {name: [gradient.numpy() for gradient in some] for name, some in gradients.items()}
    return {"loss": loss.numpy(), **as_pytorch(arrays)}


def gradients_of_plain(process, settings, seed: int = 0) -> dict[str, np.ndarray]:
    """The same of a variant of plain Keras, in its process."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "gradients.npz")
        process.ask(do="gradients", seed=seed, out=str(out), **settings)
        with np.load(out) as found:
            return dict(found)


def gradients_in(process, ours, settings, seed: int = 0) -> dict[str, np.ndarray]:
    """The same of a variant of PyTorch."""
    start_alike(ours)
    arrays = {name: [variable.numpy() for variable in some] for name, some in weights_of(ours).items()}
    state = as_pytorch(arrays)
    for layer in range(2):  # PyTorch adds two biases
        state[f"lstm.bias_hh_l{layer}"] = np.zeros_like(state[f"lstm.bias_hh_l{layer}"])
    with tempfile.TemporaryDirectory() as folder:
        weights, out = pathlib.Path(folder, "weights.npz"), pathlib.Path(folder, "gradients.npz")
        np.savez(weights, **state)
        process.ask(do="gradients", seed=seed, weights=str(weights), out=str(out), **settings)
        with np.load(out) as found:
            return dict(found)


def as_pytorch(arrays: dict[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    """Weights or gradients of `weights_of` in PyTorch's layout and names; each bias of an LSTM stands twice."""
    named = {}
    for block in range(4):
        kernel, bias = arrays[f"conv_{block}"]
        named[f"convolutions.{block}.weight"] = kernel.transpose(3, 2, 0, 1)
        named[f"convolutions.{block}.bias"] = bias
    for layer in range(2):
        kernel, recurrent, bias = arrays[f"lstm_{layer}"]
        named[f"lstm.weight_ih_l{layer}"], named[f"lstm.weight_hh_l{layer}"] = kernel.T, recurrent.T
        named[f"lstm.bias_ih_l{layer}"] = named[f"lstm.bias_hh_l{layer}"] = bias
    named["head.weight"] = _channels_first(arrays["head"][0])
    hidden, hidden_bias, score, score_bias = arrays["discriminator"]
    named["hidden.weight"], named["hidden.bias"] = _channels_first(hidden), hidden_bias
    named["score.weight"], named["score.bias"] = score.T, score_bias
    return named


def _channels_first(kernel):
    """[units, 512 + 200] from [512 + 200, units]: PyTorch flattens channels, frames and bins in this order."""
    audio = kernel[:512].reshape(8, 8, 8, -1).transpose(2, 0, 1, 3).reshape(512, -1)
    return np.concatenate([audio, kernel[512:]]).T


def _rows(seconds, pytorch_settings, version):
    seconds = {name: values / STEPS for name, values in seconds.items()}
    against = {name: (PLAIN, None) for name in seconds if name != PLAIN}
    against |= {OURS: (PLAIN, "≥ 1.6"), OURS_BFLOAT16: (PLAIN, "≥ 1.8")}
    rows = rows_of(SECTION, seconds, against)
    rows += _beside(seconds[OURS], seconds[PLAIN_HERE], f"{OURS}, the model alone", PLAIN_HERE, None)
    for ours, precision, wanted in ((OURS, "float32", "≥ 2"), (OURS_BFLOAT16, "bfloat16", "≥ 1.5")):
        rivals = [name for name, settings in pytorch_settings.items() if settings["precision"] == precision]
        if rivals:
            best = min(rivals, key=lambda name: np.median(seconds[name]))
            beside = f"{ours}, beside the best PyTorch {version}"
            against = f"the best PyTorch, {_of_pytorch(precision)}"
            [row] = _beside(seconds[ours], seconds[best], beside, against, wanted)
            rows.append(dataclasses.replace(row, note=best))
    return rows


def _beside(seconds, others, what, against, wanted):
    """A row that compares one with another."""
    return rows_of(SECTION, {what: seconds, against: others}, {what: (against, wanted)})[:1]


command = pytorch_process.option(measuring.command(measure))

if __name__ == "__main__":
    command()
