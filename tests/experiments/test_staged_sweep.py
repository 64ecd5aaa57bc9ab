"""A sweep over stages: what starts from a baseline waits for it, and a second call finds all of it done."""

import dataclasses

import pytest
import yaml
from test_sweep import PATIENCE, Typed, results

from tfcr import runs
from tfcr.experiments.sweep import Sweep, run_sweep


@pytest.mark.full
def test_stages_are_swept_by_two_workers_and_are_there_for_the_next_call(authors_dataset, small_authors, tmp_path):
    config = dataclasses.replace(small_authors, threads=1, epochs=1)
    sweep = Sweep(authors_dataset, config.to_dict(), tmp_path / "sweeps", folds=[0])
    swept = run_sweep(sweep, workers=2)
    assert (swept.failures, swept.elsewhere, swept.missing) == ({}, [], 0)
    names = {path.name for path in (tmp_path / "sweeps").iterdir()}
    assert names == {
        *("authors-audio-a0-f0-s0", "authors-text-a0-f0-s0"),  # not asked for: the baseline starts from them
        *("authors-fusion-a0-f0-s0", "authors-fusion-a0-f0-s0-continued", "authors-fusion-a0.1-f0-s0"),
    }
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob(runs.METRICS)}
    again = run_sweep(sweep, workers=2)
    assert (again.failures, again.missing) == ({}, 0)
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.full
def test_two_shards_at_once_that_start_from_the_same_run_of_a_third_train_it_once(
    authors_dataset, small_authors, tmp_path
):
    """One fold: the baseline is shard 1's, and shards 2 and 3 start from it."""
    config = dataclasses.replace(small_authors, threads=1, epochs=1)
    undisturbed = Sweep(authors_dataset, config.to_dict(), tmp_path / "undisturbed", folds=[0])
    assert run_sweep(undisturbed, workers=1).missing == 0
    file, out = tmp_path / "small.yaml", tmp_path / "sweeps"
    file.write_text(yaml.safe_dump(config.to_dict()))
    line = ("sweep", "--config", file, "--data", authors_dataset.folder, "--folds", 0, "--out", out, "--no-report")
    with Typed(*line, "--shard", "2/3") as two, Typed(*line, "--shard", "3/3") as three:
        for typed in (two, three):
            _, err = typed.process.communicate(timeout=PATIENCE)
            assert typed.process.returncode == 0 and "1 of 1 trained" in err, err
    before = {path: path.stat().st_mtime_ns for path in out.rglob(runs.METRICS)}
    assert len(before) == 5  # audio, text, the baseline, and what starts from it
    swept = run_sweep(dataclasses.replace(undisturbed, out=out), workers=1, shard=(1, 3))
    assert (swept.failures, swept.elsewhere, swept.missing) == ({}, [], 0)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert results(out) == results(tmp_path / "undisturbed")
