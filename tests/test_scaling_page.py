"""The commands of docs/scaling.md on Apache Beam work as they stand; the corpus is a small one."""

import importlib.util
import pathlib
import re
import shlex

import pytest

from tfcr import cli

_PAGE = (pathlib.Path(__file__).parents[1] / "docs" / "scaling.md").read_text(encoding="utf-8")


def commands(section: str) -> list[str]:
    (text,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", _PAGE, re.MULTILINE | re.DOTALL)
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


@pytest.mark.full
@pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None, reason="Apache Beam is not installed: pip install 'tfcr[beam]'"
)
def test_the_commands_on_apache_beam_work(tensorflow, tiny_corpus, tmp_path, monkeypatch, capfd):
    tiny_corpus.rename(tmp_path / "my-corpus")
    monkeypatch.chdir(tmp_path)
    for line in commands("Preparation on Apache Beam"):
        with pytest.raises(SystemExit) as end:
            cli.main(shlex.split(line)[1:])
        said = capfd.readouterr()
        assert end.value.code == 0, (line, said.err)
    assert len(commands("Preparation on Apache Beam")) == 3
    assert "16 utterances" in said.out and "features mel" in said.out
