"""What is asked of TensorFlow before it is imported, unless somebody has decided."""

import os
import platform
import subprocess
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
def test_a_convolution_of_any_program_that_imports_tfcr_first_is_onednns():
    program = """
import tfcr
import tensorflow as tf

metadata = tf.compat.v1.RunMetadata()
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    y = tf.nn.conv2d(tf.random.normal((2, 32, 32, 1)), tf.random.normal((3, 3, 1, 8)), 1, "SAME")
    session.run(
        y,
        options=tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE, output_partition_graphs=True),
        run_metadata=metadata,
    )
print({node.op for graph in metadata.partition_graphs for node in graph.node})
"""
    environment = {name: value for name, value in os.environ.items() if name != ONEDNN}
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    ).stdout
    assert "_MklNativeConv2D" in found
