"""Padded sequences as their real steps alone, one step of all sequences after the other, and a loop over these steps.

Rows are sorted by their length, so that a step runs over the rows that still go on; what knows no order is one product
over all real steps.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from tfcr.models.cpu import has_cpu_kernels
from tfcr.models.kernels import cudnn_of


class RunsPacked:
    """What an LSTM and a GRU that run over real steps alone have in common; the next base is Keras's layer of the kind.

    Outputs of padding are zeros. In bfloat16 the layer never runs as cuDNN's, whose gradient is wrong there.
    """

    def __init__(self, units, return_sequences=False, zero_output_for_mask=None, **kwargs):
        if zero_output_for_mask is None:
            zero_output_for_mask = return_sequences  # else the output of a last step that is padding would be zeros
        super().__init__(units, return_sequences=return_sequences, zero_output_for_mask=zero_output_for_mask, **kwargs)

    @property
    def is_fast(self) -> bool:
        """Whether this layer runs packed: on a CPU, as one of the usual kind, and free to choose its kernel.

        With a GPU the cuDNN kernel is faster. `use_cudnn=False` asks for what any runtime has, as an export does.
        """
        return has_cpu_kernels() and self.use_cudnn == "auto" and self._is_usual

    @property
    def _is_usual(self) -> bool:
        cell = self.cell
        return (
            (cell.activation, cell.recurrent_activation) == (keras.activations.tanh, keras.activations.sigmoid)
            and cell.use_bias
            and self.return_sequences
            and self.zero_output_for_mask
            and not (self.return_state or self.stateful or self.unroll)
            and not (self.dropout or self.recurrent_dropout)
        )

    def _weights(self) -> list[tf.Tensor]:
        """The kernel, the recurrent kernel and the bias."""
        cell = self.cell
        return [tf.convert_to_tensor(each) for each in (cell.kernel, cell.recurrent_kernel, cell.bias)]

    def _as_keras(self, *arguments, **named):
        """Keras's layer, without cuDNN where that is wrong."""
        asked, self.use_cudnn = self.use_cudnn, cudnn_of(self.use_cudnn, self.dtype_policy)
        try:
            return super().call(*arguments, **named)
        finally:
            self.use_cudnn = asked

    def get_config(self):
        return {**super().get_config(), "use_cudnn": self.use_cudnn}


def over_real_steps(
    sequences: tf.Tensor, mask: tf.Tensor | None, run: Callable, units: int, go_backwards: bool = False
) -> tf.Tensor:
    """What a recurrent function makes of right-padded sequences, run over their real steps; zeros elsewhere.

    Args:
        sequences: [batch, steps, features].
        mask: bool [batch, steps], True for the real steps, which come first; None where all are real.
        run: of packed steps [real steps, features] and `rows` int32 [steps] to packed outputs [real steps, units].
        go_backwards: from the last real step to the first. Outputs stand as Keras has them, in the order of the run:
            the last real step's after the padding, the first one's at the end.

    Returns:
        [batch, steps, units], of the type of the sequences.
    """
    batch, steps = tf.shape(sequences)[0], tf.shape(sequences)[1]
    counts = tf.fill((batch,), steps) if mask is None else tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
    places, rows = packing(counts, steps)
    read = written = places
    if go_backwards:
        row, number = places[:, 0], places[:, 1]
        count = tf.gather(counts, row)
        read = tf.stack([row, count - 1 - number], axis=1)
        written = tf.stack([row, steps - count + number], axis=1)
    outputs = tf.cast(run(tf.gather_nd(sequences, read), rows), sequences.dtype)
    outputs = tf.scatter_nd(written, outputs, (batch, steps, units))
    return tf.ensure_shape(outputs, (*sequences.shape[:2], units))


def packing(counts: tf.Tensor, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The order in which the real steps of right-padded sequences are packed: by step, and the longest sequence first.

    Args:
        counts: int32 [batch], how many steps of each are real.
        steps: int32 [], how many there are.

    Returns:
        int32 [real steps, 2], the row and the step of each; and int32 [steps], how many rows run each step.
    """
    order = tf.argsort(counts, direction="DESCENDING", stable=True)
    running = tf.range(steps)[:, None] < tf.gather(counts, order)[None, :]
    places = tf.cast(tf.where(running), tf.int32)
    return tf.stack([tf.gather(order, places[:, 1]), places[:, 0]], axis=1), tf.reduce_sum(
        tf.cast(running, tf.int32), 1
    )


def place_before(rows):
    """Where the outputs stand that the second step and later ones begin with: int32 [real steps - rows[0]]."""
    starts = tf.cumsum(rows, exclusive=True)
    step = tf.repeat(tf.range(1, tf.size(rows)), rows[1:])
    return tf.range(rows[0], rows[0] + tf.size(step)) - tf.gather(starts, step) + tf.gather(starts, step - 1)


def loop(goes_on, step, number, states, stores, ahead=10):
    """`step` of a number, states [rows, units] and stores, to the next ones, while `goes_on`; the last of both.

    The number of rows may differ from step to step; stores are whatever else is handed on. What needs no state of the
    step before is computed up to `ahead` steps at once.
    """
    rows = tuple(tf.TensorShape([None, state.shape[1]]) for state in states)
    unknown = keras.tree.map_structure(lambda store: tf.TensorShape(None), stores)
    _, states, stores = tf.while_loop(
        lambda number, *_: goes_on(number),
        step,
        (number, states, stores),
        shape_invariants=(tf.TensorShape([]), rows, unknown),
        parallel_iterations=ahead,
    )
    return states, stores


def step_store(dtype, width, size):
    """Room for one matrix [rows, width] a step."""
    return tf.TensorArray(dtype, size, element_shape=(None, width), infer_shape=False, clear_after_read=False)


def product(a, b, exact, **transposed):
    """The product of two matrices in the narrower of their types, as `exact`."""
    narrow = tf.bfloat16 if tf.bfloat16 in (a.dtype, b.dtype) else exact
    return tf.cast(tf.matmul(tf.cast(a, narrow), tf.cast(b, narrow), **transposed), exact)
