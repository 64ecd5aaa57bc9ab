"""Help is there at once: without TensorFlow, and the same in both places it stands."""

import importlib
import json
import subprocess
import sys

import pytest

from tfcr import __version__, cli

HEAVY = {"tensorflow", "keras", "gensim", "h5py", "matplotlib", "sklearn", "soundfile", "numpy"}

_HELP = f"""
import contextlib, io, json, sys
from tfcr.cli import _COMMANDS, main
loaded = {{}}
for arguments in (["--help"], ["--version"], [], *([name, "--help"] for name in _COMMANDS)):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        try:
            main(arguments)
        except SystemExit as ended:
            code = ended.code
    loaded[" ".join(arguments)] = [code, out.getvalue(), sorted({HEAVY!r} & set(sys.modules))]
print(json.dumps(loaded))
"""


@pytest.fixture(scope="module")
def helped():
    """Command line → exit code, what it printed, and the heavy modules that were loaded by then."""
    done = subprocess.run([sys.executable, "-c", _HELP], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_help_loads_nothing_heavy(helped):
    assert {arguments: loaded for arguments, (_, _, loaded) in helped.items() if loaded} == {}


def test_help_names_every_command_and_every_command_helps(helped):
    for name in cli._COMMANDS:
        assert name in helped["--help"][1]
        code, printed, _ = helped[f"{name} --help"]
        assert code == 0 and printed.startswith(f"Usage: tfcr {name}")


def test_version_is_the_packages(helped):
    assert helped["--version"][:2] == [0, f"tfcr, version {__version__}\n"]


def test_nothing_typed_is_wrong_usage_and_helps(helped):
    code, printed, _ = helped[""]
    assert code == 2 and "prepare-tfrecords" in printed


@pytest.mark.parametrize("name", cli._COMMANDS)
def test_the_help_lines_of_the_group_are_the_commands_own(name):
    module, line = cli._COMMANDS[name]
    command = importlib.import_module(f"tfcr.cli.{module}").command
    assert command.name == name
    assert command.help.splitlines()[0] == line


def test_every_option_says_what_it_is_for():
    for name, (module, _) in cli._COMMANDS.items():
        for parameter in importlib.import_module(f"tfcr.cli.{module}").command.params:
            if parameter.param_type_name == "option":
                assert parameter.help, (name, parameter.name)


@pytest.mark.parametrize("arguments", [["trian"], ["train", "--alhpa", "0.1"], ["--fold", "3"], ["evaluate"]])
def test_what_does_not_exist_is_wrong_usage(tfcr, arguments):
    outcome = tfcr(*arguments)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("Error: ")
