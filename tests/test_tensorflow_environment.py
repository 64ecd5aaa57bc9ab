"""What is asked of TensorFlow before it is imported, unless somebody has decided."""

import os
import platform
import sys
from types import SimpleNamespace

import pytest

from tfcr.tensorflow_environment import GROWTH, ONEDNN, prepare_for_tensorflow


@pytest.fixture
def undecided(monkeypatch):
    monkeypatch.delenv(ONEDNN, raising=False)
    monkeypatch.delenv(GROWTH, raising=False)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="x86_64"))
    return monkeypatch


def test_onednns_kernels_and_a_share_of_a_gpu_are_asked_for(undecided):
    prepare_for_tensorflow()
    assert (os.environ[ONEDNN], os.environ[GROWTH]) == ("1", "true")


def test_what_the_user_has_set_stays(undecided):
    undecided.setenv(ONEDNN, "0")
    undecided.setenv(GROWTH, "false")
    prepare_for_tensorflow()
    assert (os.environ[ONEDNN], os.environ[GROWTH]) == ("0", "false")


def test_other_processors_are_left_alone(undecided):
    undecided.setattr(os, "uname", lambda: SimpleNamespace(machine="arm64"))
    prepare_for_tensorflow()
    assert ONEDNN not in os.environ and os.environ[GROWTH] == "true"


def test_after_tensorflow_it_would_be_too_late_and_a_run_would_name_what_is_not_so(undecided):
    undecided.setitem(sys.modules, "tensorflow", sys)
    prepare_for_tensorflow()
    assert ONEDNN not in os.environ and GROWTH not in os.environ


@pytest.mark.skipif(platform.machine() != "x86_64", reason="oneDNN's kernels are asked for on x86 alone")
def test_a_convolution_of_any_program_that_imports_tfcr_first_is_onednns(fresh_process):
    assert fresh_process["onednn"] == "1"  # set by `import tfcr` alone
    assert "_MklNativeConv2D" in fresh_process["convolution"]
