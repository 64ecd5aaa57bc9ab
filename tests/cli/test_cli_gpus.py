"""Every command shares a GPU with other processes, or leaves it alone."""

from types import SimpleNamespace

import pytest

from tfcr import cli, exports
from tfcr.cli import prepare, reproduce, tensorflow
from tfcr.errors import TfcrError
from tfcr.extraction import extractor

LEAVES = {"prepare-tfrecords", "export", "inspect", "extract"}  # as fast on a CPU
NO_TENSORFLOW = {"report"}


class ReachedError(TfcrError):
    """TensorFlow has been imported; nothing has been computed yet."""


@pytest.fixture
def typed(tfcr, workspace, gpu, monkeypatch, tmp_path):
    """Types a command up to the place where TensorFlow has been imported."""

    def reach(*arguments, **named):
        settle(*arguments, **named)
        raise ReachedError("imported")

    settle = tensorflow.import_quietly
    for module in (tensorflow, reproduce):
        monkeypatch.setattr(module, "import_quietly", reach)
    monkeypatch.setattr(extractor, "pretrained", lambda *arguments: SimpleNamespace(modality="text"))
    monkeypatch.setattr(exports, "latest_version", lambda export: export)
    monkeypatch.setattr(exports, "read_manifest", lambda version: {})
    monkeypatch.chdir(tmp_path)
    data = workspace.folder / "data/synthetic"
    recording = next((data / "corpus").rglob("*.wav"))
    arguments = {
        "prepare-tfrecords": ["--out", tmp_path / "new"],
        "extract": ["--data", data, "--model", "words"],
        "train": ["--data", data, "--run", tmp_path / "run"],
        "evaluate": [workspace.run],
        "cross-validate": ["--data", data],
        "sweep": ["--data", data],
        "export": [workspace.run],
        "predict": ["serving", recording],
        "serve": ["serving", "--port", 0],
        "inspect": [data, "--figure", tmp_path / "figure.png"],
    }
    return lambda command: tfcr(command, *arguments[command])


def test_every_command_shares_the_gpu_or_leaves_it(typed, gpu):
    for command in set(cli._COMMANDS) - NO_TENSORFLOW:
        gpu.grows, gpu.visible = False, True
        assert "Error: imported" in typed(command).err, command
        assert (gpu.grows, gpu.visible) == ((False, False) if command in LEAVES else (True, True)), command


def test_a_reproduction_shares_it_too(typed, gpu, monkeypatch):
    monkeypatch.setattr(prepare.command, "main", lambda arguments, standalone_mode: None)
    with pytest.raises(ReachedError):
        reproduce.command.main(["--out", "out"], standalone_mode=False)
    assert gpu.grows


def test_no_command_imports_tensorflow_in_any_other_way():
    folder = prepare.__file__.rpartition("/")[0]
    from pathlib import Path

    direct = [path.name for path in Path(folder).glob("*.py") if "    import tensorflow" in path.read_text()]
    assert direct == ["tensorflow.py"]
