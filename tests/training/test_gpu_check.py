"""What is looked at before a training trusts a GPU, of which a test's only seems to be there."""

import dataclasses

import keras
import pytest
import tensorflow as tf

from tfcr.errors import TfcrError
from tfcr.models.cpu.packed_gru import GRU
from tfcr.models.cpu.packed_lstm import PackedLSTM
from tfcr.training.experiment import plan
from tfcr.training.gpu_check import check_recurrent_layers
from tfcr.training.observer import Observer
from tfcr.training.train import train_fold


def network_of(*recurrent):
    x = inputs = keras.Input((None, 4))
    for layer in recurrent:
        x = layer(x)
    return keras.Model(inputs, x)


@keras.saving.register_keras_serializable("tests")
class WrongLSTM(PackedLSTM):
    """Its gradient is so many times as large as it should be, but in float32."""

    factor = 1e28

    def call(self, sequences, initial_state=None, mask=None, training=False):
        outputs = super().call(sequences, mask=mask)
        if self.compute_dtype == "float32":
            return outputs
        return tf.stop_gradient(outputs) + self.factor * (outputs - tf.stop_gradient(outputs))


def test_right_gradients_are_told_in_a_line():
    layers = [
        keras.layers.Bidirectional(keras.layers.LSTM(2, return_sequences=True, dtype="mixed_float16")),
        keras.layers.GRU(3, return_sequences=True),
        PackedLSTM(3, return_sequences=True, dtype="mixed_bfloat16"),
    ]
    found = check_recurrent_layers(network_of(*layers))
    assert found.startswith(
        "gradients on the GPU are those of float32 on the CPU: LSTM in float16 (cosine 1.0000), GRU "
    )
    assert found.endswith("GRU in float32 (cosine 1.0000), PackedLSTM in bfloat16 (cosine 1.0000)")


def test_a_wrong_gradient_is_refused(monkeypatch):
    network = network_of(WrongLSTM(3, return_sequences=True, dtype="mixed_bfloat16"))
    for factor in (1e28, float("nan")):
        monkeypatch.setattr(WrongLSTM, "factor", factor)
        with pytest.raises(TfcrError, match="the gradient of WrongLSTM in bfloat16 is wrong on this GPU"):
            check_recurrent_layers(network)


def test_a_layer_that_has_the_name_of_kerass_is_another_kind():
    layers = [kind(2, return_sequences=True) for kind in (keras.layers.GRU, GRU)]
    assert check_recurrent_layers(network_of(*layers)).count("GRU in float32") == 2


def test_without_recurrent_layers_there_is_nothing_to_check():
    assert "no recurrent layer" in check_recurrent_layers(network_of(keras.layers.Dense(2)))


def test_a_training_on_a_gpu_begins_with_the_check(small_config, small_dataset, tmp_path, gpu, monkeypatch):
    said = []

    class Hear(Observer):
        def on_gpu(self, run, found):
            said.append(found)

    config = dataclasses.replace(small_config, system="text", epochs=1, precision="mixed_bfloat16")
    experiment = plan(config, small_dataset.folder)
    run = train_fold(experiment, tmp_path / "run", Hear())
    assert said[0].startswith("gradients on the GPU are those of float32 on the CPU: PackedLSTM in bfloat16")
    assert gpu.grows
    assert run.metrics["fast_layers"] == []  # Keras's own layers, where no GPU was really there
