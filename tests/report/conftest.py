"""Runs made up by hand, as fixtures."""

import pathlib
from collections.abc import Callable

import pytest
from fabricated_runs import fabricated

from tfcr.runs import Run

MakeRun = Callable[..., Run]


@pytest.fixture(scope="session")
def fabricate() -> MakeRun:
    """A function that writes a finished run into a folder and opens it."""
    return fabricated


@pytest.fixture
def make_run(tmp_path: pathlib.Path) -> MakeRun:
    """A function that writes a finished run under `tmp_path` and opens it."""

    def make(folder: str = "run", **facts) -> Run:
        return fabricated(tmp_path / "runs" / folder, **facts)

    return make
