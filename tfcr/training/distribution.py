"""Training on several devices of one host (tf.distribute): which ones, and what goes to each.

`none` is one device. `mirrored` copies the model to every GPU that TensorFlow sees; a batch is divided among the
copies, and a step is that of one device at the whole batch (`tfcr.models.global_batch`).
"""

import functools
import os
from collections.abc import Sequence

import keras
import tensorflow as tf

from tfcr.config import Config
from tfcr.errors import TfcrError, UsageError

CPU_DEVICES = (
    "TFCR_CPU_DEVICES"  # environment variable: how many devices the processor counts as, to try it without GPUs
)


def strategy_of(config: Config) -> tf.distribute.Strategy:
    """The strategy in whose scope a configuration's model is made: TensorFlow's default where one device trains.

    To be called before TensorFlow computes anything.

    Raises:
        UsageError: a batch has fewer examples than there are devices.
        TfcrError: the processor cannot be divided as the environment says.
    """
    if config.distribution == "none":
        return tf.distribute.get_strategy()
    devices = devices_of_host()
    if config.batch_size < len(devices):
        raise UsageError(
            f"batch_size must be at least the number of devices, which is {len(devices)}, where distribution is "
            f"mirrored; received {config.batch_size}"
        )
    if len(devices) == 1:
        return tf.distribute.get_strategy()
    return _mirrored(tuple(devices))


@functools.cache  # a second strategy of a process would number its exchanges as the first does, and both would fail
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    return tf.distribute.MirroredStrategy(devices)


def devices_of_host() -> list[str]:
    """What `mirrored` trains on, such as `GPU:0`: every GPU that TensorFlow sees, or the processor where there is none.

    Raises:
        TfcrError: the processor cannot be divided as the environment says.
    """
    divide_processor()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name.removeprefix("/device:") for device in devices]


def divide_processor() -> None:
    """Makes the processor count as several devices, where the environment says so. Before TensorFlow computes anything.

    Raises:
        TfcrError: TensorFlow has begun with another number of them, or the variable is no number.
    """
    wanted = os.environ.get(CPU_DEVICES)
    if wanted is None:
        return
    [processor] = tf.config.list_physical_devices("CPU")
    if not wanted.isdecimal() or int(wanted) < 1:
        raise TfcrError(f"{CPU_DEVICES} must be an integer of at least 1; received {wanted!r}")
    try:
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * int(wanted))
    except RuntimeError:  # TensorFlow has begun
        number = len(tf.config.list_logical_devices("CPU"))
        if number != int(wanted):
            raise TfcrError(
                f"{CPU_DEVICES} is {wanted}, and the processor already counts as {number} in this process"
            ) from None


def divided(strategy: tf.distribute.Strategy, batches: tf.data.Dataset):
    """What `fit` takes: batches, of which every replica gets a part.

    The parts of a batch stand in the order of the replicas and differ in size by at most one example; the last replicas
    get none of a batch that has fewer examples than there are replicas.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return batches

    def parts(*batch):
        size = tf.shape(tf.nest.flatten(batch)[0], out_type=tf.int64)[0]

        def part(replica):
            first, end = (n * (size // replicas) + tf.minimum(n, size % replicas) for n in (replica, replica + 1))
            return tf.nest.map_structure(lambda rows: rows[first:end], batch)

        return tf.data.Dataset.range(replicas).map(part)

    return strategy.distribute_datasets_from_function(lambda context: batches.flat_map(parts))


def assign_seeds(model: keras.Model, seeds: Sequence[tuple[keras.random.SeedGenerator, Sequence[int]]]) -> None:
    """Sets the states of seed generators of a model, with a seed of its own for each replica.

    Args:
        seeds: each generator, and its seeds, one for each replica.
    """

    def assign():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        for generator, of_replicas in seeds:
            generator.state.assign(tf.stack([tf.constant(of_replicas, generator.state.dtype)[replica], 0]))

    model.distribute_strategy.run(assign)
