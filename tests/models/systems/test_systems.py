"""The registry of systems."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from tfcr.config import FIELDS, PRESETS
from tfcr.errors import UsageError
from tfcr.models.systems import configure, defaults_of, names, resolve_alpha, system

OURS = [
    *("audio", "ds-lstm", "early-fusion", "fusion", "late-fusion", "mdre", "mha-1", "mha-2", "mha-3", "text"),
]
# Keras warns of the softmax over one word, which is 1 as it should be
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis 1:UserWarning")


def test_the_systems_are_found_without_loading_them():
    code = (
        "import sys; from tfcr.models.systems import names; print(*names());"
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'tfcr.models.systems.fusion')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert set(OURS) <= set(done.stdout.split())


def test_every_system_is_complete():
    for name in names():
        assert callable(system(name).build)
        assert isinstance(system(name).REGULARISED, bool)
        for preset in PRESETS:
            assert set(defaults_of(name, preset)) <= set(FIELDS)


def test_what_is_regularised_has_both_embeddings(make_network):
    for name in names():
        both = {"audio_embedding", "text_embedding"} <= set(make_network(name).output)
        assert both >= system(name).REGULARISED, name
    assert {name for name in OURS if system(name).REGULARISED} == {"fusion", "mdre", "mha-1", "mha-2", "mha-3"}


def test_an_unknown_system_is_answered_with_the_known_ones():
    with pytest.raises(UsageError, match=r"no system 'fusio'; expected one of audio, .*fusion, .*text"):
        system("fusio")


@pytest.mark.parametrize("name", ["..cli", "__init__", "", "fusion.build"])
def test_a_name_reaches_no_other_module(name):
    with pytest.raises(UsageError, match="no system"):
        system(name)


@pytest.mark.parametrize(("name", "alpha", "resolved"), [
    ("mdre", None, 0.1),
    ("mha-3", None, 0.1),
    ("late-fusion", None, 0.0),
    ("fusion", None, 0.1),  # "selected as 0.1" (Sec. 4.3)
    ("fusion", 0, 0.0),
    ("fusion", 1, 1.0),
    ("audio", None, 0.0),
    ("text", 0.0, 0.0),
])  # fmt: skip
def test_alpha_is_a_tenth_where_there_is_a_regulariser(name, alpha, resolved):
    assert resolve_alpha(name, alpha) == resolved
    assert isinstance(resolve_alpha(name, alpha), float)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_paper_s_systems_have_pytorch_s_initial_weights_and_those_of_other_papers_keras_s(preset):
    drawn = {name: configure({"system": name, "preset": preset}, preset).initializers for name in names()}
    others = {"ds-lstm", "early-fusion", "mdre", "mha-1", "mha-2", "mha-3"}
    assert drawn == {name: "keras" if name in others else "pytorch" for name in names()}


@pytest.mark.parametrize("name", ["audio", "text", "ds-lstm", "early-fusion", "late-fusion"])
def test_one_modality_has_nothing_to_regularise(name):
    with pytest.raises(UsageError, match=f"alpha must be 0 for system '{name}'.*received 0.3"):
        resolve_alpha(name, 0.3)


@pytest.mark.parametrize("name", names())
def test_two_builds_name_their_layers_alike_so_weights_load(make_network, tmp_path, name):
    first, second = make_network(name, seed=1), make_network(name, seed=2)
    assert paths(first) == paths(second)
    first.save_weights(tmp_path / "first.weights.h5")
    second.load_weights(tmp_path / "first.weights.h5")
    for one, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_it_is_built_and_scores_in_half_precision(make_network, inputs, name, precision):
    policy = keras.DTypePolicy(precision)
    full, half = make_network(name, seed=3), make_network(name, seed=3, dtype=policy)
    x = inputs(full.input, size=2)
    outputs, expected = half(x), full(x)
    assert all(output.dtype == policy.compute_dtype for output in outputs.values())
    assert all(weight.dtype == "float32" for weight in half.trainable_weights)
    for key, value in expected.items():
        close = {"mixed_float16": 0.02, "mixed_bfloat16": 0.15}[precision] * max(1, float(np.abs(value).max()))
        np.testing.assert_allclose(np.asarray(outputs[key], np.float32), value, atol=close, err_msg=key)


@pytest.mark.parametrize("name", names())
def test_the_same_seed_gives_the_same_weights(make_network, name):
    for one, other in zip(make_network(name, seed=4).weights, make_network(name, seed=4).weights, strict=True):
        np.testing.assert_array_equal(one, other)


def paths(network):
    return [(layer.name, [weight.path for weight in layer.weights]) for layer in network.layers]
