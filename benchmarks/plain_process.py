"""Plain Keras's training steps, as a process that `training_step.py` asks for them: without tfcr's settings.

How tfcr sets TensorFlow's threads is part of what is compared, so plain Keras does without it: two threads for each
operation, and two operations at a time.
"""

import numpy as np
import training_step
from answering import Process


class Plain(Process):
    """Training steps of variants, which `precision` and `concatenated` of `training_step.plain_model` name."""

    def __init__(self):
        self.models, self.made = {}, {}

    def start(self, threads: int) -> dict:
        from tfcr.cli.tensorflow import import_quietly

        import_quietly()
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        return {"version": tf.__version__}

    def steps(self, seeds: list[int], **variant) -> dict:
        """Makes a step on the batch of each seed."""
        key = tuple(sorted(variant.items()))
        if key not in self.made:
            self.made[key] = training_step.steps_of(self._model(variant))
        self.made[key](seeds)
        return {}

    def gradients(self, seed: int, out: str, **variant) -> dict:
        """Writes the gradients and the `loss` of a batch into a file .npz, from the weights of `start_alike`."""
        np.savez(out, **training_step.gradients_of(self._model(variant), seed))
        return {}

    def _model(self, variant):
        key = tuple(sorted(variant.items()))
        if key not in self.models:
            self.models[key] = training_step.plain_model(**variant)
        return self.models[key]


if __name__ == "__main__":
    Plain().serve()
