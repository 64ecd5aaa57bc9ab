"""A sweep over stages: what starts from a baseline waits for it, and a second call finds all of it done."""

import dataclasses

from tfcr import runs
from tfcr.experiments.sweep import Sweep, run_sweep


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
