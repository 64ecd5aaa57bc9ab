"""Adam as one kernel a weight, for devices that wait for the host to start each of Keras's twenty."""

import keras
import tensorflow as tf

from tfcr.models.keras_internals import moments_of


@keras.saving.register_keras_serializable("tfcr")
class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam, whose update of a weight is TensorFlow's kernel for it.

    Arguments, variables and formula are Keras's, so that either goes on from the other's checkpoint; last digits
    differ. Where several devices share a batch, for gradients of a few rows, and for weights that are not float32, the
    update is Keras's own.
    """

    _powers: tuple[tf.Tensor, tf.Tensor] | None = None

    def apply(self, grads, trainable_variables=None):
        step = keras.ops.cast(self.iterations + 1, "float32")
        self._powers = tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)  # once, and not for every weight
        try:
            super().apply(grads, trainable_variables)
        finally:
            self._powers = None  # a tensor of this graph alone

    def update_step(self, gradient, variable, learning_rate):
        is_divided = tf.distribute.get_strategy().num_replicas_in_sync > 1
        is_dense = isinstance(gradient, tf.Tensor) and variable.dtype == tf.float32
        if is_divided or not is_dense or self.amsgrad or self._powers is None:
            super().update_step(gradient, variable, learning_rate)
            return
        momentum, velocity = moments_of(self, variable)
        first_power, second_power = self._powers
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.value.handle,
            v=velocity.value.handle,
            beta1_power=first_power,
            beta2_power=second_power,
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )
