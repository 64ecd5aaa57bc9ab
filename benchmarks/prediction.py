"""Latency and throughput of an export on recordings and words, beside its ONNX form and the same pipeline in PyTorch.

    python benchmarks/prediction.py --pytorch pytorch/bin/python
    python benchmarks/prediction.py --export serving/tfcr/1 --onnx serving/onnx/1

Recordings are noise of 4.5 seconds with 14 words, IEMOCAP's means. `serving_default` and PyTorch begin at the bytes of
a WAV file; `features` and ONNX get spectrograms and word embeddings ready made. Their calls take turns; export and ONNX
are in a process with serving's settings, the export in another with TensorFlow's own, PyTorch in a third, and each has
two threads. Without --export, a model of full size is trained for one epoch on a small synthetic corpus and exported
first.
"""

import contextlib
import io
import os
import pathlib
import sys
import tempfile
from dataclasses import replace

import click
import measuring
import numpy as np
import pytorch_process
import soundfile
from export_process import FEATURES, ONNX, RAW
from measuring import FASTER, Row, interleaved, rows_of
from pytorch_process import AnsweringProcess
from training_step import as_pytorch, prepare_tensorflow, weights_of

from tfcr.schema import EMBEDDING_DIM, FFT_LENGTH, HOP_LENGTH, MAX_TOKENS, NUM_BINS, SAMPLE_RATE, SEGMENT_FRAMES

SECTION = "Prediction"
SECONDS, WORDS = 4.5, 14  # IEMOCAP's means
BATCH = 32
THREADS = 2
REST = 0.01  # seconds between two calls
UTTERANCES = 120  # of the corpus that the model is trained on
TOLERANCE = 1e-4  # of logits, relative to the largest
TENSORFLOWS = f"{RAW}, with TensorFlow's own threads"


def measure(
    quick: bool = False,
    pytorch: str | None = None,
    export: str | os.PathLike | None = None,
    onnx: str | os.PathLike | None = None,
) -> list[Row]:
    """Milliseconds of one recording, median and 99th percentile, and recordings a second in batches of 32.

    Args:
        pytorch: an interpreter with PyTorch; by default this one, and without PyTorch its rows are left out.
        export, onnx: folders of versions that are there; then there are no rows of PyTorch, which knows no weights.

    Raises:
        ArithmeticError: PyTorch answers something else than the export.
    """
    prepare_tensorflow()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as processes:
        folder, rival = pathlib.Path(folder), None
        if export is None:
            run = _trained(folder)
            export, onnx = _exported(run, folder)
            rival = pytorch_process.started(pytorch, "pytorch_prediction.py", THREADS)
            processes.enter_context(rival or contextlib.nullcontext())
        asked = _asked(folder, sentence(pathlib.Path(export)))
        serving, split = (
            processes.enter_context(AnsweringProcess(sys.executable, "export_process.py", THREADS)) for _ in range(2)
        )
        _load_export(serving, export, onnx, folder, asked)
        _load_export(split, export, None, folder, asked, split=True)
        names = [RAW, FEATURES, *([] if onnx is None else [ONNX])]
        calls = {count: {name: _call(serving, count, name=name) for name in names} for count in (1, BATCH)}
        for count, some in calls.items():
            some[TENSORFLOWS] = _call(split, count, name=RAW)
        layouts = {}
        if rival is not None:
            _load_pytorch(rival, run, folder, asked)
            layouts = {f"PyTorch {rival.version}, {layout}": layout for layout in ("contiguous", "channels_last")}
            for name, layout in layouts.items():
                for count, some in calls.items():
                    some[name] = _call(rival, count, layout=layout)
                _check(name, np.array(calls[BATCH][name]()), np.array(calls[BATCH][RAW]()))
        return _rows(calls, quick, list(layouts))


def recordings(count: int) -> list[bytes]:
    """WAV files of noise."""
    files = []
    for seed in range(count):
        samples = np.random.default_rng(seed).normal(0, 0.1, round(SECONDS * SAMPLE_RATE)).astype(np.float32)
        file = io.BytesIO()
        soundfile.write(file, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")
        files.append(file.getvalue())
    return files


def sentence(export: pathlib.Path) -> str:
    """Words that the export knows."""
    known = (export / "assets" / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
    return " ".join([word for word in known if word.isalpha()][:WORDS])


def features(count: int, words: int) -> dict[str, np.ndarray]:
    """What the front end would make of recordings of that length."""
    random, frames = np.random.default_rng(0), (round(SECONDS * SAMPLE_RATE) - FFT_LENGTH) // HOP_LENGTH + 1
    segments = -(-frames // SEGMENT_FRAMES)
    embeddings = np.zeros((count, MAX_TOKENS, EMBEDDING_DIM), np.float32)
    embeddings[:, :words] = random.normal(0, 0.3, (count, words, EMBEDDING_DIM))
    return {
        "spectrogram": random.normal(-60, 20, (count, segments, SEGMENT_FRAMES, NUM_BINS)).astype(np.float32),
        "num_frames": np.full(count, frames, np.int32),
        "embeddings": embeddings,
        "num_tokens": np.full(count, words, np.int32),
    }


def _trained(folder):
    """A run of the full model on the synthetic corpus."""
    from tfcr.config import Config
    from tfcr.preparation.options import Preparation
    from tfcr.preparation.prepare import prepare
    from tfcr.training.experiment import plan
    from tfcr.training.train import train_fold

    click.echo("Training a model to export…", err=True)
    data = folder / "data"
    prepare(Preparation("synthetic", data / "corpus", data, "synthetic", options={"utterances": UTTERANCES}), workers=2)
    return train_fold(plan(Config(epochs=1), data), folder / "run")


def _exported(run, folder):
    """Its export, and its ONNX form where the packages for it are there."""
    from tfcr.errors import TfcrError
    from tfcr.serving.export.onnx_export import export_onnx
    from tfcr.serving.export.saved_model import export_run

    export = export_run(run, folder / "tfcr")
    try:
        import onnxruntime  # noqa: F401

        return export, export_onnx(run, folder / "onnx")
    except (ImportError, TfcrError) as error:
        click.echo(f"No ONNX here, so its row is left out ({error}): pip install '.[onnx]' onnxruntime", err=True)
        return export, None


def _asked(folder, transcript) -> dict:
    """What every process is asked about: `recordings`, paths of files, and `transcripts`."""
    paths = [folder / f"{number}.wav" for number in range(BATCH)]
    for path, file in zip(paths, recordings(BATCH), strict=True):
        path.write_bytes(file)
    return {"recordings": [str(path) for path in paths], "transcripts": [transcript] * BATCH}


def _call(process, count, **which):
    """A call that answers the logits of the first recordings."""
    return lambda: process.ask(do="predict", count=count, **which)["logits"]


def _load_export(process, export, onnx, folder, asked, **settings):
    """Gives serving's process the models, the recordings and their features."""
    np.savez(folder / "features.npz", **features(BATCH, len(asked["transcripts"][0].split())))
    models = {"export": str(export), "onnx": None if onnx is None else str(onnx)}
    process.ask(do="load", features=str(folder / "features.npz"), **models, **asked, **settings)


def _load_pytorch(process, run, folder, asked):
    """Gives PyTorch the run's weights, its words and the recordings."""
    from tfcr.dataset_info import open_dataset
    from tfcr.features.vocabulary import read_vocabulary
    from tfcr.models.heads.pair_discriminator import PairDiscriminator
    from tfcr.models.keras_internals import layers_within
    from tfcr.serving.export.saved_model import restored_network

    network = restored_network(run)
    discriminator = PairDiscriminator(name="discriminator")  # which an export does not have
    discriminator.build((None, 512), (None, 200))
    named = weights_of(network, discriminator)
    state = as_pytorch({name: [variable.numpy() for variable in some] for name, some in named.items()})
    for layer in range(2):  # PyTorch adds two biases
        state[f"lstm.bias_hh_l{layer}"] = np.zeros_like(state[f"lstm.bias_hh_l{layer}"])
    [standardization] = (layer for layer in layers_within(network) if layer.name == "standardization")
    state |= {"mean": standardization.mean.numpy(), "deviation": standardization.deviation.numpy()}
    np.savez(folder / "weights.npz", **state)
    words, vectors, known = read_vocabulary(open_dataset(folder / "data").folder)
    np.savez(folder / "vocabulary.npz", words=np.array(words)[known], vectors=vectors[known])
    vocabulary = str(folder / "vocabulary.npz")
    process.ask(do="load", weights=str(folder / "weights.npz"), vocabulary=vocabulary, **asked)


def _check(name, found, expected):
    error = np.abs(found - expected).max() / np.abs(expected).max()
    if not error <= TOLERANCE:
        raise ArithmeticError(f"{name}: logits differ from the export's by {error:.1e} of the largest")


def _rows(calls, quick, rivals: list[str]) -> list[Row]:
    one = interleaved(calls[1], 20 if quick else 300, warm_up=5, rest=REST)
    batch = interleaved(calls[BATCH], 3 if quick else 40, warm_up=2, rest=REST)
    rows = _with_best(rows_of, "one recording", one, rivals, "≥ 1")
    late = {name: 1e3 * float(np.quantile(seconds, 0.99)) for name, seconds in one.items()}
    for name, milliseconds in late.items():
        row = Row(SECTION, f"{name}: 99th percentile", milliseconds, "ms")
        if name == RAW and rivals:
            best = min(rivals, key=late.get)
            ratio = {"ratio": late[best] / milliseconds, "reads": FASTER, "wanted": "≥ 2"}
            row = replace(row, against="the best PyTorch", note=f"{best}: 99th percentile", **ratio)
        rows.append(row)
    return rows + _with_best(_throughput, f"batches of {BATCH}", batch, rivals, "≥ 1.8")


def _with_best(make, what, seconds, rivals, wanted):
    """Rows, of which the export's compares with the best of its rivals."""
    against = {}
    if rivals:
        best = min(rivals, key=lambda name: np.median(seconds[name]))
        against = {f"{RAW}: {what}": (f"{best}: {what}", wanted)}
    rows = make(SECTION, {f"{name}: {what}": values for name, values in seconds.items()}, against)
    # several runs may differ in the best
    return [row if row.ratio is None else replace(row, against="the best PyTorch", note=row.against) for row in rows]


def _throughput(section, seconds, against):
    rates = rows_of(section, {name: BATCH / values for name, values in seconds.items()}, None, 1, "recordings/s")
    ratios = {row.what: row for row in rows_of(section, seconds, against)}
    return [
        Row(
            *(row.section, row.what, row.value, row.unit, ratios[row.what].against),
            ratio=ratios[row.what].ratio,
            spread=row.spread,
            ratio_spread=ratios[row.what].ratio_spread,
            reads=ratios[row.what].reads,
            wanted=ratios[row.what].wanted,
        )
        for row in rates
    ]


command = pytorch_process.option(measuring.command(measure))
for name, what in (("export", "A version of an export."), ("onnx", "A version of its ONNX form.")):
    command = click.option(f"--{name}", type=click.Path(exists=True, path_type=pathlib.Path), help=what)(command)

if __name__ == "__main__":
    command()
