"""The batch of a step, of which every replica of the model computes a part (tf.distribute).

The batch's examples stand in the order of the replicas. The step of all replicas is that of one device at the whole
batch: every example's loss is divided by the batch's size, and gradients are summed. All of this is called in replica
context, by every replica alike; with one replica the part is the whole, and nothing is sent.
"""

import keras
import tensorflow as tf
from keras import ops

from tfcr.objectives.weighting import weighted_mean


class Part:
    """Examples of a batch that stand together: those of this replica.

    Args:
        size: int [], how many they are; none where the batch has fewer examples than there are replicas.
        of_batch: whether other replicas have parts of the same batch. Otherwise the part is the batch.

    Attributes:
        replicas: how many have a part of the batch.
        total: int [], how many examples the batch has.
        first: int [], the place in it of this part's first example, from 0.
    """

    def __init__(self, size, of_batch: bool = True):
        self.size, self.total, self.first = size, size, 0
        self.replicas = _replicas() if of_batch else 1
        if self.replicas > 1:
            context = tf.distribute.get_replica_context()
            sizes = context.all_gather(ops.reshape(size, (1,)), axis=0)
            self.total = ops.sum(sizes)
            self.first = ops.sum(sizes[: context.replica_id_in_sync_group])

    def mean(self, losses, sample_weight=None):
        """This part's share of the weighted mean over the batch, float []; the shares of all parts sum to the mean.

        Args:
            losses: float [size], of this part's examples.
            sample_weight: float [size], or None for equal weights.
        """
        return weighted_mean(losses, sample_weight, None if self.replicas == 1 else self.total)

    def track(self, tracker: keras.metrics.Mean, mean) -> None:
        """Adds this share of a mean to a tracker, which sums over replicas and weighs a batch by its examples."""
        tracker.update_state(mean * self.replicas, self.total / self.replicas)

    def gather(self, rows):
        """The rows of the whole batch, [total, …], from this part's, [size, …]; gradients go back to their replicas.

        Half precision travels as float32, in which the replicas' gradients are summed.
        """
        if self.replicas == 1:
            return rows
        sent = ops.cast(rows, "float32") if rows.dtype in ("float16", "bfloat16") else rows
        return ops.cast(tf.distribute.get_replica_context().all_gather(sent, axis=0), rows.dtype)

    def local(self, gathered, axis: int = 0):
        """This part's rows (`axis` 0) or columns (1) of a tensor over the whole batch; the inverse of `gather`."""
        if self.replicas == 1:
            return gathered
        place = slice(self.first, self.first + self.size)
        return gathered[place] if axis == 0 else gathered[:, place]


def outputs_of(model: keras.Model, x, training: bool):
    """The model's outputs for this replica's examples, which may be none.

    cuDNN's LSTM takes no empty batch. A replica without examples computes one made of ones and drops its outputs, so
    that no gradient comes of it.
    """
    if _replicas() == 1:
        return model(x, training=training)
    size = ops.shape(keras.tree.flatten(x)[0])[0]
    outputs = model(keras.tree.map_structure(_never_empty, x), training=training)
    return keras.tree.map_structure(lambda output: output[:size], outputs)


def _never_empty(tensor):
    """A tensor of at least one element, with ones where there was none."""
    missing = tf.maximum(1 - tf.shape(tensor), 0)
    filled = tf.pad(tensor, tf.stack([tf.zeros_like(missing), missing], axis=1), constant_values=1)
    filled.set_shape([None, *tensor.shape[1:]])
    return filled


def sum_on_first_replica(gradients):
    """The gradients of the whole batch on the first replica and zeros on the others, whose sum the optimizer takes.

    Keras's optimizers clip, and look for overflows of half precision, before they sum over replicas.
    """
    if _replicas() == 1:
        return gradients
    context = tf.distribute.get_replica_context()
    present = [tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None]
    sums = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present))
    is_first = tf.equal(context.replica_id_in_sync_group, 0)
    return [
        None if gradient is None else tf.where(is_first, total := next(sums), tf.zeros_like(total))
        for gradient in gradients
    ]


def _replicas() -> int:
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync
