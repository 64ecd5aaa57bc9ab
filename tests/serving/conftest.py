"""The small export, loaded, for all that is asked of it."""

import pytest


@pytest.fixture(scope="session")
def served(exported):
    """The signatures of the export, loaded."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(exported))  # what a signature needs lives as long as this
    signatures = dict(loaded.signatures)
    signatures["loaded"] = loaded
    return signatures
