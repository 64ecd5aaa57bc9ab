"""What can change a bit is written into the run, and a training that goes on elsewhere says so."""

import dataclasses

import pytest

from tfcr.cli.display import TrainingProgress
from tfcr.cli.inspect import describe_environments, describe_run
from tfcr.training import environment
from tfcr.training.experiment import plan
from tfcr.training.observer import Observer
from tfcr.training.train import train_fold


def test_what_decides_kernels_is_recorded_and_nothing_else():
    variables = {
        "TF_ENABLE_ONEDNN_OPTS": "0", "TF_XLA_FLAGS": "--tf_xla_auto_jit=2", "XLA_FLAGS": "--xla_gpu_autotune_level=0",
        "TF_DETERMINISTIC_OPS": "1", "NVIDIA_TF32_OVERRIDE": "0", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "2",
        "ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_DEFAULT_FPMATH_MODE": "BF16", "CUBLAS_WORKSPACE_CONFIG": ":16:8",
    }  # fmt: skip
    others = {
        "HOME": "/root", "TF_CPP_MIN_LOG_LEVEL": "3", "TFCR_CACHE": "/tmp", "NVIDIA_VISIBLE_DEVICES": "all",
        "TF_VAR_password": "Terraform's", "TF_FORCE_GPU_ALLOW_GROWTH": "true", "TF_USE_LEGACY_KERAS": "1",
    }  # fmt: skip
    assert environment.deciding(variables | others) == variables


def test_a_change_is_noted_with_its_epoch(monkeypatch):
    for name in environment.deciding(dict(environment.os.environ)):
        monkeypatch.delenv(name)
    environments = []
    assert environment.note(environments, 1) == []
    assert environment.note(environments, 2) == []
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert environment.note(environments, 3) == ["TF_ENABLE_ONEDNN_OPTS was not set, is 0"]
    assert [(each["from_epoch"], each["variables"]) for each in environments] == [
        (1, {}),
        (3, {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    ]
    assert environments[0]["cpu"] and set(environments[0]["versions"]) == {"python", "tensorflow", "keras", "numpy"}


def test_both_environments_are_said(capsys):
    first = {"versions": {"tensorflow": "2.21.0"}, "cpu": "EPYC", "gpus": [], "variables": {}, "from_epoch": 1}
    second = {**first, "gpus": ["H200"], "variables": {"XLA_FLAGS": "-x", "OMP_NUM_THREADS": "1"}, "from_epoch": 3}
    describe_environments([first])
    describe_environments([first, second])
    assert capsys.readouterr().out.splitlines() == [
        "environment: EPYC, no GPU; tensorflow 2.21.0; no variable that decides bits",
        "environment from epoch 1: EPYC, no GPU; tensorflow 2.21.0; no variable that decides bits",
        "environment from epoch 3: EPYC, H200; tensorflow 2.21.0; XLA_FLAGS=-x, OMP_NUM_THREADS=1",
    ]


class KilledError(Exception):
    """Stands for a kill after the first epoch."""


@pytest.mark.full
def test_a_run_that_goes_on_under_another_setting_says_so(small_dataset, small_config, tmp_path, monkeypatch, capsys):
    class Stops(Observer):
        def epoch(self, row, state):
            raise KilledError

    class Shown(TrainingProgress, Observer):
        pass

    config = dataclasses.replace(small_config, system="text")
    with pytest.raises(KilledError):
        train_fold(plan(config, small_dataset.folder), tmp_path / "run", Stops())
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    run = train_fold(plan(config, small_dataset.folder), tmp_path / "run", Shown())
    said = " ".join(capsys.readouterr().err.split())
    assert (
        f"{tmp_path / 'run'} goes on in another environment than before (ONEDNN_MAX_CPU_ISA was not set, is AVX2): "
        "its bits may be others than those of a training in one go"
    ) in said
    recorded = run.metrics["environments"]
    assert [each["from_epoch"] for each in recorded] == [1, 2]
    assert recorded[1]["variables"]["ONEDNN_MAX_CPU_ISA"] == "AVX2"
    assert run.metrics["versions"] == recorded[1]["versions"]
    describe_run(run.folder)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("environment")]
    assert lines[0].startswith("environment from epoch 1: ") and recorded[0]["cpu"] in lines[0]
    assert lines[1].startswith("environment from epoch 2: ") and "; ONEDNN_MAX_CPU_ISA=AVX2" in lines[1]


def test_a_gpus_cudnn_is_named_where_it_is_a_package(gpu, monkeypatch):
    def installed(name):
        if name == "nvidia-cudnn-cu13":
            return "9.1.0"
        raise environment.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(environment.importlib.metadata, "version", installed)
    versions = environment.here()["versions"]
    assert versions["nvidia-cudnn-cu13"] == "9.1.0" and "nvidia-cudnn-cu12" not in versions
