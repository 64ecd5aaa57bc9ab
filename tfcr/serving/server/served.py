"""An export that answers bodies of TF Serving's REST protocol and the page's questions."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2

from tfcr.exports import MODEL, SAVED_MODEL
from tfcr.schema import SAMPLE_RATE
from tfcr.serving.graph import words as graph_words
from tfcr.serving.loaded import LoadedExport
from tfcr.serving.server import rest
from tfcr.serving.wav_bytes import encode_wav

MAX_PADDED = 20 << 20  # bytes of audio, were all of a batch as long as the longest: `explain` answers with pictures so


@dataclass(frozen=True)
class Reply:
    """The JSON that answers a body, and what it was about.

    Attributes:
        bad_rows: how many of the rows have an `error`.
    """

    content: bytes
    signature: str
    rows: int
    bad_rows: int


class ServedModel:
    """An export, loaded, under the name that it was exported by and the version of its folder.

    Args:
        export: a version, or the folder above the versions for the newest.

    Attributes:
        name: of the folder that it was exported to.
        preset: whose pictures and words they are.
        inputs: what it takes of a recording: `audio_bytes`, `transcript` or both; or features by name.
        takes_recordings: whether it is the former.
        vocabulary: the words that have a vector; none where it reads no transcripts.

    Raises:
        TfcrError: see `tfcr.serving.loaded.LoadedExport`.
    """

    def __init__(self, export: str | os.PathLike):
        self._loaded = LoadedExport(export)
        folder = self._loaded.version.resolve()
        numbered = folder.name.isdecimal()
        self.folder = self._loaded.version
        self.name: str = self._loaded.described.get("model", MODEL)
        self.version = int(folder.name) if numbered else 1
        self.emotions = self._loaded.emotions
        self.inputs = self._loaded.inputs
        self.takes_recordings = self._loaded.takes_recordings
        self.preset: str = self._loaded.described["run"]["preset"]
        asset = self.folder / tf.saved_model.ASSETS_DIRECTORY / graph_words.ASSET
        self.vocabulary = frozenset(graph_words.read_asset(asset) if asset.is_file() else ())
        self._signatures = self._loaded.model.signatures
        # a request that names no signature asks for the default one, which every SavedModel of Keras has
        names = dict.fromkeys([*self._loaded.described["signatures"], rest.DEFAULT_SIGNATURE])
        self.takes = {name: _inputs(self._signatures[name]) for name in names}

    def warm_up(self) -> None:
        """Answers half a second of silence, so that the first client does not wait for what TensorFlow does once.

        Of an export that takes features, one step of zeros.
        """
        if not self.takes_recordings:
            shapes = {name: [size or 1 for size in taken.shape] for name, taken in self.takes["features"].items()}
            self.ask("features", {name: np.zeros(shapes[name], self.takes["features"][name].dtype) for name in shapes})
            return
        raw = {"audio_bytes": encode_wav(np.zeros(SAMPLE_RATE // 2)), "transcript": b""}
        for signature in (rest.DEFAULT_SIGNATURE, "explain"):
            self.ask(signature, {name: np.array([raw[name]], object) for name in self.inputs})

    def ask(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of a signature by name; strings are bytes.

        Args:
            inputs: name → array, as `takes` says.
        """
        found = self._signatures[signature](
            **{name: tf.constant(array, _dtype(array)) for name, array in inputs.items()}
        )
        return {name: value.numpy() for name, value in found.items()}

    def answer(self, body: bytes) -> Reply:
        """Answers the body of `:predict`.

        Raises:
            RestError: a body that is wrong, or one whose rows are all bad.
        """
        question = rest.read_question(body, self.takes)
        if question.signature == "explain" and "audio_bytes" in question.inputs:
            _refuse_much_padding(question.inputs["audio_bytes"])
        try:
            outputs = self.ask(question.signature, question.inputs)
        except tf.errors.InvalidArgumentError as error:
            reason = error.message.splitlines()[0]
            raise rest.RestError(400, f"the inputs do not fit each other: {reason}") from None
        except (tf.errors.ResourceExhaustedError, MemoryError):
            raise rest.RestError(503, "the server's memory is full; send fewer rows, or try later") from None
        rest.refuse_if_every_row_is_bad(outputs)
        bad = sum(map(bool, outputs.get("error", ())))
        return Reply(rest.write_answer(outputs, question.by_row), question.signature, question.rows, bad)

    def signature_def(self) -> dict[str, Any]:
        """Name → `SignatureDef`, as the JSON of protocol buffers has it."""
        saved = saved_model_pb2.SavedModel()
        saved.ParseFromString((self.folder / SAVED_MODEL).read_bytes())
        return {
            name: json_format.MessageToDict(
                definition, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
            )
            for name, definition in saved.meta_graphs[0].signature_def.items()
        }


def _inputs(signature) -> dict[str, rest.Input]:
    specs = signature.structured_input_signature[1]
    return {name: rest.Input(np.dtype(spec.dtype.as_numpy_dtype), tuple(spec.shape)) for name, spec in specs.items()}


def _dtype(array: np.ndarray) -> tf.DType:
    return tf.string if array.dtype == object else tf.as_dtype(array.dtype)


def _refuse_much_padding(audio: np.ndarray) -> None:
    if (padded := len(audio) * max(map(len, audio))) > MAX_PADDED and len(audio) > 1:
        raise rest.RestError(
            413,
            f"explain answers with pictures as long as the longest recording, here for {padded >> 20} MB of audio; "
            f"expected at most {MAX_PADDED >> 20} MB; send fewer rows at a time",
        )
