"""The weight penalty of the authors' code: 2-norms that are not squared."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("tfcr")
class NormPenalty(keras.regularizers.Regularizer):
    """`rate` times the 2-norm of a parameter. The gradient at zero, where the norm has none, is zero.

    Args:
        rate: 0 penalises nothing.
    """

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, x):
        squares = ops.sum(ops.square(x))
        is_zero = ops.equal(squares, 0)
        return self.rate * ops.where(is_zero, 0.0, ops.sqrt(ops.where(is_zero, 1.0, squares)))

    def get_config(self):
        return {"rate": self.rate}
