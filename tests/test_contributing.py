"""What CONTRIBUTING.md says of adding something is true: its files are put where it says, and its tests pass there."""

import importlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_PAGE = (_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
_SYSTEM, _SYSTEM_TEST, _PROTOCOL, _PROTOCOL_TEST = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)


@pytest.fixture
def clone(tmp_path) -> pathlib.Path:
    """A copy of the package and its tests, to put files into."""
    for name in ("tfcr", "tests"):
        shutil.copytree(_ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def _pytest(clone: pathlib.Path, *tests) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, tests)]
    environment = {**os.environ, "PYTHONPATH": str(clone)}
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, env=environment, check=False)


def test_the_pages_protocol_and_its_test_are_two_files(clone):
    (clone / "tfcr/protocols/my_protocol.py").write_text(_PROTOCOL)
    (clone / "tests/test_my_protocol.py").write_text(_PROTOCOL_TEST)
    listed = "test_every_protocol_is_listed_with_its_folds_or_the_reason_why_not"
    done = _pytest(clone, "tests/test_my_protocol.py", f"tests/test_protocols.py::{listed}")
    assert "2 passed" in done.stdout, done.stdout


@pytest.mark.full
def test_the_pages_system_and_its_test_are_two_files(clone):
    (clone / "tfcr/models/systems/my_system.py").write_text(_SYSTEM)
    test = clone / "tests/models/systems/test_my_system.py"
    test.write_text(_SYSTEM_TEST)
    registry = clone / "tests/models/systems/test_systems.py::test_the_systems_are_found_without_loading_them"
    done = _pytest(clone, test, registry)
    assert "2 passed" in done.stdout, done.stdout


def test_every_file_that_the_page_names_is_there():
    made_up = "my_(corpus|system|protocol)"
    named = re.findall(r"`((?:tfcr|tests|scripts|docs)/[\w/.]+)[ `]", _PAGE)
    assert named
    for name in named:
        assert re.search(made_up, name) or (_ROOT / name).exists(), name
        assert (_ROOT / name).parent.is_dir(), name


def test_the_versions_of_the_package_and_of_its_citation_agree():
    import yaml

    citation = yaml.safe_load((_ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == importlib.import_module("tfcr").__version__
    assert citation["license"] == "Apache-2.0"
    assert f"## [{citation['version']}] - " in (_ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
