"""Latency and throughput of an export, one recording at a time and in batches, beside its ONNX form.

    python benchmarks/serving.py serving/tfcr/1 serving/onnx/1

Recordings are noise of 4.5 seconds, IEMOCAP's mean, with nine words. `serving_default` begins at the bytes of a WAV
file; `features` and ONNX get spectrograms and word embeddings ready made. The calls of all of them take turns, so that
whatever else the machine does falls on each alike. Prints a Markdown table.
"""

import io
import os
import pathlib
import time
from collections.abc import Callable, Mapping

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import soundfile

from tfcr.cli.tensorflow import import_quietly
from tfcr.schema import EMBEDDING_DIM, MAX_TOKENS, NUM_BINS, SAMPLE_RATE, SEGMENT_FRAMES

SECONDS = 4.5  # IEMOCAP's mean
WORDS = "i do not know what to say to you"
BATCH = 32


def recordings(count: int) -> list[bytes]:
    """WAV files of noise."""
    files = []
    for seed in range(count):
        samples = np.random.default_rng(seed).normal(0, 0.1, round(SECONDS * SAMPLE_RATE)).astype(np.float32)
        file = io.BytesIO()
        soundfile.write(file, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
        files.append(file.getvalue())
    return files


def features(count: int) -> dict[str, np.ndarray]:
    """What the front end would make of recordings of that length."""
    random, frames = np.random.default_rng(0), round(SECONDS * SAMPLE_RATE) // SEGMENT_FRAMES - 1
    segments = -(-frames // SEGMENT_FRAMES)
    words = len(WORDS.split())
    embeddings = np.zeros((count, MAX_TOKENS, EMBEDDING_DIM), np.float32)
    embeddings[:, :words] = random.normal(0, 0.3, (count, words, EMBEDDING_DIM))
    return {
        "spectrogram": random.normal(-60, 20, (count, segments, SEGMENT_FRAMES, NUM_BINS)).astype(np.float32),
        "num_frames": np.full(count, frames, np.int32),
        "embeddings": embeddings,
        "num_tokens": np.full(count, words, np.int32),
    }


def seconds_of(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, np.ndarray]:
    """The seconds of every call, taken in turns after one that is not counted."""
    for call in calls.values():
        call()
    found = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            found[name].append(time.perf_counter() - began)
    return {name: np.array(seconds) for name, seconds in found.items()}


@click.command()
@click.argument("export", type=click.Path(exists=True, path_type=pathlib.Path))
@click.argument("onnx", type=click.Path(exists=True, path_type=pathlib.Path), required=False)
@click.option("--threads", default=2, show_default=True)
@click.option("--repeats", default=200, show_default=True, help="Calls of one recording; of a batch a tenth as many.")
def command(export: pathlib.Path, onnx: pathlib.Path | None, threads: int, repeats: int) -> None:
    """Time the version of an export in the folder EXPORT, and the model.onnx in the folder ONNX."""
    import_quietly()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    signatures = tf.saved_model.load(str(export)).signatures
    session = None
    if onnx is not None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(onnx / "model.onnx"), options)
    click.echo(
        "| what answers | one recording: median, 99th percentile | a batch of 32: median | recordings a second |"
    )
    click.echo("|---|---|---|---|")
    timed = {}
    for count, times in ((1, repeats), (BATCH, max(2, repeats // 10))):
        raw = {"audio_bytes": tf.constant(recordings(count)), "transcript": tf.constant([WORDS] * count)}
        arrays = features(count)
        tensors = {name: tf.constant(array) for name, array in arrays.items()}
        calls = {
            "`serving_default`, from WAV bytes": lambda raw=raw: signatures["serving_default"](**raw),
            "`features`": lambda tensors=tensors: signatures["features"](**tensors),
        }
        if session is not None:
            calls["ONNX of `features`"] = lambda arrays=arrays: session.run(None, arrays)
        timed[count] = seconds_of(calls, times)
    for name, one in timed[1].items():
        batch = np.median(timed[BATCH][name])
        click.echo(
            f"| {name} | {1e3 * np.median(one):.1f} ms, {1e3 * np.quantile(one, 0.99):.1f} ms | {1e3 * batch:.0f} ms | "
            f"{BATCH / batch:.0f} |"
        )


if __name__ == "__main__":
    command()
