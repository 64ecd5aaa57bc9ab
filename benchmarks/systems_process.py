"""Training steps of a system of another paper at its paper's batch, as a process that `systems.py` asks for them."""

import os
import resource
import time

import numpy as np
from answering import Process
from batches import CLASSES, sentence_lengths

VOCABULARY = 3_000  # words, about as many as IEMOCAP has
MEAN_SECONDS, SPREAD = 4.46, 0.62  # of IEMOCAP's 5,531 utterances, which are close to lognormal
FRAMES_A_SECOND, MOST_FRAMES, MOST_WORDS = 100, 750, 128


class Systems(Process):
    """One system by one sort of kernels."""

    def start(self, threads: int) -> dict:
        from tfcr.cli.tensorflow import import_quietly

        import_quietly()
        import tensorflow as tf

        from tfcr.training import runtime

        runtime.configure(threads)
        return {"version": tf.__version__}

    def prepare(self, system: str, kernels: str, size: int | None) -> dict:
        """Makes the system with the settings of its paper; `kernels` as `TFCR_KERNELS` has them.

        Args:
            size: examples of a batch; None: as many as its paper has.
        """
        os.environ["TFCR_KERNELS"] = kernels
        import keras
        import tensorflow as tf

        from tfcr.models.contrastive import ContrastiveModel
        from tfcr.models.sizes import Sizes
        from tfcr.models.systems import configure
        from tfcr.models.systems import system as system_of
        from tfcr.training.build import optimizer_of

        keras.utils.set_random_seed(0)
        config = configure({"system": system})
        network = system_of(system).build(config, CLASSES, Sizes(VOCABULARY))
        model = ContrastiveModel(network, alpha=0)
        model.compile(optimizer_of(config))
        self.inputs, self.size = list(network.input), size or config.batch_size
        x = {name: tf.TensorSpec((self.size, *each.shape[1:]), each.dtype) for name, each in network.input.items()}
        self.step_on = tf.function(
            lambda x, y: model.train_step((x, y)), input_signature=[x, tf.TensorSpec((self.size,), tf.int32)]
        )
        return {}

    def step(self, seed: int) -> dict:
        """The processor's seconds of a step on the batch of a seed, and its loss."""
        import tensorflow as tf

        x, y = batch(seed, self.size)
        x, y = {name: tf.constant(x[name]) for name in self.inputs}, tf.constant(y)
        began = time.process_time()
        loss = float(self.step_on(x, y)["loss"])
        return {"seconds": time.process_time() - began, "loss": loss}

    def peak(self) -> dict:
        """The peak of the resident memory in bytes."""
        return {"bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def batch(seed: int, size: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Noise in utterances as long as IEMOCAP's, padded to the longest: every input by its name, and labels."""
    random = np.random.default_rng(seed)
    seconds = random.lognormal(np.log(MEAN_SECONDS) - SPREAD**2 / 2, SPREAD, size)
    frames = np.clip(FRAMES_A_SECOND * seconds, 1, MOST_FRAMES).astype(np.int32)
    words = np.minimum(sentence_lengths(size, random), MOST_WORDS).astype(np.int32)
    mfcc = random.normal(size=(size, frames.max(), 39)).astype(np.float32)
    mfcc[np.arange(frames.max())[None, :] >= frames[:, None]] = 0
    token_ids = random.integers(1, VOCABULARY + 1, (size, words.max())).astype(np.int32)
    token_ids[np.arange(words.max())[None, :] >= words[:, None]] = 0
    drawn = {"prosody": (size, 35), "mel_512": (size, 230, 128), "mel_1024": (size, 120, 256)}
    drawn = {name: random.normal(size=shape).astype(np.float32) for name, shape in drawn.items()}
    x = {"mfcc": mfcc, "num_mfcc": frames, "token_ids": token_ids, "num_token_ids": words, **drawn}
    return x, random.integers(0, CLASSES, size).astype(np.int32)


if __name__ == "__main__":
    Systems().serve()
