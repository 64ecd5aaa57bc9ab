"""Exports, loaded once in a process for all that is asked of them."""

import pathlib

import pytest


@pytest.fixture(scope="session")
def load_once(tensorflow):
    """`tf.saved_model.load`, which loads a version once: what is loaded keeps nothing of a call."""
    load, loaded = tensorflow.saved_model.load, {}

    def once(version):
        graph = pathlib.Path(version).resolve() / "saved_model.pb"
        key = graph, graph.stat().st_mtime_ns
        if key not in loaded:
            loaded[key] = load(str(version))
        return loaded[key]

    return once


@pytest.fixture(scope="module", autouse=True)
def loads_once(load_once, tensorflow):
    """So does everything here; a server and a fresh process load for themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensorflow.saved_model, "load", load_once)
        yield


@pytest.fixture(scope="session")
def served(exported, load_once):
    """The signatures of the export, loaded."""
    loaded = load_once(exported)  # what a signature needs lives as long as this
    signatures = dict(loaded.signatures)
    signatures["loaded"] = loaded
    return signatures
