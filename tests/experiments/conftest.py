"""What tests of sweeps share."""

import pytest
import yaml


@pytest.fixture(scope="module")
def line(small_dataset, small_config, tmp_path_factory):
    """`line(out, *options)`: the command line of a sweep of the small model."""
    config = tmp_path_factory.mktemp("config") / "small.yaml"
    names = ("conv_blocks", "conv_filters", "lstm_layers", "lstm_units", "discriminator_units", "batch_size", "epochs")
    config.write_text(yaml.safe_dump({name: getattr(small_config, name) for name in (*names, "shuffle_buffer")}))
    shared = ("sweep", "--data", small_dataset.folder, "--config", config, "--no-report")
    return lambda out, *options: [*shared, "--out", out, *options]
