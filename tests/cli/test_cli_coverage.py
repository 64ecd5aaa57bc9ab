"""Few words with a vector: `scripts/reproduce` says so once, before it trains."""

import pytest

from tfcr.cli import reproduce
from tfcr.errors import TfcrError


def test_the_main_job_says_it_once_whether_it_prepares_or_has_prepared(tiny_corpus, tmp_path, monkeypatch, capfd):
    from tfcr.experiments import reproduce as experiments

    def train(*arguments):
        raise TfcrError("here it trains")

    monkeypatch.setattr(experiments, "reproduce", train)
    (tmp_path / "few.txt").write_text("of 0.1 0.2 0.3\n")  # of "Word0 of neutral."
    arguments = ["--corpus", "manifest", "--root", str(tiny_corpus), "--embeddings", str(tmp_path / "few.txt")]
    for _ in range(2):
        with pytest.raises(TfcrError, match="here it trains"):
            reproduce.command.main([*arguments, "--out", str(tmp_path / "out")], standalone_mode=False)
        assert capfd.readouterr().err.count("Warning: Only 33.3 % of the words have a vector, none of them") == 1
