"""A trained run as a SavedModel that TF Serving takes: float32, portable, from a recording's bytes to an emotion.

Of a run on one's own features it begins with these.
"""

import contextlib
import io
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from tfcr import __version__, files
from tfcr.config import Config
from tfcr.dataset_info import INFO, Dataset
from tfcr.devices import share_gpus
from tfcr.errors import TfcrError
from tfcr.exports import EXTRA, MANIFEST, MODEL, ONNX, SAVED_MODEL
from tfcr.features.presets import PRESETS
from tfcr.features.vocabulary import VOCABULARY, write_vocabulary
from tfcr.models.kernels import answering
from tfcr.models.restore import restore_network
from tfcr.models.sizes import Sizes
from tfcr.models.systems import OWN_FIELDS
from tfcr.runs import CONFIG, METRICS, WEIGHTS, Run, check_weights
from tfcr.schema import MAX_SECONDS
from tfcr.serving.export import model_card
from tfcr.serving.export.server_files import model_name, write_server_files
from tfcr.serving.export.warmup import write_warmup
from tfcr.serving.export.word_choice import choose_words, open_run_dataset
from tfcr.serving.graph import words as graph_words
from tfcr.serving.graph.feature_model import FeatureModel, Labels
from tfcr.serving.graph.speech_model import SpeechModel
from tfcr.training.experiment import read_run_config

EXPORTABLE = ("fusion", "audio", "text")

_ONLY_ANSWERS = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
_UNFINISHED = ".export-"  # begins the name of a folder in which a version is written


def export_run(
    run: Run,
    out: str | os.PathLike,
    *,
    data: str | os.PathLike | None = None,
    vocabulary: str | None = None,
    embeddings: str | os.PathLike | None = None,
) -> pathlib.Path:
    """Writes the run's model under the next integer version below `out`; the version appears whole.

    Three signatures; a system with one modality leaves out what it does not have.

    - `serving_default`: `audio_bytes` string [batch] (a WAV file, 16 kHz, 16-bit PCM, mono or stereo, at most 300 s)
      and `transcript` string [batch] (UTF-8) → `emotion` string [batch], `probabilities`, `logits`, `audio_logits`,
      `text_logits` float32 [batch, classes], `conflict` bool [batch] and `error` string [batch]. A bad row says so in
      `error`; its numbers are zero, its emotion is empty, and its neighbours stay as they are.
    - `features`: `spectrogram` float32 [batch, segments, 128, 128] in the preset's unit, `num_frames` int32 [batch],
      `embeddings` float32 [batch, 30, width] and `num_tokens` int32 [batch] → the same without `error`.
    - `explain`: what `serving_default` takes and answers, with `spectrogram`, `num_frames` and `audio_probabilities`,
      `tokens` string [batch, 30], `attention` float32 [batch, 30] and `text_probabilities`.

    A run on one's own features has `features` alone, with `audio_features` and `text_features`, float32 [batch, dim],
    [batch, time, dim] or [batch, layers, time, dim] and then with their number of steps, `num_audio_features` and
    `num_text_features` int32 [batch], in place of what they stand for.

    The model is served by the name of `out`. Beside the versions, files that start TF Serving are written where there
    are none.

    Args:
        data, vocabulary, embeddings: see `tfcr.serving.export.word_choice.choose_words`, for a run that reads word
            vectors.

    Returns:
        The version's folder.

    Raises:
        TfcrError: a system that does not export, weights or a vocabulary that are missing or broken, or an `out` that
            is something else.
    """
    network = restored_network(run)
    words = None
    if "embeddings" in network.input:
        dataset = open_run_dataset(run, data)
        words = choose_words(run, data, vocabulary, embeddings)
    elif vocabulary is not None:
        raise TfcrError(f"{run.folder} reads no word vectors; leave --vocabulary out")
    else:
        dataset = dataset_if_there(run, data)
    name = model_name(pathlib.Path(out))
    with next_version(out, SAVED_MODEL) as (version, number):
        signatures = _save(network, run, words, version)
        write_warmup(version, name, signatures)
        if words is not None and _on_own_features(network):
            write_vocabulary(version / EXTRA / VOCABULARY, *words)
        card = model_card.model_card(run, name, number, dataset, None if words is None else len(words[0]))
        files.write_text(version / model_card.FILE, card)
        inputs = {signature: list(taken) for signature, taken in signatures.items()}
        describe(
            run,
            version,
            {
                "model": name,
                "format": "savedmodel",
                "signatures": inputs,
                "vocabulary": None if words is None else len(words[0]),
            },
        )
        write_server_files(pathlib.Path(out))
    return pathlib.Path(out) / number


def restored_network(run: Run) -> keras.Model:
    """The network of a run over examples, without kernels that only a GPU has.

    Raises:
        TfcrError: a system that does not export, or weights that are broken.
    """
    config = read_run_config(run.folder)
    if config.system not in EXPORTABLE:
        raise TfcrError(f"system {config.system!r} does not export; expected a run of {', '.join(EXPORTABLE)}")
    check_weights(run)
    share_gpus()
    sizes = Sizes(embedding_dim=run.embedding_dim, **_shapes(run, config))
    return restore_network(config, len(run.emotions), run.folder / WEIGHTS, sizes, use_cudnn=False)


def _shapes(run: Run, config: Config) -> dict[str, tuple[int | None, ...]]:
    """The shapes of one's own features that a run was trained on, by the network's input."""
    taken = [name for name in OWN_FIELDS.values() if getattr(config, name) is not None]
    shapes = run.own_features if taken else {}
    if lacking := sorted(set(taken) - set(shapes)):
        raise TfcrError(f"{run.folder / METRICS} does not say what shape its {lacking[0]} have; train the run again")
    return shapes


def _on_own_features(network: keras.Model) -> bool:
    return not set(OWN_FIELDS.values()).isdisjoint(network.input)


def dataset_if_there(run: Run, data: str | os.PathLike | None) -> Dataset | None:
    """The dataset of a run, for its card; None where it has gone, unless it was named."""
    try:
        return open_run_dataset(run, data)
    except TfcrError:
        if data is not None:
            raise
        return None


@contextlib.contextmanager
def next_version(out: str | os.PathLike, kind: str) -> Iterator[tuple[pathlib.Path, str]]:
    """Yields a temporary folder and the number it gets, one more than the largest there is, once the block ended well.

    Args:
        kind: the file that makes it a version, `saved_model.pb` or `model.onnx`.

    Raises:
        TfcrError: `out` is something else than a folder of such versions, or another process writes to it.
    """
    out = pathlib.Path(out)
    if any((out / name).exists() for name in (CONFIG, INFO, SAVED_MODEL, ONNX)):
        raise TfcrError(f"{out} is a run, a dataset or one version of an export; name the folder above the versions")
    other = ONNX if kind == SAVED_MODEL else SAVED_MODEL
    if others := sorted(out.glob(f"[0-9]*/{other}")):
        raise TfcrError(f"{out} has versions of another kind ({others[0]}); name another folder by --out")
    out.mkdir(parents=True, exist_ok=True)
    with files.locked(out, "exporting to"), files.full_disk_named(out / "the next version"):
        for left in out.glob(f"{_UNFINISHED}*"):  # by an export that was killed
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=out) as temporary:
            version = pathlib.Path(temporary) / "version"
            version.mkdir()
            number = str(1 + max((int(path.name) for path in out.iterdir() if path.name.isdecimal()), default=0))
            yield version, number
            version.rename(out / number)


def describe(run: Run, version: pathlib.Path, more: Mapping) -> None:
    """What the export was made from, and the SHA-256 of its files."""
    known = ("preset", "system", "alpha", "dataset", "dataset_sha256", "protocol", "fold", "seed")
    content = {
        "version": __version__,
        "model": MODEL,
        "emotions": run.emotions,
        "spectrogram_unit": PRESETS[run.metrics["preset"]].constants["spectrogram_unit"],
        "max_seconds": MAX_SECONDS,
        **more,
        "run": {name: run.metrics[name] for name in known},
        "extractors": run.extractors,
        "test": run.metrics["test"],
        "run_sha256": files.sha256_of_file(run.folder / METRICS),
        "files": {
            path.relative_to(version).as_posix(): files.sha256_of_file(path)
            for path in sorted(version.rglob("*"))
            if path.is_file()
        },
    }
    files.write_json(version / MANIFEST, content)


def _save(
    network: keras.Model, run: Run, words: tuple[list[str], np.ndarray] | None, folder: pathlib.Path
) -> dict[str, dict[str, tf.TensorSpec]]:
    """Writes the SavedModel; returns what its signatures take."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        assets = pathlib.Path(temporary)
        files.write_text(assets / "labels.txt", "".join(f"{emotion}\n" for emotion in run.emotions))
        labels = Labels(assets / "labels.txt")
        if _on_own_features(network):
            model = FeatureModel(network, labels)
        else:
            vocabulary = (
                None if words is None else graph_words.Vocabulary(graph_words.write_asset(assets, words[0]), words[1])
            )
            model = SpeechModel(network, run.metrics["preset"], labels, vocabulary)
        archive = keras.export.ExportArchive()
        for part in model.parts:
            archive.track(part)
        for signature, (function, inputs) in model.signatures.items():
            archive.add_endpoint(signature, function, input_signature=[inputs])
        with contextlib.redirect_stdout(io.StringIO()), answering():  # Keras prints the signatures; ours are documented
            archive.write_out(folder, _ONLY_ANSWERS, verbose=False)  # the graphs are made here
    return {signature: inputs for signature, (_, inputs) in model.signatures.items()}
