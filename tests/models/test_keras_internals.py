"""What tfcr relies on behind Keras's public interface is there, is called, and is named in one file alone."""

import ast
import pathlib

import keras
import pytest
import tensorflow as tf

from tfcr.models import keras_internals

_ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize("name", keras_internals.RELIED_ON)
def test_keras_has_what_is_relied_on(make_model, name):
    purpose = keras_internals.RELIED_ON[name]
    assert hasattr(make_model(), name), (
        f"Keras {keras.__version__} no longer has {name}; tfcr relies on it for {purpose}"
    )


@pytest.mark.parametrize("name", keras_internals.RELIED_ON_OF_ADAM)
def test_adam_has_what_is_relied_on(name):
    optimizer = keras.optimizers.Adam()
    optimizer.build([keras.Variable([1.0])])
    purpose = keras_internals.RELIED_ON_OF_ADAM[name]
    assert hasattr(optimizer, name), f"Adam of Keras {keras.__version__} no longer has {name}: {purpose}"


def test_a_model_lists_its_layers_each_once(make_model):
    model = make_model()
    found = keras_internals.layers_within(model)
    assert found[0] is model and len({id(layer) for layer in found}) == len(found)
    text_encoder = model.network.get_layer("text_encoder")
    for layer in (model.network, model.discriminator, text_encoder, text_encoder.get_layer("lstm_0")):
        assert any(layer is other for other in found), f"Keras {keras.__version__} no longer lists {layer.name}"
    assert any(isinstance(layer, keras.layers.LSTMCell) for layer in found), "nor the cell of a recurrent layer"


def test_keras_leaves_building_the_metrics_of_several_devices_to_the_model():
    class Model(keras_internals.WithBuiltMetrics):
        def call(self, x):
            return x

        def zero_example(self):
            built.append(True)
            return tf.zeros((1, 1)), tf.zeros((1, 1))

    for strategy, expected in ((tf.distribute.OneDeviceStrategy("CPU:0"), [True]), (tf.distribute.get_strategy(), [])):
        built = []
        with strategy.scope():
            model = Model()
            model.compile(loss="mse", metrics=["mae"])
        model.evaluate(tf.zeros((2, 1)), tf.ones((2, 1)), verbose=0)
        assert built == expected, f"Keras {keras.__version__} builds metrics in another way; see WithBuiltMetrics"


def _members_of_others(path: pathlib.Path) -> set[str]:
    """The names that follow a dot in a file; where it imports Keras also those after `self`, and names of methods."""
    text = path.read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(text)))
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    if "import keras" not in text:
        return {node.attr for node in attributes if getattr(node.value, "id", None) != "self"}
    methods = {
        part.name
        for node in nodes
        if isinstance(node, ast.ClassDef)
        for part in node.body
        if isinstance(part, ast.FunctionDef)
    }
    return methods | {node.attr for node in attributes}


def test_no_other_file_uses_a_private_name_of_keras(make_model):
    network = make_model().network
    network.compile("adam", "mse")
    layer = network.get_layer("head")
    objects = (network, layer, network.optimizer, network.optimizer.variables[0], keras.metrics.Mean())
    private = {name for each in objects for name in (*dir(each), *vars(each)) if name[0] == "_" != name[1]}
    files = [path for folder in ("tfcr", "benchmarks", "tests") for path in (_ROOT / folder).rglob("*.py")]
    used = {
        str(path.relative_to(_ROOT)): sorted(found)
        for path in files
        if "keras_internals" not in path.stem and (found := _members_of_others(path) & private)
    }
    assert not used
