"""One utterance as a `tf.train.Example`, and back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfcr.schema import EMBEDDING_DIM, MAX_TOKENS, NUM_BINS, SEGMENT_FRAMES


@dataclass(frozen=True)
class Record:
    """One utterance as it is stored.

    Attributes:
        id, speaker, session, script, transcript, emotion, part: as `Utterance` has them, emotion after any merge.
        label: the emotion's number.
        num_frames: real frames of the spectrogram.
        tokens: the words that have a vector, uncut.
        spectrogram: float32 [segments, 128 frames, 128 bins].
        embeddings: float32 [30, width], zero rows after min(number of tokens, 30).
    """

    id: str
    speaker: str
    session: str
    script: str
    transcript: str
    emotion: str
    label: int
    num_frames: int
    tokens: Sequence[str]
    spectrogram: np.ndarray
    embeddings: np.ndarray
    part: str = ""


INPUTS = ("spectrogram", "num_frames", "embeddings", "num_tokens")  # what networks take of a record
_TEXTS = ("id", "speaker", "session", "script", "transcript", "emotion")
_PART = "part"  # stands in records of corpora alone that were released in parts
_NUMBERS = ("label", "num_segments", "num_frames", "num_tokens")
_FEATURES = {
    **{name: tf.io.FixedLenFeature((), tf.string) for name in (*_TEXTS, "spectrogram", "embeddings")},
    **{name: tf.io.FixedLenFeature((), tf.int64) for name in _NUMBERS},
    "tokens": tf.io.RaggedFeature(tf.string),
    _PART: tf.io.FixedLenFeature((), tf.string, default_value=""),
}


def serialise(record: Record) -> bytes:
    """The bytes of a record; the same in every process."""
    numbers = {
        "label": record.label,
        "num_segments": len(record.spectrogram),
        "num_frames": record.num_frames,
        "num_tokens": len(record.tokens),
    }
    example = tf.train.Example()
    feature = example.features.feature  # filled in place: a message that is handed over would be copied
    for name in (*_TEXTS, *([_PART] if record.part else [])):
        feature[name].bytes_list.value.append(getattr(record, name).encode())
    for name, number in numbers.items():
        feature[name].int64_list.value.append(number)
    feature["tokens"].bytes_list.value.extend(token.encode() for token in record.tokens)
    for name in ("spectrogram", "embeddings"):
        feature[name].bytes_list.value.append(getattr(record, name).astype("<f4", copy=False).tobytes())
    return example.SerializeToString(deterministic=True)


def parse(serialised: tf.Tensor, *names: str, width: int = EMBEDDING_DIM) -> dict[str, tf.Tensor]:
    """The named fields of one serialised record, all without names; runs inside a graph.

    Args:
        serialised: string [].
        width: numbers of a word vector.

    Returns:
        A dictionary: strings and int64 scalars, `tokens` string [num_tokens], `spectrogram` float32
        [num_segments, 128, 128], `embeddings` float32 [30, width].
    """
    names = names or tuple(_FEATURES)
    parsed = tf.io.parse_single_example(serialised, {name: _FEATURES[name] for name in names})
    if "spectrogram" in names:
        flat = tf.io.decode_raw(parsed["spectrogram"], tf.float32, little_endian=True)
        parsed["spectrogram"] = tf.reshape(flat, (-1, SEGMENT_FRAMES, NUM_BINS))
    if "embeddings" in names:
        flat = tf.io.decode_raw(parsed["embeddings"], tf.float32, little_endian=True)
        parsed["embeddings"] = tf.reshape(flat, (MAX_TOKENS, width))
    return parsed


def to_record(parsed: dict[str, tf.Tensor]) -> Record:
    """The record of a fully parsed example; the inverse of `serialise` after `parse`."""
    texts = {name: parsed[name].numpy().decode() for name in (*_TEXTS, _PART)}
    return Record(
        **texts,
        label=int(parsed["label"]),
        num_frames=int(parsed["num_frames"]),
        tokens=[token.decode() for token in parsed["tokens"].numpy()],
        spectrogram=parsed["spectrogram"].numpy(),
        embeddings=parsed["embeddings"].numpy(),
    )
