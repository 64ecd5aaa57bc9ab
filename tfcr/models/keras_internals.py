"""The one place that uses private names of Keras, since its public interface has no way to the same.

`tests/models/test_keras_internals.py` fails where a version of Keras lacks one or no longer calls it.
"""

import keras
import tensorflow as tf

RELIED_ON = {  # private name of a compiled `keras.Model` → what tfcr relies on it for
    "_flatten_layers": "listing the layers of a model in the order in which its random generators are seeded",
    "_compile_metrics": "building the metrics of `compile` before the first step of several devices",
    "_maybe_symbolic_build": "keeping Keras from averaging the parts of a batch, which differ in size",
}

RELIED_ON_OF_ADAM = {  # and of Keras's Adam
    "_get_variable_index": "finding what is kept of a weight",
    "_momentums": "the first moments, by that index",
    "_velocities": "the second moments, likewise",
}


def layers_within(model: keras.Model) -> list[keras.layers.Layer]:
    """The model itself and all layers in it, also those in models and layers that it contains, each once."""
    return model._flatten_layers()


def moments_of(optimizer: keras.optimizers.Adam, weight: tf.Variable) -> tuple[keras.Variable, keras.Variable]:
    """The first and the second moment that an optimiser keeps of a weight."""
    index = optimizer._get_variable_index(weight)
    return optimizer._momentums[index], optimizer._velocities[index]


class WithBuiltMetrics(keras.Model):
    """A model whose steps can be computed by devices that each have a part of a batch, of unequal size.

    Under a strategy of tf.distribute, the variables of metrics must exist before the first step. Keras would make them
    from the mean of the devices' parts of the first batch, which there is only for parts of equal size; this class
    makes them from one example of zeros. The rest of the model must have been built before.
    """

    def zero_example(self):
        """The labels and the outputs, in the form that the metrics of `compile` take, for one example of zeros."""
        raise NotImplementedError

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        metrics = self._compile_metrics
        with self.distribute_strategy.scope():
            if tf.distribute.has_strategy() and metrics is not None and not metrics.built:
                metrics.build(*self.zero_example())
