"""scripts/setup finds a fitting Python among several, and says what to type where there is none."""

import pathlib
import shutil
import subprocess

import pytest

_SETUP = pathlib.Path(__file__).parents[1] / "scripts" / "setup"
_USED = ("bash", "env", "cat", "cksum", "dirname")
_PYTHON = """#!/bin/sh
case "$1" in
  -c) exit {misfit} ;;
  --version) echo "Python of $0" ;;
  *) echo "asked: $0 $*" >&2; exit 3 ;;  # for the environment, where this test ends
esac
"""


@pytest.fixture
def chosen(tmp_path):
    """Runs a copy of the script among Pythons (name or path → whether it fits): which it takes, and what it says."""
    clone, path, home = (tmp_path / name for name in ("clone", "path", "home"))
    (clone / "scripts").mkdir(parents=True)
    shutil.copy(_SETUP, clone / "scripts")
    (clone / "requirements.lock").touch()
    for name in _USED:
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).symlink_to(shutil.which(name))

    def run(pythons: dict[str, bool], made_by: str | None = None, **environment: str) -> tuple[str, str]:
        if made_by is not None:  # an environment that is current
            (clone / ".venv" / "bin").mkdir(parents=True)
            (clone / ".venv" / "bin" / "python").symlink_to(made_by)
            lock = clone / "requirements.lock"
            checksum = subprocess.run(
                ["cksum"], input=lock.read_bytes(), capture_output=True, check=True
            ).stdout.decode()
            (clone / ".venv" / "locked").write_text(f"{checksum.strip()} {clone}\n")
        for name, fits in pythons.items():
            file = home / name if "/" in name else path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_PYTHON.format(misfit=int(not fits)))
            file.chmod(0o755)
        variables = {"PATH": str(path), "HOME": str(home), **environment}
        ended = subprocess.run([clone / "scripts" / "setup"], env=variables, capture_output=True, text=True)
        assert ended.returncode != 0  # no Python here makes an environment
        asked = [line.split()[1] for line in ended.stderr.splitlines() if line.startswith("asked:")]
        return (str(pathlib.Path(asked[0]).relative_to(tmp_path)) if asked else ""), ended.stderr

    return run


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        ({"python3": True}, "path/python3"),
        ({"python3.13": True, "python3.12": True, "python3.11": True}, "path/python3.12"),
        ({"python3": False, "python3.13": True}, "path/python3.13"),
        ({"python3.13": False, "python3": False, "python3.11": True}, "path/python3.11"),  # pyenv's shims fail so
        ({"python3": False, ".pyenv/versions/3.12.1/bin/python": True}, "home/.pyenv/versions/3.12.1/bin/python"),
    ],
)
def test_the_newest_python_with_every_dependency_is_taken_and_then_those_of_pyenv(chosen, pythons, taken):
    assert chosen(pythons)[0] == taken


def test_what_python_names_is_taken_or_refused(chosen):
    assert chosen({"python3.13": True, "mine": True, "old": False}, PYTHON="mine")[0] == "path/mine"
    taken, said = chosen({}, PYTHON="old")
    assert taken == "" and said.startswith("Error: PYTHON is old, which is no Python 3.11 to 3.13")


def test_where_there_is_none_it_says_what_to_type(chosen):
    taken, said = chosen({"python3": False})
    assert taken == "" and said.startswith("Error: there is no Python 3.11 to 3.13")
    assert "apt install python3-venv" in said and "pyenv install 3.13" in said


def test_an_environment_whose_python_has_gone_is_made_anew(chosen, tmp_path):
    assert chosen({"python3": True}, made_by=str(tmp_path / "gone"))[0] == "path/python3"
