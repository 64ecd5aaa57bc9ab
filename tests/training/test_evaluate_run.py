"""A run tested again on a machine that rounds otherwise."""

import shutil

import pytest

from tfcr import runs
from tfcr.cli import cli
from tfcr.training import evaluate
from tfcr.training.evaluate_run import evaluate_run


@pytest.fixture
def own(trained_run, tmp_path):
    """A test's own copy of a run."""
    return runs.open_run(shutil.copytree(trained_run.folder, tmp_path / "run"))


@pytest.fixture
def other_machine(monkeypatch):
    """The first utterance goes to another class."""
    found = evaluate.UtteranceOutputs.__call__

    def rounded(self, positions):
        outputs = found(self, positions)
        outputs["logits"][0] = -outputs["logits"][0]
        return outputs

    monkeypatch.setattr(evaluate.UtteranceOutputs, "__call__", rounded)


def test_what_training_predicted_stays_where_this_machine_decides_otherwise(own, other_machine, capfd):
    before = (own.folder / runs.PREDICTIONS).read_bytes()
    evaluation = evaluate_run(own)
    assert evaluation.is_kept and evaluation.figures["confusion"] != own.metrics["test"]["confusion"]
    assert (own.folder / runs.PREDICTIONS).read_bytes() == before
    cli.main(["evaluate", str(own.folder)], standalone_mode=False)
    assert "predictions.h5 stays as its training left it" in " ".join(capfd.readouterr().err.split())
    cli.main(["inspect", str(own.folder)], standalone_mode=False)
    assert "intact: metrics, predictions and weights" in capfd.readouterr().out


def test_a_damaged_file_is_written_anew_there_too(own, other_machine):
    file = own.folder / runs.PREDICTIONS
    file.write_bytes(file.read_bytes()[:200])
    assert not evaluate_run(own).is_kept
    assert len(runs.read_predictions(file).id) == own.metrics["sizes"]["test"]


def test_predictions_are_renewed_where_the_figures_are_those_of_the_training(own):
    (own.folder / runs.PREDICTIONS).unlink()
    assert not evaluate_run(own).is_kept
    cli.main(["inspect", str(own.folder)], standalone_mode=False)
