"""The main job: both methods on the same folds, a report, an export; and what is left of it when it is cut off."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tfcr import runs
from tfcr.errors import TfcrError, UsageError
from tfcr.experiments import progress
from tfcr.experiments import reproduce as module
from tfcr.experiments.backends.backend import train_cells
from tfcr.experiments.backends.local import LocalProcesses
from tfcr.experiments.cells import Cell, Ended, Pace
from tfcr.experiments.reproduce import cells_of, reproduce
from tfcr.exports import read_manifest
from tfcr.models.systems import resolve
from tfcr.training.pretraining import origins_of


def test_all_trainings_share_folds_seeds_and_everything_but_system_and_alpha(small_config, small_dataset, tmp_path):
    cells = cells_of(small_dataset, small_config, tmp_path)
    assert [(cell.config.fold, cell.config.system, cell.config.alpha) for cell in cells] == [
        (fold, system, alpha)
        for fold in range(3)
        for system, alpha in (("audio", 0.0), ("text", 0.0), ("fusion", 0.0), ("fusion", 0.1))
    ]
    # `resolve` leaves what means nothing without a regulariser to the preset
    assert len({resolve(dataclasses.replace(cell.config, system="fusion", alpha=0.0, fold=0)) for cell in cells}) == 1
    assert len({cell.run for cell in cells}) == len(cells)


def test_on_iemocap_the_text_has_its_ten_folds_and_the_code_the_published_split(
    small_config, small_dataset, small_authors, authors_dataset, tmp_path
):
    paper, authors = (
        dataclasses.replace(dataset, info={**dataset.info, "corpus": "iemocap"})
        for dataset in (small_dataset, authors_dataset)
    )
    cells = cells_of(paper, small_config, tmp_path)
    assert {(cell.config.protocol, cell.config.fold) for cell in cells} == {("random", fold) for fold in range(10)}
    stages = [
        (cell.config.protocol, cell.config.fold, cell.config.system, cell.config.alpha, cell.config.start)
        for cell in cells_of(authors, small_authors, tmp_path)
    ]
    # each modality, the baseline from their encoders, then it trained on and the contrastive model, which start from it
    assert stages == [
        ("authors", 0, "audio", 0.0, "fresh"),
        ("authors", 0, "text", 0.0, "fresh"),
        ("authors", 0, "fusion", 0.0, "unimodal"),
        ("authors", 0, "fusion", 0.0, "baseline"),
        ("authors", 0, "fusion", 0.1, "baseline"),
    ]
    config = cells_of(authors, small_authors, tmp_path)[2].config
    assert origins_of(config) == [cell.config for cell in cells_of(authors, small_authors, tmp_path)[:2]]


def test_the_main_job_ends_with_a_report_and_an_export_and_keeps_what_is_done(
    small_config, small_dataset, tmp_path, monkeypatch
):
    monkeypatch.setitem(module.FOLDS, None, {"paper": {"random": range(1)}})
    # tests/training/test_forecast.py times steps
    monkeypatch.setattr(LocalProcesses, "paces", lambda self, cells, *arguments: [Pace(9.0, 1.0)] * len(cells))
    config = dataclasses.replace(small_config, epochs=1)
    said = []
    result = reproduce([(small_dataset, config)], tmp_path, workers=1, say=said.append)
    assert said[0].startswith("4 trainings, 1 at a time: at most ")  # of one epoch
    assert [sentence[:6] for sentence in said[1:]] == ["1 of 4", "2 of 4", "3 of 4", "4 of 4"]
    assert result.report.page.is_file() and any("confusion" in path.name for path in result.report.figures)
    assert read_manifest(result.export)["run"]["alpha"] == 0.1
    said = " ".join(result.report.summary.split())
    assert said.count("On the same 1 fold and 1 seed, ") == said.count("its UA over all utterances is ") == 2  # of both

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    again = reproduce([(small_dataset, config)], tmp_path, workers=1)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*") if path.is_file()} == before
    assert again.export == result.export


def test_mirrored_trainings_come_one_at_a_time(small_config, small_dataset, tmp_path, monkeypatch):
    asked = []

    def ends_there(cells, workers, *further):
        asked.append(workers)
        raise TfcrError("seen")

    monkeypatch.setattr(progress, "forecast", ends_there)
    experiments = [(small_dataset, dataclasses.replace(small_config, distribution="mirrored"))]
    with pytest.raises(TfcrError, match="seen"):
        reproduce(experiments, tmp_path)
    assert asked == [1]
    with pytest.raises(UsageError, match="mirrored takes every GPU for one training; expected workers 1, received 2"):
        reproduce(experiments, tmp_path, workers=2)


def test_a_finished_run_of_another_configuration_is_no_cell_of_this_one(small_config, small_dataset, tmp_path):
    from tfcr.training.experiment import plan
    from tfcr.training.train import train_fold

    config = dataclasses.replace(small_config, epochs=1, alpha=0.0, system="text")
    train_fold(plan(config, small_dataset.folder), tmp_path / "run")
    same, other = (
        Cell(each, small_dataset.folder, tmp_path / "run") for each in (config, dataclasses.replace(config, epochs=2))
    )
    assert list(train_cells([same], workers=1)) == [Ended(same, before=True)]
    [ended] = train_cells([other], workers=1)
    assert "its epochs is 1, not 2" in ended.failure


def test_a_failing_cell_stops_no_other_and_is_named(small_config, small_dataset, tmp_path):
    config = dataclasses.replace(small_config, epochs=1, alpha=0.0, threads=1)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.tex").write_text("years of work")
    cells = [
        Cell(config, small_dataset.folder, tmp_path / "taken"),
        Cell(config, small_dataset.folder, tmp_path / "good"),
    ]
    ended = {each.cell.run.name: each.failure for each in train_cells(cells, workers=1)}
    assert ended["good"] == "" and runs.open_run(tmp_path / "good").metrics["epochs"] == 1
    assert "is not empty and is no run" in ended["taken"]


_SWEEP = """
import pathlib, sys
from tfcr.config import Config
from tfcr.experiments.backends.backend import train_cells
from tfcr.experiments.cells import Cell, Ended
if __name__ == "__main__":
    out = pathlib.Path(sys.argv[2])
    small = dict(conv_filters=2, lstm_layers=1, lstm_units=8, epochs=400, patience=400, alpha=0.0, threads=1)
    cells = [Cell(Config(seed=seed, **small), pathlib.Path(sys.argv[1]), out / str(seed)) for seed in (0, 1)]
    list(train_cells(cells, 2))
"""


@pytest.mark.full
def test_workers_end_with_their_parent(small_dataset, tmp_path):
    script = tmp_path / "sweep.py"
    script.write_text(_SWEEP)
    parent = subprocess.Popen([sys.executable, str(script), str(small_dataset.folder), str(tmp_path / "runs")])
    histories = [tmp_path / "runs" / seed / runs.HISTORY for seed in "01"]
    _wait_for(lambda: all(path.is_file() for path in histories))
    workers = _children(parent.pid)
    assert len(workers) >= 2
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _wait_for(lambda: not any(pathlib.Path(f"/proc/{worker}").exists() for worker in workers))
    assert not any((tmp_path / "runs" / seed / runs.METRICS).exists() for seed in "01")  # they did not just finish


def _wait_for(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.2)


def _children(parent: int) -> list[int]:
    """The processes that a process has started, from the fourth field of /proc/<pid>/stat."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            state = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        if int(state[1]) == parent:
            found.append(int(process.name))
    return found


def test_a_failure_ends_the_main_job_in_one_line_after_the_others(small_config, small_dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(module.FOLDS, None, {"paper": {"random": range(1)}})
    monkeypatch.setattr(module, "SYSTEMS", ("text", "fusion"))
    monkeypatch.setattr(progress, "forecast", lambda *arguments: ("a forecast", {}))
    config = dataclasses.replace(small_config, epochs=1, learning_rate=1e30)
    said = []
    # Words alone may keep finite losses: their scores saturate.
    with pytest.raises(TfcrError, match=r"[123] of 3 trainings failed; the first: .*lower learning_rate"):
        reproduce([(small_dataset, config)], tmp_path, workers=1, say=said.append)
    assert [sentence[:6] for sentence in said[1:]] == ["1 of 3", "2 of 3", "3 of 3"]
