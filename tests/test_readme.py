"""Every command of the README, the guide, and the pages on IEMOCAP and experiments works as it stands.

The lines are taken from the pages and run in their order, each once.

Only the size of the job is changed (a small corpus, few epochs and a small network), and the names of what a reader has
to bring are made to exist.
"""

import gzip
import pathlib
import re
import shlex
import shutil
import sys
import zipfile

import numpy as np
import pytest

from tfcr import cli
from tfcr.corpora import synthetic
from tfcr.experiments import progress

_ROOT = pathlib.Path(__file__).parents[1]
_PAGES = ("README.md", "docs/guide.md", "docs/iemocap.md", "docs/experiments.md")
_TEXT = "\n".join((_ROOT / page).read_text(encoding="utf-8") for page in _PAGES)
_COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", _TEXT, re.DOTALL) for line in block.splitlines()]
_PYTHON = re.findall(r"```python\n(.*?)```", _TEXT, re.DOTALL)
_SMALL = (
    "lstm_units: 4\nlstm_layers: 1\nconv_blocks: 2\nconv_filters: 1\nepochs: 1\ndiscriminator_units: 4\n"
    "hidden_units: 4\nthreads: 2\n"  # which this process runs with
)


def test_the_readme_begins_with_the_two_commands():
    assert _COMMANDS[:2] == ["scripts/reproduce", "scripts/test"]
    for line in _COMMANDS:
        assert shlex.split(line)[0] in ("tfcr", "scripts/reproduce", "scripts/test"), line


@pytest.fixture
def readers_folder(tmp_path, monkeypatch):
    """A folder with what the pages ask a reader to bring."""
    monkeypatch.chdir(tmp_path)
    synthetic.read(tmp_path / "IEMOCAP_full_release", utterances=120)
    words = [b"the", b"I", b"you", b"we"]
    vectors = np.random.default_rng(0).normal(size=(len(words), 300)).astype("<f4")
    rows = b"".join(word + b" " + vector.tobytes() + b"\n" for word, vector in zip(words, vectors, strict=True))
    (tmp_path / "GoogleNews-vectors-negative300.bin.gz").write_bytes(gzip.compress(b"4 300\n" + rows))
    with zipfile.ZipFile(tmp_path / "glove.6B.zip", "w") as archive:
        for width in (50, 300):
            lines = (
                f"{word.decode()} {' '.join(map(str, vector[:width]))}\n"
                for word, vector in zip(words, vectors, strict=True)
            )
            archive.writestr(f"glove.6B.{width}d.txt", "".join(lines))
    own = tmp_path / "my-corpus"
    shutil.copytree(tmp_path / "IEMOCAP_full_release", own)
    corpus = synthetic.read(own, utterances=120)
    lines = ["id,path,transcript,emotion,speaker"]
    for said in corpus.utterances:
        words = said.transcript.replace('"', "")
        lines.append(f'{said.id},{said.audio.relative_to(own)},"{words}",{said.emotion},{said.speaker}')
    (own / "manifest.csv").write_text("\n".join(lines) + "\n")
    shutil.copytree(_ROOT / "configs", tmp_path / "configs")
    shutil.copy(corpus.utterances[0].audio, tmp_path / "speech.wav")
    return tmp_path


def made_small(config: pathlib.Path) -> None:
    """Puts the small network into a configuration file."""
    names = {name.split(":")[0] for name in _SMALL.splitlines()}
    kept = [row for row in config.read_text().splitlines() if row.split(":")[0] not in names]
    config.write_text("\n".join(kept) + "\n" + _SMALL)


def typed(arguments: list[str], capfd) -> None:
    """Types a command, which has to succeed."""
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 0, (arguments, capfd.readouterr().err)
    capfd.readouterr()


def test_every_command_of_the_pages_works(readers_folder, monkeypatch, capfd):
    monkeypatch.setattr(
        progress, "forecast", lambda *arguments: ("a forecast", {})
    )  # tests/cli/test_cli_sweep.py has a real one
    small = readers_folder / "small.yaml"
    small.write_text(_SMALL)
    ran = 0
    for line in dict.fromkeys(_COMMANDS):
        program, *arguments = shlex.split(line)
        if program != "tfcr":
            continue  # the scripts are run by CI itself
        if arguments[0] == "serve":
            continue  # tests/serving/server/test_server.py runs it; it does not end by itself
        if arguments == ["prepare-tfrecords"]:
            arguments += ["--utterances", "120"]
        if "iemocap" in arguments and arguments[0] == "prepare-tfrecords":
            arguments += ["--allow-partial"]
        if "--config" in arguments:
            made_small(readers_folder / arguments[arguments.index("--config") + 1])
        elif arguments[0] in ("train", "cross-validate", "sweep"):
            arguments += ["--config", str(small)]
        if arguments[0] == "train" and "--data" not in arguments and "configs/paper.yaml" in arguments:
            arguments += ["--data", "data/synthetic"]
        if arguments[0] in ("cross-validate", "sweep"):
            arguments += ["--folds", "0", "--workers", "1"]
        if arguments[0] == "sweep":
            typed([*arguments, "--dry-run"], capfd)  # all of it: tests/cli/test_cli_table1.py
            arguments += ["--alphas", "0", "--seeds", "0"]
            if arguments.count("--data") == 1:
                arguments += ["--systems", "early-fusion" if "configs/table1.yaml" in arguments else "audio,text"]
        typed(arguments, capfd)
        ran += 1
    assert ran == sum(line.startswith("tfcr ") and "tfcr serve" not in line for line in set(_COMMANDS)) > 10
    assert _PYTHON
    for code in _PYTHON:
        exec(compile(code, "docs/guide.md", "exec"), {})
    assert "tensorflow" in sys.modules
