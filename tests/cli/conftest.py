"""The command line within this process, and a folder in which the two commands of the first page were typed."""

import collections
import contextlib
import io
import json
import os
import pathlib

import pytest
import yaml

from tfcr.cli import main
from tfcr.runs import CONFIG

Outcome = collections.namedtuple("Outcome", "code out err")


def typed(*arguments) -> Outcome:
    """What a command line prints and how it ends."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return Outcome(ended.value.code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def tfcr():
    """`tfcr("train", "--fold", 3)` types a command line; returns its exit code, output and error stream."""
    return typed


@pytest.fixture
def fails(tfcr, tmp_path, monkeypatch):
    """Types a command line that has to fail with one line and leave every file as it was; returns that line."""
    monkeypatch.chdir(tmp_path)

    def check(*arguments, code: int, below: pathlib.Path = tmp_path) -> str:
        before = contents(below)
        outcome = tfcr(*arguments)
        lines = outcome.err.splitlines()
        assert outcome.code == code, outcome
        assert lines and lines[-1].startswith("Error: "), outcome
        assert sum(line.startswith("Error") for line in lines) == 1
        assert "Traceback" not in outcome.err
        assert contents(below) == before
        return lines[-1]

    return check


def contents(folder: pathlib.Path) -> dict[str, bytes | None]:
    """Every file and folder below, but locks and what a verification remembers."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if path.name not in (".lock", ".verified.json")
    }


Workspace = collections.namedtuple("Workspace", "folder config prepared trained run")


@pytest.fixture(scope="session")
def workspace(tensorflow, small_fields, made_once) -> Workspace:
    """A folder after `tfcr prepare-tfrecords` and `tfcr train --fold 3 --alpha 0.1`, both small. Not to be changed."""

    def make(folder):
        config = folder / "small.yaml"
        config.write_text(yaml.safe_dump({"utterances": 120, **small_fields}))
        before = os.getcwd()
        os.chdir(folder)
        try:
            lines = ("prepare-tfrecords",), ("train", "--fold", 3, "--alpha", 0.1)
            ended = [typed(*line, "--config", config) for line in lines]
        finally:
            os.chdir(before)
        assert all(each.code == 0 for each in ended), ended
        (folder / "typed.json").write_text(json.dumps(ended))

    folder = made_once("workspace", make)
    prepared, trained = (Outcome(*each) for each in json.loads((folder / "typed.json").read_text()))
    run = folder / "runs/synthetic/random-fusion-a0.1-f3-s0"
    content = yaml.safe_load((run / CONFIG).read_text()) | {"data": str((folder / "data/synthetic").resolve())}
    (run / CONFIG).write_text(yaml.safe_dump(content, sort_keys=False))
    return Workspace(folder, folder / "small.yaml", prepared, trained, run)
