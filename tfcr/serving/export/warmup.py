"""Requests that TF Serving runs before a version answers anybody, so that the first caller does not wait for it.

TF Serving reads them from `assets.extra/tf_serving_warmup_requests`, a TFRecord of `PredictionLog` messages. Their
classes come with `tensorflow-serving-api`; of the four messages that are needed these are the fields:

    PredictionLog.predict_log = 6, PredictLog.request = 1, PredictRequest.model_spec = 1 and .inputs = 2 (a map: key = 1
    and value = 2), ModelSpec.name = 1 and .signature_name = 3

and all of them are written the same way, as a tag, a length and bytes. The tests read them back with the real classes.
"""

import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

from tfcr.schema import NUM_BINS, SAMPLE_RATE, SEGMENT_FRAMES
from tfcr.serving.wav_bytes import encode_wav

FILE = pathlib.Path("assets.extra") / "tf_serving_warmup_requests"

_LENGTH_DELIMITED = 2  # the wire type of texts, bytes and messages


def write_warmup(version: pathlib.Path, model: str, signatures: Mapping[str, Mapping[str, tf.TensorSpec]]) -> None:
    """Writes the requests into a version: one of a single row and one of eight for every signature.

    Args:
        model: the name it is served by.
        signatures: name → what it takes.
    """
    path = version / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in signatures.items():
            for rows in (1, 8):
                values = {name: _example(name, specification, rows) for name, specification in inputs.items()}
                writer.write(prediction_log(model, signature, values))


def prediction_log(model: str, signature: str, inputs: Mapping[str, TensorProto]) -> bytes:
    """A serialised `PredictionLog` of one `PredictRequest`."""
    specification = _field(1, model.encode()) + _field(3, signature.encode())
    request = _field(1, specification)
    for name, value in inputs.items():
        request += _field(2, _field(1, name.encode()) + _field(2, value.SerializeToString(deterministic=True)))
    return _field(6, _field(1, request))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have their highest bit set."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _example(name: str, specification: tf.TensorSpec, rows: int) -> TensorProto:
    """Two seconds of soft noise and a few words, or what they become."""
    if name == "audio_bytes":
        noise = np.random.default_rng(0).normal(scale=0.01, size=2 * SAMPLE_RATE)
        value = np.array([encode_wav(noise)] * rows, object)
    elif name == "transcript":
        value = np.array([b"I do not know what to say."] * rows, object)
    elif name == "spectrogram":
        value = np.full((rows, 2, SEGMENT_FRAMES, NUM_BINS), -60, np.float32)
    elif specification.dtype == tf.float32:  # word vectors, and one's own features over some steps
        value = np.zeros((rows, *(size or 7 for size in specification.shape[1:])), np.float32)
    else:  # how many of them are real
        value = np.full(rows, 7, np.int32)
    return tf.make_tensor_proto(value, specification.dtype)
