"""Training on two devices is training on one: `mirrored_steps.py` and `mirrored_runs.py`, in a process that has two."""

import os
import pathlib
import subprocess
import sys

import pytest

CASES = [str(pathlib.Path(__file__).with_name(name)) for name in ("mirrored_steps.py", "mirrored_runs.py")]


@pytest.mark.parametrize("cases", ["not full", pytest.param("full", marks=pytest.mark.full)])
def test_two_devices_train_as_one(cases, small_dataset):  # which the other process copies
    environment = {**os.environ, "TFCR_CPU_DEVICES": "2"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", cases, *CASES]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout
    assert " passed" in ended.stdout
    assert "skipped" not in ended.stdout
