"""Whole trainings on two devices. `test_mirrored.py` runs this file in a process whose processor counts as two."""

import dataclasses
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from tfcr import cli, runs
from tfcr.errors import UsageError
from tfcr.experiments.sweep import Sweep, run_sweep
from tfcr.models.systems import configure
from tfcr.training import distribution
from tfcr.training.experiment import plan
from tfcr.training.observer import Observer
from tfcr.training.train import train_fold

distribution.divide_processor()  # before TensorFlow computes anything


def mirrored(config, **fields):
    return dataclasses.replace(config, distribution="mirrored", **fields)


@pytest.fixture
def options(small_fields, small_dataset, tmp_path):
    """What is typed behind `tfcr train` for the small configuration on the small dataset."""
    file = tmp_path / "small.yaml"
    file.write_text(json.dumps(small_fields))
    return ["train", "--config", str(file), "--data", str(small_dataset.folder)]


def figures(run):
    """The history of a run without what time and devices make of it."""
    return [
        {name: row[name] for name in row if name not in ("seconds", "seconds_waiting", "replicas")}
        for row in run.history
    ]


def assert_same_history(found, expected):
    for mine, its in zip(figures(found), figures(expected), strict=True):
        assert mine == pytest.approx(its, rel=1e-4)


def test_tfcr_train_on_two_devices_is_that_on_one(options, tmp_path, capfd):
    for distribution_, folder in (("none", tmp_path / "one"), ("mirrored", tmp_path / "two")):
        cli.cli.main([*options, "--distribution", distribution_, "--run", str(folder)], standalone_mode=False)
    assert "mirrored on 2 devices, CPU:0, CPU:1" in capfd.readouterr().err
    one, two = (runs.open_run(tmp_path / name) for name in ("one", "two"))
    assert_same_history(two, one)
    np.testing.assert_allclose(two.predictions.logits, one.predictions.logits, atol=1e-3)
    assert [row["replicas"] for row in two.history] == [2, 2]
    assert "seconds_waiting" in one.history[0] and "seconds_waiting" not in two.history[0]  # nobody sees it there
    assert (two.metrics["distribution"], two.metrics["replicas"]) == ("mirrored", 2)
    assert (one.metrics["distribution"], one.metrics["replicas"]) == ("none", 1)
    cli.cli.main(["inspect", str(two.folder)], standalone_mode=False)
    assert "mirrored on 2 devices\n" in capfd.readouterr().out
    cli.cli.main(["evaluate", str(two.folder)], standalone_mode=False)


class _Interrupt(Observer):
    """Ctrl-C at the first step of the second epoch."""

    def step(self, epoch, step):
        if epoch == 1:
            raise KeyboardInterrupt


@pytest.mark.full
def test_a_resumed_run_has_the_bits_of_an_undisturbed_one(small_config, small_dataset, tmp_path):
    config = mirrored(small_config, alpha=0.3, negatives_per_anchor=5, head_dropout=0.2, segments="random")
    experiment = plan(config, small_dataset.folder)
    undisturbed = train_fold(experiment, tmp_path / "undisturbed")
    with pytest.raises(KeyboardInterrupt):
        train_fold(experiment, tmp_path / "resumed", _Interrupt())
    resumed = train_fold(experiment, tmp_path / "resumed")
    assert (resumed.folder / runs.PREDICTIONS).read_bytes() == (undisturbed.folder / runs.PREDICTIONS).read_bytes()
    assert figures(resumed) == figures(undisturbed)


def test_what_cannot_be_divided_is_said_before_anything_is_written(small_config, small_dataset, tmp_path):
    with pytest.raises(UsageError, match=r"batch_size must be at least the number of devices, which is 2.*received 1$"):
        train_fold(plan(mirrored(small_config, batch_size=1), small_dataset.folder), tmp_path / "run")
    assert not (tmp_path / "run" / runs.CONFIG).exists()
    with pytest.raises(
        UsageError, match="distribution must be none for system 'ds-lstm', which normalises by the batch"
    ):
        plan(mirrored(small_config, system="ds-lstm"), small_dataset.folder)
    with pytest.raises(UsageError, match="one training; expected workers 1, received 2"):
        fields = {**dataclasses.asdict(mirrored(small_config)), "dataset_sha256": None}
        run_sweep(Sweep(small_dataset, fields, tmp_path / "sweep"), workers=2)
    assert not (tmp_path / "sweep").exists()


def _typed(options, folder, devices):
    """`tfcr train`, mirrored, in a process of its own."""
    command = [sys.executable, "-c", "from tfcr.cli import main; main()", *options, "--distribution", "mirrored"]
    environment = {**os.environ, "TFCR_CPU_DEVICES": str(devices)}
    return subprocess.Popen(
        [*command, "--run", str(folder)], env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )


def _kill_after_an_epoch(process):
    for line in process.stderr:
        if line.startswith("epoch 1/"):
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def _end(process):
    _, error = process.communicate()
    return process.returncode, error.splitlines()


@pytest.mark.full
def test_a_killed_run_has_the_bits_of_an_undisturbed_one(options, tmp_path):
    options += ["--epochs", "4"]
    assert _end(_typed(options, tmp_path / "undisturbed", 2))[0] == 0
    _kill_after_an_epoch(_typed(options, tmp_path / "killed", 2))
    assert not (tmp_path / "killed" / runs.METRICS).exists()
    assert _end(_typed(options, tmp_path / "killed", 2))[0] == 0
    one, other = (tmp_path / name / runs.PREDICTIONS for name in ("undisturbed", "killed"))
    assert one.read_bytes() == other.read_bytes()
    assert figures(runs.open_run(one.parent)) == figures(runs.open_run(other.parent))


@pytest.mark.full
def test_a_run_goes_on_with_other_devices_and_says_so(options, tmp_path):
    options += ["--epochs", "4"]
    _kill_after_an_epoch(_typed(options, tmp_path / "moved", 2))
    code, said = _end(_typed(options, tmp_path / "moved", 3))
    assert code == 0
    assert any(line.startswith("mirrored on 3 devices") for line in said)
    assert _end(_typed(options, tmp_path / "one", 1))[0] == 0
    moved, one = (runs.open_run(tmp_path / name) for name in ("moved", "one"))
    assert_same_history(moved, one)
    replicas = [row["replicas"] for row in moved.history]
    assert (replicas[0], replicas[-1], moved.metrics["replicas"]) == (2, 3, 3)


@pytest.mark.full
def test_a_run_whose_negatives_are_the_replicas_own_keeps_its_devices(options, tmp_path):
    options += ["--epochs", "4", "--negatives-scope", "replica"]
    _kill_after_an_epoch(_typed(options, tmp_path / "run", 2))
    code, said = _end(_typed(options, tmp_path / "run", 1))
    assert code == 1
    assert "was begun on 2 devices, and here it has 1" in said[-1]
    assert _end(_typed(options, tmp_path / "run", 2))[0] == 0


@pytest.mark.full
@pytest.mark.parametrize("system", ["audio", "text", "early-fusion", "late-fusion", "mdre", "mha-1", "mha-3"])
def test_every_system_trains_as_on_one_device(full_dataset, tmp_path, system):
    sizes = {"conv_filters": 2, "lstm_units": 8, "recurrent_units": 4, "hidden_units": 6, "discriminator_units": 8}
    fields = {**sizes, "system": system, "batch_size": 31, "epochs": 2, "audio_dropout": 0.0, "text_dropout": 0.0}
    config = configure(fields)
    one = train_fold(plan(config, full_dataset.folder), tmp_path / "one")
    assert_same_history(train_fold(plan(mirrored(config), full_dataset.folder), tmp_path / "two"), one)


@pytest.mark.full
def test_the_stages_of_the_authors_code_are_all_mirrored(authors_dataset, small_authors, tmp_path):
    config = dataclasses.replace(small_authors, embedding_dropout=0.0, head_dropout=0.0)
    config = dataclasses.replace(config, audio_head_dropout=0.0, text_head_dropout=0.0, alpha=0.1)
    for name, each in (("one", config), ("two", mirrored(config))):
        train_fold(plan(each, authors_dataset.folder), tmp_path / name / "last")
    stages = sorted(path.parent.name for path in (tmp_path / "two").rglob(runs.METRICS))
    assert len(stages) == 4
    for stage in stages:
        assert_same_history(*(runs.open_run(tmp_path / name / stage) for name in ("two", "one")))
