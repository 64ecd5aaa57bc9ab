"""A few utterances of every emotion to look at: which ones, and what their records hold."""

import pathlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from tfcr.dataset_info import Dataset, IndexRow
from tfcr.errors import TfcrError
from tfcr.schema import NUM_BINS, SAMPLE_RATE

_LENGTH = struct.Struct("<Q")  # of a TFRecord's data
_CHECKSUM_BYTES = 4  # after the length, and after the data


@dataclass(frozen=True)
class Example:
    """What one utterance shows.

    Attributes:
        id, transcript: as the record has them.
        seconds: its duration.
        picture: float32 [num_frames, 128 bins], the segments joined, without padding.
    """

    id: str
    transcript: str
    seconds: float
    picture: np.ndarray


def typical_examples(dataset: Dataset, count: int = 3, seed: int = 0) -> dict[str, list[Example]]:
    """Some utterances of each emotion, read from the shards. No device is used: it may run beside a training.

    Args:
        count: at most so many of an emotion.
        seed: draws them.

    Raises:
        TfcrError: a shard is cut or broken.
    """
    chosen = typical_positions(dataset.index, dataset.emotions, count, seed)
    found = _read(dataset, sorted(position for positions in chosen.values() for position in positions))
    return {emotion: [found[position] for position in positions] for emotion, positions in chosen.items()}


def typical_positions(
    index: Sequence[IndexRow], emotions: Sequence[str], count: int, seed: int
) -> dict[str, list[int]]:
    """Positions of utterances of about their emotion's median duration, of different speakers as far as there are.

    They are drawn from the quarter nearest to the median; where its speakers are too few, others follow by distance.
    """
    chosen = {}
    for label, emotion in enumerate(emotions):
        positions = [position for position, row in enumerate(index) if row.emotion == emotion]
        median = np.median([index[position].num_samples for position in positions])
        nearest = sorted(positions, key=lambda position: abs(index[position].num_samples - median))
        quarter = max(count, len(nearest) // 4)
        drawn = np.random.default_rng((seed, label)).permutation(nearest[:quarter]).tolist() + nearest[quarter:]
        firsts = {index[position].speaker: position for position in reversed(drawn)}  # a speaker's first in the order
        drawn.sort(key=lambda position: firsts[index[position].speaker] != position)
        chosen[emotion] = sorted(drawn[:count])
    return chosen


def _read(dataset: Dataset, positions: Sequence[int]) -> dict[int, Example]:
    found, start = {}, 0
    for shard in dataset.shards:
        path, inside = dataset.folder / shard.name, dataset.order[start : start + shard.records]
        numbers = [number for number, position in enumerate(inside) if position in positions]
        for number, data in _serialised(path, numbers).items():
            found[inside[number]] = _parsed(path, data, dataset.index[inside[number]])
        start += shard.records
    return found


def _serialised(path: pathlib.Path, numbers: Sequence[int]) -> dict[int, bytes]:
    """The data of some records of a TFRecord file, by their numbers; the bytes of others are stepped over."""
    found, begin, size = {}, 0, path.stat().st_size
    with open(path, "rb") as file:
        for number in range(max(numbers, default=-1) + 1):
            file.seek(begin)
            header = file.read(_LENGTH.size + _CHECKSUM_BYTES)
            end = begin + len(header) + _LENGTH.unpack_from(header)[0] if len(header) > _LENGTH.size else size + 1
            if end > size:
                raise TfcrError(f"{path} ends within its record {number}; expected what tfcr wrote")
            if number in numbers:
                found[number] = file.read(end - file.tell())
            begin = end + _CHECKSUM_BYTES
    return found


def _parsed(path: pathlib.Path, data: bytes, row: IndexRow) -> Example:
    try:
        fields = tf.train.Example.FromString(data).features.feature
    except DecodeError:
        raise TfcrError(f"{path} holds no tf.train.Example for {row.id!r}; expected what tfcr wrote") from None
    id, transcript, spectrogram = (fields[name].bytes_list.value[0] for name in ("id", "transcript", "spectrogram"))
    if id.decode() != row.id:
        raise TfcrError(f"{path} holds {id.decode()!r} where the index has {row.id!r}")
    picture = np.frombuffer(spectrogram, "<f4").reshape(-1, NUM_BINS)
    return Example(row.id, transcript.decode(), row.num_samples / SAMPLE_RATE, picture[: row.num_frames])
