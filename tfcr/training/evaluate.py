"""A trained network on whole utterances."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from tfcr.data.pipeline import Pipeline
from tfcr.dataset_info import Dataset
from tfcr.errors import TfcrError
from tfcr.models import network as network_module
from tfcr.objectives import metrics
from tfcr.runs import Predictions

_SCORES = ("logits", "audio_logits", "text_logits")
_STORED = (*_SCORES, "audio_embedding", "text_embedding")


class UtteranceOutputs:
    """The outputs of a network over whole utterances, traced once however often it is called.

    Args:
        network: a network over examples; its weights are shared, so the outputs follow its training.
        pipeline: of a dataset with the network's inputs.
    """

    def __init__(self, network: keras.Model, pipeline: Pipeline):
        self.network = network
        self.pipeline = pipeline
        over_utterances = network_module.over_utterances(network)
        inputs = {name: tf.TensorSpec(tensor.shape, tensor.dtype) for name, tensor in over_utterances.input.items()}
        self._call = tf.function(
            lambda x: over_utterances(x, training=False), input_signature=[inputs], autograph=False
        )

    def __call__(self, positions: np.ndarray) -> dict[str, np.ndarray]:
        """Every output for the utterances at `positions`, ascending: name → float32 [utterances, …] in that order."""
        return self.of(self.pipeline.utterances(positions))

    def of(
        self,
        utterances: tf.data.Dataset,
        change: Callable[[dict, np.ndarray], dict] | None = None,
        advance: Callable[[int], None] = lambda utterances: None,
    ) -> dict[str, np.ndarray]:
        """The outputs by name, over what `Pipeline.utterances` gives.

        Args:
            change: a function of each batch's inputs and positions that gives other inputs of the same shapes.
            advance: called with the utterances of each batch that is done.
        """
        order, batches = [], {}
        for x, position in utterances:
            order.append(position.numpy())
            if change is not None:
                x = {name: tf.convert_to_tensor(value) for name, value in change(x, order[-1]).items()}
            for name, value in self._call(x).items():
                batches.setdefault(name, []).append(tf.cast(value, tf.float32).numpy())
            advance(len(order[-1]))
        ranks = np.argsort(np.concatenate(order), kind="stable")
        return {name: np.concatenate(parts)[ranks] for name, parts in batches.items()}


def predictions(dataset: Dataset, positions: np.ndarray, outputs: dict[str, np.ndarray]) -> Predictions:
    """The outputs that are kept of some utterances, with their ids, speakers and labels."""
    rows = [dataset.index[position] for position in positions]
    known = {name: np.array([getattr(row, name) for row in rows]) for name in ("id", "speaker", "session", "script")}
    kept = {name: value for name, value in outputs.items() if name in _STORED}
    return Predictions(**known, label=np.array([row.label for row in rows], np.int64), **kept)


def among(outputs: dict[str, np.ndarray], columns: Sequence[int]) -> dict[str, np.ndarray]:
    """The outputs with the scores of some classes alone."""
    return {name: value[:, columns] if name in _SCORES else value for name, value in outputs.items()}


def training_means(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Mean scores over the training part, float64 [classes]; they centre the conflict rate."""
    return {name: outputs[name].mean(axis=0, dtype=np.float64) for name in _SCORES if name in outputs}


def figures(
    labels: np.ndarray,
    outputs: dict[str, np.ndarray],
    emotions: Sequence[str],
    means: dict[str, np.ndarray],
    temperature: float | None = None,
) -> dict:
    """One part's entry in `metrics.json`; the arguments are those of `tfcr.objectives.metrics.evaluation`."""
    if not np.isfinite(outputs["logits"]).all():
        bad = int((~np.isfinite(outputs["logits"])).any(axis=1).sum())
        raise TfcrError(
            f"{bad} of {len(labels)} utterances have scores that are not finite; train in another precision"
        )
    scores = (outputs.get(name) for name in _SCORES)
    return metrics.evaluation(labels, *scores, emotions, means, temperature)
