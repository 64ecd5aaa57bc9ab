"""tf.data pipelines over a dataset's shards: segments for training, whole utterances for evaluation.

Utterances are addressed by their position, which counts by their sorted ids; their records stand in the shards in an
order drawn from the ids (`tfcr.record_order`). Every order is a function of (seed, epoch), so a resumed run sees what
an undisturbed one would.
"""

import hashlib
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import tensorflow as tf

from tfcr.data import feature_records, records
from tfcr.dataset_info import Dataset, Features
from tfcr.features.sets import COUNT, Field
from tfcr.schema import SEGMENT_FRAMES

_SEGMENT_BOUNDS = (2, 3, 4, 5, 6, 8, 11, 16, 24)  # utterances of like length are batched together
_OF_A_SEGMENT = ("spectrogram", "num_frames")  # the inputs that segments of an utterance do not share
_VALIDATION_EPOCH = -1  # the one order that the validation part is always batched in
_KEPT_BYTES = 256 * 2**20  # of a part's records: as many are kept in memory, and more are read in every epoch

# What is mapped over records has no control flow that hangs on a tensor. To rewrite it for such took a process 0.7 s.
_as_written = tf.autograph.experimental.do_not_convert


def derived_seed(*parts: int | str) -> int:
    """A seed from 0 to 2^31 - 1 that depends on every part; the same on any machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "little") % 2**31


class Pipeline:
    """The pipelines of one dataset for a network with certain inputs.

    An example is a segment where the network takes spectrograms, else an utterance. Sequences of a feature set are
    padded with zeros to the longest of a batch.

    Args:
        dataset: where the records are.
        inputs: names of the network's inputs; only they are read.
        threads: how many the pipeline may use.
        features: the feature sets that inputs beside the paper's come from.
        longest: name of a sequence → after how many steps it is cut.
    """

    def __init__(
        self,
        dataset: Dataset,
        inputs: Sequence[str],
        threads: int = 2,
        features: Sequence[Features] = (),
        longest: Mapping[str, int] = MappingProxyType({}),
    ):
        self.dataset = dataset
        self.inputs = tuple(inputs)
        self.has_segments = "spectrogram" in self.inputs
        self.threads = threads
        self.longest = longest
        of_records = [name for name in self.inputs if name in records.INPUTS]
        self._fields = (*of_records, *(("num_segments",) if self.has_segments else ()))
        used = [(each, [field for field in each.fields if field.name in self.inputs]) for each in features]
        self._sets = [(each, fields) for each, fields in used if fields]
        shards = [*([dataset.shards] if of_records else []), *(each.shards for each, _ in self._sets)]
        self._paths = [[str(dataset.folder / shard.name) for shard in some] for some in zip(*shards, strict=True)]
        self._shapes = {name: shape for _, fields in self._sets for field in fields for name, shape in _shapes(field)}
        self._starts = np.cumsum([0, *(shard.records for shard in dataset.shards)])[:-1]
        self._order = np.array(dataset.order, np.int64)
        self._labels = np.array([row.label for row in dataset.index], np.int64)
        unknown = sorted(set(self.inputs) - set(of_records) - set(self._shapes))
        if unknown:
            raise ValueError(f"Argument `inputs` has {unknown}, which stand in no record and in no feature set given")

    def examples_per_epoch(self, positions: np.ndarray, segments: str = "all") -> int:
        """How many examples one epoch over these utterances has."""
        if not self.has_segments or segments == "random":
            return len(positions)
        return sum(self.dataset.index[position].num_segments for position in positions)

    def steps_per_epoch(self, positions: np.ndarray, batch_size: int, segments: str = "all") -> int:
        """How many batches one epoch over these utterances has."""
        return math.ceil(self.examples_per_epoch(positions, segments) / batch_size)

    @_as_written
    def training(
        self,
        positions: np.ndarray,
        *,
        batch_size: int,
        seed: int,
        epoch: int = 0,
        segments: str = "all",
        shuffle_buffer: int = 2048,
        augment: Callable[[tf.Tensor], tf.Tensor] | None = None,
        noise: Callable[[dict[str, tf.Tensor], int], dict[str, tf.Tensor]] | None = None,
    ) -> tf.data.Dataset:
        """The batches of one epoch: every example once, in an order that is a function of (seed, epoch).

        Args:
            positions: int [utterances], which ones.
            segments: `all` takes every segment, `random` draws one of each utterance.
            shuffle_buffer: the number of examples among which the shuffle draws.
            augment: a function of each spectrogram, float32 [128 frames, 128 bins] in dB; it may draw random numbers.
            noise: a function of each utterance's fields and the epoch's seed (`tfcr.data.training_noise`).

        Returns:
            `(x, y, sample_weight)`: x by the names of the inputs, y with `label` and `utterance` int64 [batch], weights
            float32 [batch] that give every utterance the same sum and have a mean of 1 over the epoch.
        """
        weight = self.examples_per_epoch(positions, segments) / len(positions)
        epoch_seed = derived_seed(seed, "epoch", epoch)

        def examples(_):
            tf.compat.v1.set_random_seed(epoch_seed)  # of this function's graph: no draw depends on the process's seed
            found = self._examples(self._in_drawn_order(positions, epoch_seed), segments, weight, epoch_seed, noise)
            if augment is not None and self.has_segments:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "Seed .* from outer graph")  # it is meant to be used
                    found = found.map(lambda own, rest: ({**own, "spectrogram": augment(own["spectrogram"])}, rest))
            batches = self._batch(found.shuffle(shuffle_buffer, seed=epoch_seed), batch_size)
            return batches.map(lambda own, rest: ({**own, **rest[0]}, *rest[1:]))

        data = tf.data.Dataset.from_tensors(0).flat_map(examples)
        batches = self.steps_per_epoch(positions, batch_size, segments)
        return self._with_options(data.apply(tf.data.experimental.assert_cardinality(batches)))

    def validation(self, positions: np.ndarray, *, batch_size: int, shuffle_buffer: int = 2048) -> tf.data.Dataset:
        """The batches that `training` would make of these utterances, in one fixed order with mixed emotions.

        They are read once; a small part stays in memory from then on.
        """
        data = self.training(positions, batch_size=batch_size, seed=_VALIDATION_EPOCH, shuffle_buffer=shuffle_buffer)
        return _kept(data) if self._is_small(positions) else data

    @_as_written
    def utterances(self, positions: np.ndarray, batch_size: int = 32, keep: bool = False) -> tf.data.Dataset:
        """Batches of whole utterances of like length, padded to the longest of a batch; each utterance once.

        Args:
            keep: whether a small part stays in memory once it was read.

        Returns:
            `(x, position)`: x with `spectrogram` [batch, segments, 128, 128] and `num_frames` of the utterance, and
            `position` int64 [batch].
        """

        def whole(position, serialised):
            return self._inputs_of(self._parse(serialised, *self.inputs)), position

        selected = self._in_record_order(positions)
        if keep and self._is_small(positions):
            selected = selected.cache()  # before padding, which makes it larger
        data = selected.map(whole, num_parallel_calls=self.threads, deterministic=True)
        if not self.has_segments:
            return self._with_options(self._batch(data, batch_size))
        # long utterances in smaller batches: a batch never takes much more memory than its 4-segment ones
        sizes = [max(1, min(batch_size, batch_size * 4 // bound)) for bound in (*_SEGMENT_BOUNDS, 32)]
        data = data.bucket_by_sequence_length(
            lambda x, position: tf.shape(x["spectrogram"])[0], _SEGMENT_BOUNDS, sizes, pad_to_bucket_boundary=False
        )
        return self._with_options(data)

    def in_record_order(self, positions: np.ndarray) -> np.ndarray:
        """The given positions, in the order of their records in the shards."""
        return self._order[np.isin(self._order, positions)]

    @_as_written
    def spectrograms(self, positions: np.ndarray) -> tf.data.Dataset:
        """The spectrogram float32 [segments, 128, 128] and number of real frames of each utterance, in record order."""

        def parsed(position, serialised):
            fields = self._parse(serialised, "spectrogram", "num_frames")
            return fields["spectrogram"], fields["num_frames"]

        data = self._in_record_order(positions)
        return self._with_options(data.map(parsed, num_parallel_calls=self.threads, deterministic=True))

    def transcripts(self, positions: np.ndarray) -> Iterator[tuple[int, str]]:
        """The position and the words, as the corpus writes them, of each utterance, in record order."""
        for position, transcript in self._transcripts(positions).as_numpy_iterator():
            yield int(position), transcript.decode()

    @_as_written
    def _transcripts(self, positions: np.ndarray) -> tf.data.Dataset:
        paths = [[str(self.dataset.folder / shard.name)] for shard in self.dataset.shards]
        data = self._select(
            tf.data.Dataset.from_tensor_slices(paths).flat_map(tf.data.TFRecordDataset), *self._chosen(positions)
        )
        parsed = data.map(
            lambda position, serialised: (position, records.parse(serialised, "transcript")["transcript"])
        )
        return self._with_options(parsed)

    def steps(self, positions: np.ndarray, name: str) -> Iterator[np.ndarray]:
        """The real steps of one input of each utterance, in record order.

        Each is an array [steps, dim], or [steps, layers, dim]; of one step where the input is no sequence.
        """
        if name == "spectrogram":
            for spectrogram, num_frames in self.spectrograms(positions).as_numpy_iterator():
                yield spectrogram.reshape(-1, spectrogram.shape[-1])[:num_frames]
            return
        for array in self._arrays(positions, name).as_numpy_iterator():
            if array.ndim == 3:  # [layers, steps, dim]
                yield array.swapaxes(0, 1)
            else:
                yield array if array.ndim > 1 else array[None]

    @_as_written
    def _arrays(self, positions: np.ndarray, name: str) -> tf.data.Dataset:
        alone = Pipeline(self.dataset, [name], self.threads, [each for each, _ in self._sets], self.longest)
        data = alone._in_record_order(positions).map(lambda position, serialised: alone._parse(serialised, name)[name])
        return self._with_options(data)

    def _is_small(self, positions: np.ndarray) -> bool:
        """Whether the records of these utterances may be kept in memory, if theirs are as large as others."""
        size = sum(os.stat(path).st_size for paths in self._paths for path in paths)
        return size * len(positions) <= _KEPT_BYTES * len(self._order)

    def _records(self, paths: tf.Tensor) -> tf.data.Dataset:
        """`(serialised, …)`: what every set of shards has of an utterance.

        Args:
            paths: string [shards, sets].
        """
        return tf.data.Dataset.zip(tuple(tf.data.TFRecordDataset(paths[:, number]) for number in range(self._sources)))

    @property
    def _sources(self) -> int:
        return len(self._paths[0])

    def _in_record_order(self, positions: np.ndarray) -> tf.data.Dataset:
        """`(position, (serialised, …))` as the records stand."""
        return self._select(self._records(tf.constant(self._paths)), *self._chosen(positions))

    def _in_drawn_order(self, positions: np.ndarray, seed: int) -> tf.data.Dataset:
        """`(position, (serialised, …))`, shard after shard in a drawn order.

        Every shard is a random sample of the utterances (`tfcr.record_order`). Shards that were read in turn would let
        each utterance come at about the same time in every epoch, beside the same others.
        """
        shards = tf.data.Dataset.from_tensor_slices((self._paths, self._starts)).shuffle(len(self._paths), seed=seed)
        chosen, order = self._chosen(positions)
        return shards.flat_map(
            lambda paths, start: self._select(self._records(paths[None]), chosen[start:], order[start:])
        )

    def _chosen(self, positions: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
        """Of every record whether it is of one of these utterances, and its position; as the records stand."""
        is_chosen = np.zeros(len(self._order), bool)
        is_chosen[positions] = True
        return tf.constant(is_chosen[self._order]), tf.constant(self._order)

    @staticmethod
    def _select(data: tf.data.Dataset, chosen: tf.Tensor, order: tf.Tensor) -> tf.data.Dataset:
        """`(position, record)` of the records that are chosen.

        Args:
            chosen, order: of `_chosen`, from the first of these records on; there may be more of them.
        """
        # tf.data calls no function that only passes on some of what it is given. With an operation in them, these two
        # would take half of all that is to be done for a short utterance.
        beside = tf.data.Dataset.zip((tf.data.Dataset.from_tensor_slices((chosen, order)), data))
        return beside.filter(lambda known, record: known[0]).map(lambda known, record: (known[1], record))

    def _examples(
        self, utterances: tf.data.Dataset, segments: str, weight: float, seed: int, noise: Callable | None
    ) -> tf.data.Dataset:
        """`(own, (x, y, weight))` of each example: the inputs of its segment alone, if any, and the rest."""
        labels = tf.constant(self._labels)

        def known(position):
            return {"label": labels[position], "utterance": position}

        parsed = utterances.map(
            lambda position, serialised: {**self._parse(serialised, *self._fields, *self._shapes), **known(position)},
            num_parallel_calls=self.threads,
            deterministic=True,
        )
        if noise is not None:
            parsed = parsed.map(lambda fields: noise(fields, seed), num_parallel_calls=self.threads, deterministic=True)
        if not self.has_segments:
            return parsed.map(lambda fields: self._example(fields, 1.0))
        if segments == "random":
            return parsed.map(lambda fields: self._example(_segment(fields, _random_segment(fields, seed)), 1.0))

        def all_segments(fields):
            """Slices of the picture, zipped with what they share: nothing is computed or copied for a segment."""
            count = fields["num_segments"]
            numbered = {**fields, "num_frames": _real_frames(fields["num_frames"], tf.range(count))}
            own, rest = self._example(numbered, weight / tf.cast(count, tf.float32))
            shared = tf.data.Dataset.from_tensors(rest).repeat(count)
            return tf.data.Dataset.zip((tf.data.Dataset.from_tensor_slices(own), shared))

        return parsed.flat_map(all_segments)

    def _example(self, fields: dict[str, tf.Tensor], weight) -> tuple:
        x = self._inputs_of(fields)
        own = {name: x.pop(name) for name in _OF_A_SEGMENT if name in x}
        y = {"label": fields["label"], "utterance": fields["utterance"]}
        return own, (x, y, tf.cast(weight, tf.float32))

    def _parse(self, serialised: tuple[tf.Tensor, ...], *names: str) -> dict[str, tf.Tensor]:
        """The named fields of one utterance, sequences cut, with their lengths as `num_<name>`."""
        found, rest = {}, list(serialised)
        if self._fields:
            wanted = [name for name in names if name not in self._shapes]
            found |= records.parse(rest.pop(0), *wanted, width=self.dataset.embedding_dim) if wanted else {}
        for serialised_set, (_, fields) in zip(rest, self._sets, strict=True):
            wanted = [field for field in fields if field.name in names or COUNT + field.name in names]
            arrays = feature_records.parse(serialised_set, wanted) if wanted else {}
            for field in wanted:
                name, array = field.name, arrays[field.name]
                found[name] = array[: self.longest[name]] if name in self.longest else array
                if field.is_sequence:
                    found[COUNT + name] = tf.shape(found[name])[field.time_axis]
        return found

    def _batch(self, data: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
        """Batches, in which sequences are padded with zeros to the longest."""
        shapes = tf.nest.map_structure(lambda specification: specification.shape, data.element_spec)
        if all(shape.is_fully_defined() for shape in tf.nest.flatten(shapes)):
            return data.batch(batch_size)
        return data.padded_batch(batch_size, shapes)

    def _inputs_of(self, fields: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {
            name: tf.cast(fields[name], tf.int32) if name.startswith("num_") else fields[name] for name in self.inputs
        }

    def _with_options(self, data: tf.data.Dataset) -> tf.data.Dataset:
        options = tf.data.Options()
        options.deterministic = True
        options.autotune.enabled = False  # it has nothing to choose here, and ending its thread can take a second
        options.threading.private_threadpool_size = self.threads
        return data.with_options(options).prefetch(2)


def _shapes(field: Field) -> list[tuple[str, tuple[int | None, ...]]]:
    """The inputs that a field fills, with their shapes: a sequence has its length beside it."""
    return [(field.name, field.shape), *([(COUNT + field.name, ())] if field.is_sequence else [])]


def _kept(data: tf.data.Dataset) -> tf.data.Dataset:
    """What stays in memory once it was read to its end, which happens here: a reader that stops at the last batch, as
    Keras does, would leave nothing."""
    data = data.cache()
    for _ in data:
        pass
    return data


def _segment(fields: dict[str, tf.Tensor], number: tf.Tensor) -> dict[str, tf.Tensor]:
    """One segment of an utterance in place of all of them, with its own number of real frames."""
    real = _real_frames(fields["num_frames"], number)
    return {**fields, "spectrogram": fields["spectrogram"][number], "num_frames": real}


def _real_frames(num_frames: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """How many of an utterance's real frames lie in a segment, or in each of several."""
    return tf.clip_by_value(num_frames - tf.cast(number * SEGMENT_FRAMES, num_frames.dtype), 0, SEGMENT_FRAMES)


def _random_segment(fields: dict[str, tf.Tensor], seed: int) -> tf.Tensor:
    return tf.random.stateless_uniform(
        (), tf.stack([tf.constant(seed, tf.int64), fields["utterance"]]), maxval=fields["num_segments"], dtype=tf.int64
    )
