"""Which kernels a network trains by, on a machine with a GPU and on one without."""

import importlib

import keras
import pytest
import tensorflow as tf
from keras import layers

from tfcr.config import Config
from tfcr.devices import leave_gpus
from tfcr.errors import TfcrError
from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.cpu.packed_lstm import PackedLSTM
from tfcr.models.keras_internals import layers_within
from tfcr.models.kernels import KERNELS, compiles, cudnn_of, kernels, portable
from tfcr.models.systems import names, system

RECURRENT = (layers.LSTM, layers.GRU)


@pytest.fixture
def cudnn(gpu, monkeypatch):
    """Recurrent layers believe that there is cuDNN; the types in which it was asked for."""
    rnn = importlib.import_module("keras.src.backend.tensorflow.rnn")  # the package has a function of this name
    asked = []

    def refuse(inputs, *arguments):
        asked.append(inputs.dtype.name)
        raise tf.errors.NotFoundError(None, None, "there is none")

    monkeypatch.setattr(rnn, "_is_gpu_available", lambda: True)
    monkeypatch.setattr(rnn, "_cudnn_lstm", refuse)
    monkeypatch.setattr(rnn, "_cudnn_gru", refuse)
    return asked


def test_what_any_runtime_may_run_is_of_keras_layers(monkeypatch):
    monkeypatch.setenv(KERNELS, "cpu")
    with portable():
        assert kernels() == "keras"
    assert kernels() == "cpu"


def test_the_device_decides(gpu):
    assert kernels() == "keras"
    leave_gpus()
    assert kernels() == "cpu"


@pytest.mark.parametrize("chosen", ["cpu", "keras", "xla"])
def test_unless_the_environment_does(chosen, gpu, monkeypatch):
    monkeypatch.setenv(KERNELS, chosen)
    assert kernels() == chosen


def test_kernels_that_do_not_exist_are_refused(monkeypatch):
    monkeypatch.setenv(KERNELS, "cuda")
    with pytest.raises(TfcrError, match="TFCR_KERNELS must be one of cpu, keras, xla; received 'cuda'"):
        kernels()


def test_xla_compiles_where_every_shape_is_known(make_network, gpu, monkeypatch):
    fusion, mdre = make_network("fusion"), make_network("mdre")
    assert not compiles(fusion)
    monkeypatch.setenv(KERNELS, "xla")
    assert compiles(fusion)
    assert not compiles(mdre)  # MFCCs are as long as the longest of a batch


@pytest.mark.parametrize(
    ("dtype", "expected"), [("mixed_bfloat16", []), ("mixed_float16", ["float16"]), (None, ["float32"])]
)
def test_in_bfloat16_our_lstm_is_never_cudnns(cudnn, dtype, expected):
    layer = PackedLSTM(2, return_sequences=True, dtype=dtype)
    layer(tf.ones((2, 3, 4)), mask=tf.ones((2, 3), bool))
    assert cudnn == expected
    assert layer.use_cudnn == "auto"  # as it was made, so that a copy for a CPU is a fast one


@pytest.mark.parametrize("name", names())
def test_in_bfloat16_no_system_runs_by_cudnn(name, make_network, cudnn):
    def run(dtype):
        cudnn.clear()
        for layer in layers_within(make_network(name, dtype=keras.DTypePolicy(dtype))):
            if isinstance(layer, RECURRENT):
                sequences = tf.ones((2, 3, layer.cell.kernel.shape[0]), layer.compute_dtype)
                layer(sequences, mask=tf.ones((2, 3), bool))
        return set(cudnn)

    assert not run("mixed_bfloat16")
    if any(isinstance(layer, RECURRENT) for layer in layers_within(make_network(name))):
        assert run("mixed_float16") == {"float16"}


def test_an_export_asks_for_no_cudnn(gpu):
    assert cudnn_of(False, "float32") is False
    network = system("fusion").build(Config(lstm_units=2, conv_filters=1), 4, use_cudnn=False)
    assert {layer.use_cudnn for layer in layers_within(network) if isinstance(layer, RECURRENT)} == {False}


class TestEncodersOfOnesOwn:
    """A plain LSTM of Keras, which chooses cuDNN on a GPU by itself."""

    def model(self, layer, dtype):
        audio = keras.Sequential([keras.Input((6,), name="audio"), layers.Dense(3)], name="hearing")
        words = keras.Sequential([keras.Input((5, 4), name="words"), layer], name="reading")
        return ContrastiveModel.from_encoders(audio, words, num_classes=4, dtype=dtype)

    @pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
    def test_in_bfloat16_on_a_gpu_is_warned_of(self, kind, gpu, recwarn):
        self.model(kind(3, name="lstm", dtype="mixed_bfloat16"), "mixed_bfloat16")
        [warning] = recwarn
        assert str(warning.message).startswith(f"lstm is a {kind.__name__} in bfloat16")
        assert "use_cudnn=False" in str(warning.message)

    def test_on_a_cpu_it_is_not(self, recwarn):
        self.model(layers.LSTM(3, dtype="mixed_bfloat16"), "mixed_bfloat16")
        assert not list(recwarn)

    @pytest.mark.parametrize(
        "layer",
        [
            lambda: layers.LSTM(3),
            lambda: layers.LSTM(3, dtype="mixed_float16"),
            lambda: layers.LSTM(3, dtype="mixed_bfloat16", use_cudnn=False),
        ],
    )
    def test_nor_what_is_right_on_a_gpu(self, layer, gpu, recwarn):
        self.model(layer(), "float32")
        assert not list(recwarn)
