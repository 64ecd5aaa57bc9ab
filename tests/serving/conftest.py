"""One trained model and its export, for all that is asked of it. Neither is to be changed."""

import dataclasses
import pathlib

import pytest

from tfcr import runs


@pytest.fixture(scope="session")
def trained_run(small_config, small_dataset, tmp_path_factory) -> runs.Run:
    """A run of the system `fusion` and the preset `paper`."""
    from tfcr.training.experiment import plan
    from tfcr.training.train import train_fold

    config = dataclasses.replace(small_config, alpha=0.1, epochs=1)
    return train_fold(plan(config, small_dataset.folder), tmp_path_factory.mktemp("trained") / "run")


@pytest.fixture(scope="session")
def exported(trained_run, tmp_path_factory) -> pathlib.Path:
    """A version of the run's export."""
    from tfcr.serving.export.saved_model import export_run

    return export_run(trained_run, tmp_path_factory.mktemp("exported") / "tfcr")


@pytest.fixture(scope="session")
def served(exported):
    """The signatures of the export, loaded."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(exported))  # what a signature needs lives as long as this
    signatures = dict(loaded.signatures)
    signatures["loaded"] = loaded
    return signatures
