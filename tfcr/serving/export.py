"""A trained run as a SavedModel that TF Serving takes: float32, portable, with its labels as an asset."""

import contextlib
import io
import os
import pathlib
import tempfile

import keras
import tensorflow as tf

from tfcr import __version__, files
from tfcr.dataset_info import INFO
from tfcr.errors import TfcrError
from tfcr.exports import MANIFEST
from tfcr.features.presets import PRESETS
from tfcr.models import network as network_module
from tfcr.models.restore import restore_network
from tfcr.runs import CONFIG, METRICS, WEIGHTS, Run, check_weights
from tfcr.training.train import read_run_config

SIGNATURE = "features"
EXPORTABLE = ("fusion", "audio", "text")
_SCORES = ("logits", "audio_logits", "text_logits")


def export_run(run: Run, out: str | os.PathLike) -> pathlib.Path:
    """Writes the run's model under the next integer version below `out`; the version appears whole.

    Signature `features`: `spectrogram` float32 [batch, segments, 128, 128] in the preset's unit, `num_frames` int32
    [batch], `embeddings` float32 [batch, 30, 300] and `num_tokens` int32 [batch] → `emotion` string [batch],
    `probabilities`, `logits`, `audio_logits`, `text_logits` float32 [batch, classes] and `conflict` bool [batch].
    A system with one modality leaves out what it does not have.

    Returns:
        The version's folder.

    Raises:
        TfcrError: a system that does not export, weights that are broken, or an `out` that is something else.
    """
    config = read_run_config(run.folder)
    if config.system not in EXPORTABLE:
        raise TfcrError(f"system {config.system!r} does not export; expected a run of {', '.join(EXPORTABLE)}")
    out = pathlib.Path(out)
    if any((out / name).exists() for name in (CONFIG, INFO, "saved_model.pb")):
        raise TfcrError(f"{out} is a run, a dataset or one version of an export; name the folder above the versions")
    check_weights(run)
    network = restore_network(config, len(run.emotions), run.folder / WEIGHTS, use_cudnn=False)
    out.mkdir(parents=True, exist_ok=True)
    with files.held(out, "exporting to"), tempfile.TemporaryDirectory(prefix=".export-", dir=out) as temporary:
        version = pathlib.Path(temporary) / "version"
        _save(network, run.emotions, version)
        _describe(run, version)
        target = out / str(next_version(out))
        version.rename(target)
    return target


def next_version(out: pathlib.Path) -> int:
    """One more than the largest version that is there."""
    return 1 + max((int(path.name) for path in out.iterdir() if path.name.isdecimal()), default=0)


def _save(network: keras.Model, emotions: list[str], folder: pathlib.Path) -> None:
    over_utterances = network_module.over_utterances(network)
    with tempfile.TemporaryDirectory() as assets:
        labels = pathlib.Path(assets) / "labels.txt"
        labels.write_text("".join(f"{emotion}\n" for emotion in emotions), encoding="utf-8")
        names = _Labels(str(labels))
        archive = keras.export.ExportArchive()
        archive.track(over_utterances)
        archive.track(names)

        def features(inputs):
            return _answer(over_utterances(inputs, training=False), names)

        specification = {
            name: tf.TensorSpec(tensor.shape, tensor.dtype, name=name) for name, tensor in over_utterances.input.items()
        }
        archive.add_endpoint(SIGNATURE, features, input_signature=[specification])
        with contextlib.redirect_stdout(io.StringIO()):  # Keras prints the signatures; ours are documented
            archive.write_out(folder, verbose=False)


class _Labels(tf.Module):
    """The emotions' names, read by the graph from an asset of one name a line."""

    def __init__(self, path: str):
        super().__init__()
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                path, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE
            ),
            "",
        )

    def __call__(self, logits: tf.Tensor) -> tf.Tensor:
        return self.table.lookup(tf.argmax(logits, axis=1))


def _answer(outputs: dict[str, tf.Tensor], names: _Labels) -> dict[str, tf.Tensor]:
    scores = {name: outputs[name] for name in _SCORES if name in outputs}
    answer = {"emotion": names(scores["logits"]), "probabilities": tf.nn.softmax(scores["logits"]), **scores}
    if "audio_logits" in scores and "text_logits" in scores:
        audio, text = scores["audio_logits"], scores["text_logits"]
        speak = tf.logical_and(_differ(audio), _differ(text))  # equal scores name no emotion and conflict with none
        answer["conflict"] = tf.logical_and(speak, tf.not_equal(tf.argmax(audio, axis=1), tf.argmax(text, axis=1)))
    return answer


def _differ(scores: tf.Tensor) -> tf.Tensor:
    """bool [batch]: whether the scores [batch, classes] are not all equal."""
    return tf.reduce_max(scores, axis=1) > tf.reduce_min(scores, axis=1)


def _describe(run: Run, version: pathlib.Path) -> None:
    """What the export was made from, and the SHA-256 of its files."""
    known = ("preset", "system", "alpha", "dataset", "dataset_sha256", "protocol", "fold", "seed")
    content = {
        "version": __version__,
        "emotions": run.emotions,
        "spectrogram_unit": PRESETS[run.metrics["preset"]].constants["spectrogram_unit"],
        "run": {name: run.metrics[name] for name in known},
        "test": run.metrics["test"],
        "run_sha256": files.sha256_of_file(run.folder / METRICS),
        "files": {
            path.relative_to(version).as_posix(): files.sha256_of_file(path)
            for path in sorted(version.rglob("*"))
            if path.is_file()
        },
    }
    files.write_json(version / MANIFEST, content)
