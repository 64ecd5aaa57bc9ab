"""The registry of systems."""

import subprocess
import sys

import numpy as np
import pytest

from tfcr.errors import UsageError
from tfcr.models.systems import names, resolve_alpha, system


def test_the_systems_are_found_without_loading_them():
    code = (
        "import sys; from tfcr.models.systems import names; print(*names());"
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow', 'tfcr.models.systems.fusion')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert {"audio", "fusion", "text"} <= set(done.stdout.split())


def test_every_system_is_complete():
    for name in names():
        assert callable(system(name).build)
        assert isinstance(system(name).REGULARISED, bool)


def test_an_unknown_system_is_answered_with_the_known_ones():
    with pytest.raises(UsageError, match=r"no system 'fusio'; expected one of audio, .*fusion, .*text"):
        system("fusio")


@pytest.mark.parametrize("name", ["..cli", "__init__", "", "fusion.build"])
def test_a_name_reaches_no_other_module(name):
    with pytest.raises(UsageError, match="no system"):
        system(name)


@pytest.mark.parametrize(("name", "alpha", "resolved"), [
    ("fusion", None, 0.1),  # "selected as 0.1" (Sec. 4.3)
    ("fusion", 0, 0.0),
    ("fusion", 1, 1.0),
    ("audio", None, 0.0),
    ("text", 0.0, 0.0),
])  # fmt: skip
def test_alpha_is_a_tenth_where_there_is_a_regulariser(name, alpha, resolved):
    assert resolve_alpha(name, alpha) == resolved
    assert isinstance(resolve_alpha(name, alpha), float)


@pytest.mark.parametrize("name", ["audio", "text"])
def test_one_modality_has_nothing_to_regularise(name):
    with pytest.raises(UsageError, match=f"alpha must be 0 for system '{name}'.*received 0.3"):
        resolve_alpha(name, 0.3)


@pytest.mark.parametrize("name", ["audio", "fusion", "text"])
def test_two_builds_name_their_layers_alike_so_weights_load(make_network, tmp_path, name):
    first, second = make_network(name, seed=1), make_network(name, seed=2)
    assert paths(first) == paths(second)
    first.save_weights(tmp_path / "first.weights.h5")
    second.load_weights(tmp_path / "first.weights.h5")
    for one, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["audio", "fusion", "text"])
def test_the_same_seed_gives_the_same_weights(make_network, name):
    for one, other in zip(make_network(name, seed=4).weights, make_network(name, seed=4).weights, strict=True):
        np.testing.assert_array_equal(one, other)


def paths(network):
    return [(layer.name, [weight.path for weight in layer.weights]) for layer in network.layers]
