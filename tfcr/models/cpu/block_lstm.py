"""An LSTM as one kernel of TensorFlow for a whole sequence: what an export answers by."""

import tensorflow as tf

FEW_ROWS = 8  # up to here it is faster than a loop; it multiplies every step's inputs by itself


def block_lstm(
    inputs: tf.Tensor, kernel: tf.Tensor, recurrent_kernel: tf.Tensor, bias: tf.Tensor, mask: tf.Tensor | None = None
) -> tf.Tensor:
    """The outputs of an LSTM over right-padded sequences, from zero states; zeros after the last real step.

    A loop of operations costs some thirty small kernels a step, which is most of what one short text takes. This one is
    in every TensorFlow, for CPU and GPU.

    Args:
        inputs: float32 [batch, steps, features].
        kernel, recurrent_kernel, bias: Keras's, with the gates input, forget, candidate and output.
        mask: bool [batch, steps], True for the real steps, which come first; None where all are real.

    Returns:
        float32 [batch, steps, units].
    """
    units, steps = recurrent_kernel.shape[0], tf.shape(inputs)[1]
    start, no_peephole = tf.zeros((tf.shape(inputs)[0], units)), tf.zeros((units,))
    by_step = tf.raw_ops.BlockLSTMV2(
        seq_len_max=tf.cast(steps, tf.int64),
        x=tf.transpose(inputs, (1, 0, 2)),
        cs_prev=start,
        h_prev=start,
        w=tf.concat([kernel, recurrent_kernel], axis=0),
        wci=no_peephole,
        wcf=no_peephole,
        wco=no_peephole,
        b=bias,
    ).h
    outputs = tf.transpose(by_step, (1, 0, 2))
    return outputs if mask is None else tf.where(mask[:, :, None], outputs, tf.zeros_like(outputs))
