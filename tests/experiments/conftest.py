"""What tests of sweeps share."""

import os

import pytest
import yaml

os.environ.setdefault("RAY_worker_niceness", "0")  # by 15, as Ray has it, other processes could leave a cell no time


@pytest.fixture(scope="module")
def line(small_dataset, small_fields, tmp_path_factory):
    """`line(out, *options)`: the command line of a sweep of the small model."""
    config = tmp_path_factory.mktemp("config") / "small.yaml"
    config.write_text(yaml.safe_dump(small_fields))
    shared = ("sweep", "--data", small_dataset.folder, "--config", config, "--no-report")
    return lambda out, *options: [*shared, "--out", out, *options]
