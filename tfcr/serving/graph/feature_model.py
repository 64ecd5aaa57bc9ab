"""A trained network from features to an emotion: what every export has, and all that one on one's own features has."""

import os
from collections.abc import Callable

import keras
import tensorflow as tf

from tfcr.models.network import over_utterances

Tensors = dict[str, tf.Tensor]
Signature = tuple[Callable[[Tensors], Tensors], dict[str, tf.TensorSpec]]  # a function, and what it takes by name

_SCORES = ("logits", "audio_logits", "text_logits")


class Labels(tf.Module):
    """The emotions' names, read by the graph from an asset of one name a line."""

    def __init__(self, path: str | os.PathLike):
        super().__init__()
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                os.fspath(path),
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
            ),
            "",
        )

    def __call__(self, logits: tf.Tensor) -> tf.Tensor:
        """string [batch], the names of the largest of logits [batch, classes]."""
        return self.table.lookup(tf.argmax(logits, axis=1))


class FeatureModel(tf.Module):
    """The function that becomes an export's signature `features`.

    Args:
        network: over examples.
        labels: the emotions.
    """

    def __init__(self, network: keras.Model, labels: Labels):
        super().__init__()
        self.labels = labels
        self.over_utterances = over_utterances(network)

    @property
    def parts(self) -> list:
        """What holds weights and tables."""
        return [self.over_utterances, self.labels]

    @property
    def signatures(self) -> dict[str, Signature]:
        """Name → function and inputs."""
        return {"features": (self.features, self.feature_inputs)}

    @property
    def feature_inputs(self) -> dict[str, tf.TensorSpec]:
        """What `features` takes."""
        return {
            name: tf.TensorSpec(tensor.shape, tensor.dtype, name=name)
            for name, tensor in self.over_utterances.input.items()
        }

    def features(self, inputs: Tensors) -> Tensors:
        """From what the network takes: `emotion` string [batch], the scores and `probabilities` float32 [batch,
        classes] and, of two modalities, `conflict` bool [batch]."""
        return self.named(self.over_utterances(inputs, training=False))

    def named(self, scores: Tensors) -> Tensors:
        """The answers that follow from the network's outputs."""
        return {"emotion": self.labels(scores["logits"]), **answers_of(scores)}


def answers_of(outputs: Tensors) -> Tensors:
    """The scores of a network with what follows from them: `probabilities` and, of two modalities, `conflict`."""
    scores = {name: outputs[name] for name in _SCORES if name in outputs}
    answers = {"probabilities": tf.nn.softmax(scores["logits"]), **scores}
    if "audio_logits" in scores and "text_logits" in scores:
        audio, text = scores["audio_logits"], scores["text_logits"]
        both = tf.logical_and(_differ(audio), _differ(text))  # equal scores name no emotion, and are in no conflict
        answers["conflict"] = tf.logical_and(both, tf.not_equal(tf.argmax(audio, axis=1), tf.argmax(text, axis=1)))
    return answers


def _differ(scores: tf.Tensor) -> tf.Tensor:
    """bool [batch]: whether the scores [batch, classes] are not all equal."""
    return tf.reduce_max(scores, axis=1) > tf.reduce_min(scores, axis=1)
