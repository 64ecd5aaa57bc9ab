"""The work of an evaluation, counted: the text encoder sees an utterance once, not once for each of its segments."""

import collections
import dataclasses

import numpy as np
import pytest


@pytest.mark.parametrize("system", ["fusion", "text"])
def test_the_text_encoder_runs_once_an_utterance(small_config, small_dataset, system):
    import tensorflow as tf

    from tfcr.models.network import AUDIO, TEXT
    from tfcr.training import evaluate
    from tfcr.training.build import build_model
    from tfcr.training.experiment import pipeline_of, plan

    rows = collections.Counter()
    experiment = plan(dataclasses.replace(small_config, system=system), small_dataset.folder)
    network = build_model(experiment).network

    def count(layer):
        """Makes an encoder count the examples it is computed on."""
        call = layer.call

        def counting(inputs, *arguments, **options):
            first = tf.nest.flatten(inputs)[0]

            def seen(size):
                rows[layer.name] += int(size)
                return size

            with tf.control_dependencies([tf.numpy_function(seen, [tf.shape(first)[0]], tf.int32)]):
                inputs = tf.nest.map_structure(tf.identity, inputs)
            return call(inputs, *arguments, **options)

        layer.call = counting

    for layer in network.layers:
        if layer.name in (AUDIO, TEXT):
            count(layer)
    outputs = evaluate.UtteranceOutputs(network, pipeline_of(experiment.config, small_dataset, network))
    positions = np.arange(small_dataset.info["utterances"])
    for _ in range(2):
        rows.clear()
        assert len(outputs(positions)["logits"]) == len(positions)
        assert rows[TEXT] == len(positions)
    if system == "fusion":
        # Every segment, and the empty ones that pad a batch to its longest utterance: far more than utterances.
        assert rows[AUDIO] >= small_dataset.info["segments"] > 1.5 * len(positions)
