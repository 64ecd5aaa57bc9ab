"""The page on features works as it stands: its code and commands are run in their order, on a small corpus."""

import csv
import pathlib
import re
import shlex

import pytest

from tfcr import cli, corpora
from tfcr.experiments import progress
from tfcr.features.sets import SETS

_PAGE = (pathlib.Path(__file__).parents[1] / "docs" / "features.md").read_text(encoding="utf-8")
_BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", _PAGE, re.DOTALL)
_SMALL = (
    "lstm_units: 4\nlstm_layers: 1\nconv_blocks: 2\nconv_filters: 1\nprojection_units: 4\nepochs: 1\n"
    "discriminator_units: 4\nthreads: 2\nshuffle_buffer: 64\n"
)


def test_the_page_names_every_feature_set():
    assert set(re.findall(r"^\| `(\w+)` \|", _PAGE, re.MULTILINE)) == set(SETS)


def write_manifest(root: pathlib.Path, small_corpus: pathlib.Path) -> None:
    """The small corpus as somebody's own."""
    root.mkdir()
    (root / "corpus").symlink_to(small_corpus)
    with open(root / "manifest.csv", "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("id", "path", "transcript", "emotion", "speaker"))
        for said in corpora.read("synthetic", small_corpus, utterances=120).utterances:
            path = f"corpus/{said.audio.relative_to(small_corpus)}"
            rows.writerow((said.id, path, said.transcript, said.emotion, said.speaker))


def test_everything_on_the_page_works(tensorflow, small_corpus, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "forecast", lambda *arguments: ("a forecast", {}))
    write_manifest(tmp_path / "my-corpus", small_corpus)
    small = tmp_path / "small.yaml"
    small.write_text(_SMALL)
    ran = []
    for language, block in _BLOCKS:
        if language == "python":
            exec(compile(block, "features.md", "exec"), {})
            continue
        for line in block.splitlines():
            arguments = shlex.split(line)[1:]
            if arguments[0] in ("train", "sweep"):
                arguments += ["--config", str(small)]
            if arguments[0] == "sweep":
                arguments += ["--workers", "1", "--alphas", "0"]
            with pytest.raises(SystemExit) as end:
                cli.main(arguments)
            assert end.value.code == 0, (line, capfd.readouterr().err)
            ran.append(arguments[0])
    assert ran == ["prepare-tfrecords", "prepare-tfrecords", "train", "sweep", "report", "export", "predict"]
    assert (tmp_path / "runs/my-corpus/random-fusion-hubert-bert-a0.1-f0-s0/metrics.json").is_file()
    for table in tmp_path.rglob("table1.csv"):
        assert "fusion on hubert and bert" in table.read_text()
