"""Lines of `benchmarks/gpu` about what a GPU computes: the same numbers as a CPU, in every precision."""

import os
import pathlib
import subprocess
import sys

import gpu_line
import numpy as np
from gpu_line import ON_CPU, PRECISIONS, judged, on_gpu
from gpu_table import TOLD

LARGEST_ERROR = 1e-4  # of a float32 gradient, relative to the largest entry of its tensor
LEAST_COSINE = {"mixed_float16": 0.99, "mixed_bfloat16": 0.96}  # of a weight's gradient to that of float32
LOSSES = 20
LOSS_ERROR = {"float32": 0.005, "mixed_float16": 0.02, "mixed_bfloat16": 0.05}  # of any of them, relative


def devices() -> tuple[str, str]:
    """Versions, and what there is to compute on."""
    tf = gpu_line.tensorflow()
    import keras

    from tfcr import __version__
    from tfcr.models.kernels import kernels

    said = [f"tfcr {__version__}, TensorFlow {tf.__version__}, Keras {keras.__version__}"]
    for gpu in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpu)
        build = tf.sysconfig.get_build_info()
        capability = ".".join(map(str, details.get("compute_capability", ("unknown",))))
        said.append(f"{details.get('device_name', gpu.name)}, compute capability {capability}")
        said.append(f"built for CUDA {build.get('cuda_version')} and cuDNN {build.get('cudnn_version')}")
    product = tf.linalg.matmul(tf.ones((256, 256)), tf.ones((256, 256)))
    said.append(f"a product on {product.device.rpartition('device:')[2]}, kernels {kernels()}")
    return judged(float(product[0, 0]) == 256, ", ".join(said))


def gradients(folder: pathlib.Path, tiny: bool) -> tuple[str, str]:
    """Loss and gradients of one batch beside those of float32 on a CPU."""
    expected = _on_cpu("gradients_of_float32", folder, tiny)
    said, right = [], True
    for precision in PRECISIONS if on_gpu() or not tiny else ("float32",):
        if not on_gpu() and precision == "mixed_float16":
            said.append("mixed_float16 is for GPUs")
            continue
        found = _gradients(precision, tiny)
        if precision == "float32":
            errors = [np.abs(found[name] - array).max() / np.abs(array).max() for name, array in expected.items()]
            said.append(f"float32 within {max(errors):.1e} of the largest entry")
            right &= bool(max(errors) <= LARGEST_ERROR)
        else:
            cosine = min(_cosine(found[name], array) for name, array in expected.items() if "bias" not in name)
            said.append(f"{precision} cosine {cosine:.4f}")
            right &= bool(cosine >= LEAST_COSINE[precision])
    return judged(right, "; ".join(said))


def gradients_of_float32(folder: pathlib.Path, tiny: bool) -> tuple[str, str]:
    """Those on a CPU, into a file."""
    np.savez(folder / "gradients_of_float32.npz", **_gradients("float32", tiny))
    return TOLD, ""


def twenty_losses(folder: pathlib.Path, tiny: bool) -> tuple[str, str]:
    """The first losses of a training in each precision, beside those of float32 on a CPU."""
    expected = _on_cpu("losses_of_float32", folder, tiny)["losses"]
    said, right = [], True
    for precision in PRECISIONS:
        if not on_gpu() and (precision == "mixed_float16" or tiny):
            continue
        found = _losses(precision, tiny)
        error = np.max(np.abs(found - expected) / expected)
        said.append(f"{precision} within {100 * error:.2g} % (ends at {found[-1]:.4f})")
        right &= bool(error <= LOSS_ERROR[precision])
    return judged(right, f"{'; '.join(said) or 'on this CPU alone'}; float32 on a CPU ends at {expected[-1]:.4f}")


def losses_of_float32(folder: pathlib.Path, tiny: bool) -> tuple[str, str]:
    """Those on a CPU, into a file."""
    np.savez(folder / "losses_of_float32.npz", losses=_losses("float32", tiny))
    return TOLD, ""


def smallest_batches(tiny: bool) -> tuple[str, str]:
    """A batch of one, and one whose transcripts are empty."""
    tf = gpu_line.tensorflow()
    found = {}
    for precision in PRECISIONS if on_gpu() else ("float32", "mixed_bfloat16")[: 1 if tiny else 2]:
        model = _model(precision, tiny)
        step = tf.function(model.train_step, reduce_retracing=True)
        for name, (x, y, weights) in {"of one": _batch(1), "without words": _batch(4, words=0)}.items():
            model.reset_metrics()
            found[f"{name} in {precision}"] = float(step((x, y, weights))["loss"])
    finite = all(map(np.isfinite, found.values()))
    return judged(finite, ", ".join(f"{name}: loss {loss:.3f}" for name, loss in found.items()))


def lstm_kernel() -> tuple[str, str]:
    """Which kernel the LSTM of each precision runs by, from the names of a graph's operations."""
    tf = gpu_line.tensorflow()
    import keras

    from tfcr.models.cpu.packed_lstm import PackedLSTM

    found = {}
    for precision in PRECISIONS:
        layer = PackedLSTM(4, return_sequences=True, dtype=keras.DTypePolicy(precision))
        graph = tf.function(lambda x, layer=layer: layer(x, mask=tf.ones((2, 3), bool))).get_concrete_function(
            tf.TensorSpec((2, 3, 5), layer.compute_dtype)
        )
        kinds = {operation.type for operation in graph.graph.get_operations()}
        found[precision] = "cuDNN's" if "CudnnRNNV3" in kinds else "tfcr's, packed" if layer.is_fast else "Keras's loop"
    said = ", ".join(f"{precision} {kernel}" for precision, kernel in found.items())
    return judged(found["mixed_bfloat16"] != "cuDNN's", said)


def compiled_step(tiny: bool) -> tuple[str, str]:
    """A step that XLA compiles, deterministically: its losses, and how many kernels it has."""
    tf = gpu_line.tensorflow()
    import gpu_kernels

    from tfcr.models.kernels import KERNELS

    tiny |= not on_gpu()  # a CPU takes a minute or more to compile the whole one
    data = _batch(4 if tiny else 64)
    plain = _steps(_model("float32", tiny), data, 3)
    os.environ[KERNELS] = "xla"
    model = _model("float32", tiny)
    found = _steps(model, data, 3, jit_compile=True)
    error = np.max(np.abs(found - plain) / plain)
    said = f"three losses within {error:.1e} of the other kernels'"
    if not tiny:
        step = tf.function(model.train_step, jit_compile=True)
        said += f"; {gpu_kernels.counted(step.experimental_get_compiler_ir(data)(stage='optimized_hlo'))}"
    return judged(bool(error <= 1e-4), said)


def every_system(tiny: bool) -> tuple[str, str]:
    """Two steps of each, on noise."""
    gpu_line.tensorflow()
    from tfcr.models.systems import names

    found = {}
    for name in (
        names() if on_gpu() else ("audio", "text", "mdre") if tiny else ("fusion", "early-fusion", "mdre", "mha-2")
    ):
        try:
            found[name] = _two_steps(name)
        except Exception as error:  # the others are told all the same
            found[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    wrong = {name: what for name, what in found.items() if not isinstance(what, float) or not np.isfinite(what)}
    said = ", ".join(f"{name}: {what}" for name, what in wrong.items()) or ", ".join(found)
    return judged(not wrong, said)


def _two_steps(name):
    import keras

    from tfcr.config import Config
    from tfcr.models.contrastive import ContrastiveModel
    from tfcr.models.sizes import Sizes
    from tfcr.models.systems import system
    from tfcr.training.build import optimizer_of

    keras.utils.set_random_seed(0)
    bias = system(name).DEFAULTS.get("head_bias", False)
    config = Config(recurrent_units=16, hidden_units=16, projection_units=16, lstm_units=16, head_bias=bias)
    policy = keras.DTypePolicy("mixed_float16" if on_gpu() else "float32")
    network = system(name).build(config, 4, Sizes(vocabulary=20), dtype=policy)
    model = ContrastiveModel(network, alpha=0.1 if system(name).REGULARISED else 0, dtype=policy)
    model.compile(optimizer_of(config), jit_compile=False)
    random, x = np.random.default_rng(0), {}
    for key, tensor in network.input.items():
        shape = [4, *(12 if size is None else size for size in tensor.shape[1:])]
        is_float = tensor.dtype == "float32"
        x[key] = random.normal(0, 1, shape).astype("f") if is_float else random.integers(1, 12, shape).astype("i")
    history = model.fit(x, np.arange(4), epochs=2, batch_size=4, verbose=0).history
    return float(history["loss"][-1])


def _on_cpu(name, folder, tiny):
    """The arrays that one of these lines has written, in a process that sees no GPU."""
    arguments = [sys.executable, __file__, name, folder, *(["--tiny"] if tiny else [])]
    subprocess.run(arguments, check=True, env={**os.environ, **ON_CPU}, stdout=subprocess.DEVNULL)
    gpu_line.tensorflow()
    with np.load(folder / f"{name}.npz") as found:
        return dict(found)


def _model(precision, tiny):
    import training_step

    sizes = {"conv_filters": 2, "lstm_units": 8, "lstm_layers": 1} if tiny else {}
    return training_step._tfcr(precision, **sizes)


def _batch(size, seed=0, words=None):
    """A batch of so many examples, of so many words each if that is said."""
    import tensorflow as tf
    from batches import batch

    arrays = batch(seed, size)
    if words is not None:
        arrays["num_tokens"][:] = words
        arrays["embeddings"][:, words:] = 0
    x = {name: tf.constant(array) for name, array in arrays.items()}
    y = {name: x.pop(name) for name in ("label", "utterance")}
    return x, y, tf.ones(size)


def _gradients(precision, tiny):
    """Of every weight by its path, and of the loss: in a graph, as a training computes them."""
    tf = gpu_line.tensorflow()
    model = _model(precision, tiny)
    _start(model)

    @tf.function(autograph=False)
    def compute(x, y):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, y, model(x, training=True))
        return {"loss": loss, **dict(zip(names, tape.gradient(loss, model.trainable_variables), strict=True))}

    names = [variable.path for variable in model.trainable_variables]
    x, y, _ = _batch(8 if tiny else 64)
    found = {name: tensor.numpy().astype(np.float32) for name, tensor in compute(x, y).items()}
    return {name: array for name, array in found.items() if not name.endswith("score_bias")}  # zero but for rounding


def _start(model):
    """Weights of one draw, such that every gradient says something."""
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        gain = 4 if "lstm" in variable.path else 1
        inputs = max(8, int(np.prod(variable.shape[:-1])))
        variable.assign(random.normal(0, gain / np.sqrt(inputs), variable.shape))


def _losses(precision, tiny):
    gpu_line.tensorflow()
    return _steps(_model(precision, tiny), _batch(8 if tiny else 64), LOSSES)


def _steps(model, data, count, **how):
    """The losses of so many steps on one batch."""
    import tensorflow as tf

    step, found = tf.function(model.train_step, **how), []
    for _ in range(count):
        model.reset_metrics()
        found.append(float(step(data)["loss"]))
    return np.array(found)


def _cosine(one, other):
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


if __name__ == "__main__":
    gpu_line.main(globals())
