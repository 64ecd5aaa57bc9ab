"""Lines of `benchmarks/gpu` that take time: a step beside PyTorch's, its kernels, and an epoch with its input."""

import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import gpu_line
from gpu_commands import _dataset, _end, _start
from gpu_line import PRECISIONS, on_gpu
from gpu_table import END, SKIPPED, TOLD

BATCHES = (64, 256, 1024)
WARM_UP, STEPS, TURNS = 4, 12, 3


def step(folder: pathlib.Path, tiny: bool) -> tuple[str, str]:
    """Milliseconds of a training step, by batch, precision and kernels: forward to Adam, the batch on the device."""
    gpu_line.tensorflow(tf32=True)
    from tfcr.models.kernels import KERNELS, kernels

    own, said = kernels(), []
    ways = [(precision, own) for precision in PRECISIONS if on_gpu() or precision == "float32"]
    ways += [(precision, "plain Keras") for precision in PRECISIONS[: 2 if on_gpu() else 1]]
    ways += [(precision, "xla") for precision in PRECISIONS if on_gpu()]  # last: a compilation takes its time
    sizes = [8] if tiny else BATCHES if on_gpu() else BATCHES[:1]
    for precision, way in ways:
        os.environ[KERNELS] = own if way == "plain Keras" else way
        step = None
        for size in sizes:
            if gpu_line.seconds_left() <= 0:
                return TOLD, f"{'; '.join(said)}; no time was left for more"
            step = step or _step(precision, way)
            said.append(f"{size} {precision} {way} {_timed(step, size)}")
            gpu_line.so_far(TOLD, "; ".join(said))
    return TOLD, "; ".join(said)


def _step(precision, way):
    """A training step of a new model, traced once for batches of any size."""
    import tensorflow as tf
    import training_step
    from gpu_numbers import _batch

    model = training_step.plain_model(precision) if way == "plain Keras" else training_step._tfcr(precision)
    any_size = tf.nest.map_structure(lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype), _batch(1))
    return tf.function(model.train_step, input_signature=[any_size], jit_compile=way == "xla")


def _timed(step, size):
    """Milliseconds a step, the best of some turns, and the peak of a GPU's memory; in words."""
    import tensorflow as tf
    from gpu_numbers import _batch

    if on_gpu():
        tf.config.experimental.reset_memory_stats("GPU:0")
    data = [_batch(size, seed) for seed in range(4)]
    turns = []
    for turn in range(TURNS + 1):
        began = time.perf_counter()
        count = STEPS if turn else WARM_UP
        for number in range(count):
            logs = step(data[number % 4])
        logs["loss"].numpy()
        turns.append((time.perf_counter() - began) / count)
    said = f"{1000 * min(turns[1:]):.1f} ms"
    if not on_gpu():
        return said
    return f"{said}, {tf.config.experimental.get_memory_info('GPU:0')['peak'] / 2**20:.0f} MiB"


_TORCH = """
import json, sys, time
import torch
from batches import batch
from pytorch_model import Step
device = "cuda" if torch.cuda.is_available() else "cpu"
end = float(sys.argv[1])
precisions = ("float32", "bfloat16", "float16") if device == "cuda" else ("float32",)
eager, slow_to_start = ("contiguous", "channels_last"), ("graphs", "compiled")
for layouts in (eager, slow_to_start) if device == "cuda" else (eager[1:],):
    for size in map(int, sys.argv[2].split(",")):
        if time.monotonic() > end:
            break
        data = [{k: torch.from_numpy(v).to(device) for k, v in batch(seed, size).items()} for seed in range(4)]
        for precision, layout in [(precision, layout) for precision in precisions for layout in layouts]:
            if time.monotonic() > end:
                break
            try:
                step = Step(layout, False, precision, device)
                turns = []
                for count in (4, 12, 12, 12):
                    began = time.perf_counter()
                    for n in range(count):
                        loss = step(data[n % 4])
                    loss.item()
                    turns.append((time.perf_counter() - began) / count)
                print(json.dumps([size, precision, layout, 1000 * min(turns[1:])]), flush=True)
            except Exception as error:
                print(f"{size} {precision} {layout}: {error}", file=sys.stderr)
"""


def pytorch() -> tuple[str, str]:
    """The same steps in PyTorch: the best of eager, compiled and CUDA graphs, by batch and precision."""
    import pytorch_process

    python = os.environ.get("TFCR_PYTORCH")
    version = pytorch_process.version(python)
    if version is None:
        return SKIPPED, "no PyTorch; TFCR_PYTORCH names the interpreter of an environment that has it"
    gpu_line.tensorflow()
    sizes = ",".join(map(str, BATCHES if on_gpu() else BATCHES[:1]))
    arguments = [python or sys.executable, "-c", _TORCH, os.environ.get(END, "inf"), sizes]
    best, answer = {}, f"PyTorch {version}: nothing was timed"
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=pathlib.Path(__file__).parent) as process:
        for line in process.stdout:
            if line.startswith("["):
                size, precision, layout, ms = json.loads(line)
                best[size, precision] = min(best.get((size, precision), (ms, layout)), (ms, layout))
                said = [
                    f"{size} {precision} {ms:.1f} ms ({layout})" for (size, precision), (ms, layout) in best.items()
                ]
                answer = f"PyTorch {version}: {'; '.join(said)}"
                gpu_line.so_far(TOLD, answer)
    if process.returncode:
        raise RuntimeError(f"PyTorch ended with {process.returncode}")
    return TOLD, answer


def kernels() -> tuple[str, str]:
    """Kernels a step and the share of time in which the device computes, by the profiler, at batch 64."""
    tf = gpu_line.tensorflow(tf32=True)
    import training_step
    from gpu_numbers import _batch
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    from tfcr.models.kernels import KERNELS

    said = []
    for way in ("keras", "xla"):
        os.environ[KERNELS] = way
        model = training_step._tfcr("float32")
        run, data = tf.function(model.train_step, jit_compile=way == "xla"), _batch(64)
        for _ in range(3):
            run(data)["loss"].numpy()
        with tempfile.TemporaryDirectory() as folder:
            tf.profiler.experimental.start(folder)  # takes seconds the first time
            began = time.perf_counter()
            for _ in range(4):
                run(data)["loss"].numpy()
            seconds = time.perf_counter() - began
            tf.profiler.experimental.stop()
            [file] = pathlib.Path(folder).rglob("*.xplane.pb")
            space = xplane_pb2.XSpace.FromString(file.read_bytes())
        count, busy = collections.Counter(), 0
        for plane in space.planes:
            for line in plane.lines if "GPU" in plane.name else ():
                names = (plane.event_metadata[event.metadata_id].name.lower() for event in line.events)
                count[line.name] += sum(not name.startswith(("memcpy", "memset")) for name in names)
                busy += sum(event.duration_ps for event in line.events) / 1e12
        told = f"{sum(count.values()) / 4:.0f} kernels, busy {100 * busy / seconds:.0f} %"
        said.append(f"{way}: {told if sum(count.values()) else 'the profiler saw nothing on the GPU'}")
        gpu_line.so_far(TOLD, "; ".join(said))
    return TOLD, "; ".join(said)


def epoch(folder: pathlib.Path, tiny: bool) -> tuple[str, str]:
    """Examples a second of `tfcr train`, input and validation included, and how much of an epoch waits for data."""
    from tfcr.runs import open_run

    run, epochs = folder / "epochs", "2" if tiny else "4"
    _end(_start(["train", "--data", _dataset(folder), "--fold", "0", "--epochs", epochs, "--run", run]))
    opened = open_run(run)
    rows = opened.history[1:]  # the first one traces
    seconds = statistics.median(row["seconds"] for row in rows)
    waiting = statistics.median(row.get("seconds_waiting", 0.0) for row in rows)
    count = opened.metrics["sizes"]["train"]
    return (
        TOLD,
        f"{count / seconds:.0f} utterances/s over whole epochs, {100 * waiting / seconds:.0f} % of them waiting",
    )


if __name__ == "__main__":
    gpu_line.main(globals())
