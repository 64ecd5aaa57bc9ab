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
_CORPUS_TEST, _SYSTEM, _SYSTEM_TEST, _PROTOCOL, _PROTOCOL_TEST = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)
*_, _CORPUS = re.findall(r"```python\n(.*?)```", (_ROOT / "docs/corpora.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def clone(tmp_path) -> pathlib.Path:
    """A copy of the package and its tests, to put files into."""
    for name in ("tfcr", "tests", "docs", "configs"):
        shutil.copytree(_ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def _pytest(clone: pathlib.Path, *tests) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, tests)]
    environment = {**os.environ, "PYTHONPATH": str(clone)}
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, env=environment, check=False)


def test_the_pages_corpus_and_protocol_are_a_file_and_a_test_each(clone):
    (clone / "tfcr/corpora/my_corpus.py").write_text(_CORPUS)
    (clone / "tests/corpora/test_my_corpus.py").write_text(_CORPUS_TEST)
    (clone / "tfcr/protocols/my_protocol.py").write_text(_PROTOCOL)
    (clone / "tests/test_my_protocol.py").write_text(_PROTOCOL_TEST)
    done = _pytest(
        clone,
        *("tests/corpora/test_my_corpus.py", "tests/test_my_protocol.py"),
        "tests/corpora/test_adding_a_corpus.py::test_every_corpus_on_the_page_is_there_and_has_its_emotions_and_a_command",
        "tests/test_protocols.py::test_every_protocol_is_listed_with_its_folds_or_the_reason_why_not",
    )
    assert "5 passed" in done.stdout, done.stdout


@pytest.mark.full
def test_the_pages_system_and_its_test_are_two_files_and_pass_what_is_asked_of_every_system(clone):
    (clone / "tfcr/models/systems/my_system.py").write_text(_SYSTEM)
    (clone / "tests/models/systems/test_my_system.py").write_text(_SYSTEM_TEST)
    done = _pytest(
        clone,
        "tests/models/systems/test_my_system.py",
        "tests/models/systems/test_systems.py::test_the_systems_are_found_without_loading_them",
        "tests/models/systems/test_systems.py::test_every_system_is_complete",
        "tests/models/test_keras_config.py::test_a_network_in_float32_is_the_same_whatever_is_set",
        "tests/models/test_kernels.py::test_in_bfloat16_no_system_runs_by_cudnn",
        "tests/test_config.py::test_table_1_has_every_system_of_the_page_and_every_row_of_the_paper",
    )
    assert "failed" not in done.stdout and done.returncode == 0, done.stdout


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


def test_the_workflow_does_what_ci_does_on_every_python_with_actions_that_cannot_change():
    import configparser

    import yaml

    jobs = yaml.safe_load((_ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    setup = configparser.ConfigParser()
    setup.read(_ROOT / "setup.cfg")
    pythons = re.findall(r"Python :: (3\.\d+)", setup["metadata"]["classifiers"])
    assert jobs["checks"]["strategy"]["matrix"]["python"] == pythons
    assert jobs["checks"]["steps"][-1] == {"run": ".ci/run", "env": {"PYTHON": "python"}}
    actions = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert actions and all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", each) for each in actions)
