"""Table 1 in one command: every system on the same folds, in one report."""

import csv
import pathlib
import re
import shlex

import pytest
import yaml

from tfcr import published
from tfcr.models import systems

_ROOT = pathlib.Path(__file__).parents[2]
_TINY = {
    "conv_filters": 1,
    "lstm_layers": 1,
    "lstm_units": 4,
    "recurrent_units": 4,
    "hidden_units": 4,
    "epochs": 1,
    "discriminator_units": 4,
    "batch_size": 64,
    "max_frames": 20,
    "max_token_ids": 6,
    "shuffle_buffer": 64,
}


@pytest.mark.full
def test_the_sweep_over_table_1_reports_every_row(full_dataset, tfcr, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "table1.yaml"
    config.write_text((_ROOT / "configs" / "table1.yaml").read_text() + yaml.safe_dump(_TINY))
    command = ("sweep", "--config", config, "--data", full_dataset.folder, "--folds", 0, "--workers", 2)
    swept = tfcr(*command)
    assert swept.code == 0, swept.err
    with open(next(tmp_path.glob("report/*/table1.csv")), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    measured = {(row["system"], float(row["alpha"])) for row in rows if row["source"] == "measured"}
    listed = yaml.safe_load(config.read_text())["systems"]
    regularised = {name for name in listed if systems.system(name).REGULARISED}
    assert measured == {(name, 0.0) for name in listed} | {(name, 0.1) for name in regularised}
    printed = {(row["system"], float(row["alpha"])): row for row in rows if row["source"] == "published"}
    for row in published.TABLE_1:
        assert float(printed[row.system, row.alpha]["wa_percent"]) == row.wa
        assert printed[row.system, row.alpha]["measured"] == row.measured
        assert (row.system, row.alpha) in measured  # ours beside it


def test_the_sweeps_on_the_page_are_trainings_that_the_data_allow(full_dataset, tfcr, tmp_path, monkeypatch):
    page = (_ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    commands = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    assert commands[0] == "tfcr prepare-tfrecords --features all"  # of which `full_dataset` is a small one
    monkeypatch.chdir(_ROOT)
    listed = {}
    for line in commands[1:]:
        arguments = shlex.split(line.replace("data/synthetic", str(full_dataset.folder)))[1:]
        planned = tfcr(*arguments, "--dry-run", "--out", tmp_path / "sweeps")
        assert planned.code == 0, (line, planned.err)
        listed[line] = planned.out.splitlines()
    # a training of each of 5 systems without a regulariser, two of each of 5 with one; of ten folds, and of three
    assert [len(lines) for lines in listed.values()] == [15 * 10, 2, 15 * 3]


def test_features_that_are_missing_are_said_before_anything_is_trained(small_dataset, tfcr, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    swept = tfcr("sweep", "--systems", "text,mdre", "--data", small_dataset.folder, "--folds", 0)
    assert swept.code == 1
    assert "without the features mfcc, prosody, token_ids" in swept.err and "--features all" in swept.err
    assert list(tmp_path.iterdir()) == []
