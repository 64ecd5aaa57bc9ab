"""What docs/gpu.md says of kernels and checks is what the code has; its program runs."""

import pathlib
import re
import subprocess
import sys

import pytest

from tfcr.models.kernels import KERNELS, Kernels
from tfcr.training.gpu_check import LEAST_COSINE, MOST_RATIO

PAGE = (pathlib.Path(__file__).parents[1] / "docs/gpu.md").read_text(encoding="utf-8")


@pytest.mark.full
def test_the_program_prints_that_all_is_well_on_a_cpu():
    [program] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    lines = printed.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["use_cudnn=False", "use_cudnn=auto"]
    for line in lines:
        ratios = [float(ratio) for ratio in line.partition(":")[2].split()]
        assert len(ratios) == 6
        assert all(0.95 < ratio < 1.05 for ratio in ratios)


def test_it_names_the_kernels_and_the_limits_of_the_check():
    assert set(re.findall(r"^\| `(cpu|keras|xla)` \|", PAGE, re.MULTILINE)) == set(Kernels.__args__)
    assert f"| `{KERNELS}` |" in PAGE
    for dtype, least in LEAST_COSINE.items():
        assert f"{least} ({dtype})" in PAGE
    assert f"more than {MOST_RATIO} times" in PAGE


def test_it_says_what_was_measured_and_when():
    assert "**Measured on a GPU since then: nothing.**" in PAGE.replace("**Measured on a\nGPU", "**Measured on a GPU")
    assert "2026-11-27" in PAGE
