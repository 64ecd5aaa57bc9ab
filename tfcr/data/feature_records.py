"""One utterance of a feature set as a `tf.train.Example`, and back."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfcr.features.sets import Field


def serialise(id: str, arrays: Mapping[str, np.ndarray], fields: Sequence[Field]) -> bytes:
    """The bytes of a record: the utterance's id, and each array's little-endian bytes; the same in every process."""
    example = tf.train.Example()
    feature = example.features.feature
    feature["id"].bytes_list.value.append(id.encode())
    for field in fields:
        feature[field.name].bytes_list.value.append(field.checked(arrays[field.name]).tobytes())
    return example.SerializeToString(deterministic=True)


def parse(serialised: tf.Tensor, fields: Sequence[Field]) -> dict[str, tf.Tensor]:
    """Some fields of a serialised record, in their shapes; runs inside a graph.

    Args:
        serialised: string [].
    """
    features = {field.name: tf.io.FixedLenFeature((), tf.string) for field in fields}
    parsed = tf.io.parse_single_example(serialised, features)
    return {
        field.name: tf.reshape(
            tf.io.decode_raw(parsed[field.name], tf.as_dtype(field.dtype), little_endian=True),
            [-1 if size is None else size for size in field.shape],
        )
        for field in fields
    }
