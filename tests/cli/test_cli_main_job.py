"""The commands of the first page, typed in an empty folder, and what they leave behind."""

import csv
import json
import shutil

import numpy as np
import pytest
import yaml

from tfcr import __version__, runs
from tfcr.config import FIELDS
from tfcr.dataset_info import open_dataset


@pytest.fixture(autouse=True)
def there(workspace, monkeypatch):
    monkeypatch.chdir(workspace.folder)


def test_the_dataset_lies_where_users_were_told(workspace):
    dataset = open_dataset("data/synthetic")
    assert dataset.info["utterances"] == 120
    assert dataset.name == "synthetic"
    assert "120 utterances" in workspace.prepared.out
    assert "transductive" in workspace.prepared.err  # said, and not among the results


def test_the_run_lies_where_users_were_told_and_training_says_which_dataset_it_took(workspace):
    assert workspace.trained.out == "runs/synthetic/random-fusion-a0.1-f3-s0\n"
    assert "data/synthetic, the one prepared last" in workspace.trained.err
    assert workspace.run.is_dir()
    names = {path.name for path in workspace.run.iterdir()}
    assert {"config.yaml", "metrics.json", "history.csv", "predictions.h5", "model.weights.h5", "tensorboard"} <= names


def test_the_config_is_resolved(workspace):
    config = yaml.safe_load((workspace.run / "config.yaml").read_text())
    assert set(config) == {*FIELDS, "data"}
    assert (config["fold"], config["alpha"], config["lstm_units"], config["epochs"]) == (3, 0.1, 8, 2)
    assert config["dataset_sha256"] == open_dataset("data/synthetic").sha256


BY_EMOTION = {"recall", "precision", "f1"}
SHARES = {
    *("wa", "ua", "macro_f1", "weighted_f1", "conflict_rate", "conflict_rate_centred", "wa_audio", "wa_text"),
    *("ece", "ece_scaled"),
}


def test_metrics_have_every_key_that_users_were_told(workspace):
    metrics = json.loads((workspace.run / "metrics.json").read_text())
    told = ("schema", "version", "dataset_sha256", "preset", "threads", "best_epoch", "system", "protocol", "fold")
    assert {*told, "alpha", "seed", "fold_seed", "sizes", "test", "validation"} <= set(metrics)
    assert (metrics["version"], metrics["fold"], metrics["alpha"], metrics["system"]) == (__version__, 3, 0.1, "fusion")
    assert metrics["sizes"] == {"train": 96, "validation": 12, "test": 12}  # 8:1:1 of 120
    emotions = open_dataset("data/synthetic").emotions
    for part in ("test", "validation"):
        figures = metrics[part]
        assert set(figures) == {*SHARES, *BY_EMOTION, "confusion", "absent"}
        assert all(list(figures[name]) == emotions for name in BY_EMOTION)
        assert np.array(figures["confusion"]).shape == (4, 4)
        assert np.sum(figures["confusion"]) == metrics["sizes"][part]
        assert figures["wa"] == pytest.approx(np.trace(figures["confusion"]) / 12)
        for name in SHARES:
            assert 0 <= figures[name] <= 1


def test_predictions_are_those_of_the_test_part(workspace):
    from tfcr.protocols import split

    run = runs.open_run(workspace.run)
    dataset = open_dataset("data/synthetic")
    test = split("random", 3, dataset.labelled).test
    assert run.predictions.id.tolist() == [dataset.index[position].id for position in test]
    assert run.predictions.label.tolist() == [dataset.index[position].label for position in test]
    # Eq. 1: s = s_a + s_t
    found = run.predictions
    np.testing.assert_allclose(found.logits, found.audio_logits + found.text_logits, atol=1e-5)
    assert np.mean(found.logits.argmax(1) == found.label) == pytest.approx(run.metrics["test"]["wa"])


def test_history_has_a_row_an_epoch(workspace):
    assert [row["epoch"] for row in runs.open_run(workspace.run).history] == [1, 2]


def test_the_same_command_again_says_that_it_is_done_and_changes_nothing(workspace, tfcr):
    before = {path: path.stat().st_mtime_ns for path in workspace.run.rglob("*") if path.is_file()}
    again = tfcr("train", "--fold", 3, "--alpha", 0.1, "--config", workspace.config)
    assert again.code == 0 and again.out == workspace.trained.out
    assert "was trained before" in again.err
    del before[workspace.run / ".lock"]
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_preparing_again_writes_no_shard(workspace, tfcr):
    before = {path: path.stat().st_mtime_ns for path in workspace.folder.glob("data/synthetic/*.tfrecord")}
    again = tfcr("prepare-tfrecords", "--config", workspace.config)
    assert again.out == workspace.prepared.out
    assert "was prepared before from the same input; its shards are intact\n" in again.err
    assert again.err.endswith("\nnext: tfcr train --data data/synthetic --fold 0\n")
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_evaluating_again_finds_the_same(workspace, tfcr):
    before = runs.read_predictions(workspace.run / "predictions.h5")
    outcome = tfcr("evaluate", workspace.run)
    assert outcome.code == 0 and outcome.out == f"{workspace.run}\n"
    np.testing.assert_array_equal(runs.read_predictions(workspace.run / "predictions.h5").logits, before.logits)


def test_a_report_is_written(workspace, tfcr, tmp_path):
    outcome = tfcr("report", workspace.run, "--out", tmp_path / "report")
    assert outcome.code == 0, outcome
    page = tmp_path / "report" / outcome.out.splitlines()[-1].split("/")[-1]
    assert page.suffix == ".html" and page.is_file()


def test_exports_are_numbered_and_inspected(workspace, exported, tfcr, tmp_path):
    out = tmp_path / "serving"
    shutil.copytree(exported, out / "1")
    outcome = tfcr("export", workspace.run, "--out", out)
    assert outcome.code == 0 and outcome.out == f"{out / '2'}\n"
    assert (out / "2" / "saved_model.pb").is_file()
    names = [path.name for path in sorted(out.iterdir()) if not path.name.startswith(".")]
    assert names == ["1", "2", "batching.config", "compose.yaml", "models.config", "monitoring.config"]
    told = tfcr("inspect", out)
    assert told.code == 0 and told.out.count("intact") == 2
    variables = next((out / "2" / "variables").glob("*.data*"))
    variables.write_bytes(variables.read_bytes()[:-1])
    told = tfcr("inspect", out / "2")
    assert told.code == 1 and told.err.startswith(f"Error: {variables} was changed")


def test_a_dataset_and_a_run_are_inspected(workspace, tfcr):
    told = tfcr("inspect", "data/synthetic", "--no-figure")
    assert "protocols: random (10 folds), authors (5 folds), speaker (10 folds), session (5 folds)" in told.out
    assert (
        told.code == 0 and "neutral 34, happiness 37" in told.out and "intact: 40 shards" in told.out
    )  # 8 of each set
    assert (
        "order: records stand in an order drawn from their ids (SHA-256 of the id), whatever these sort by" in told.out
    )
    told = tfcr("inspect", workspace.run)
    assert told.code == 0 and all(words in told.out for words in ("best epoch", "faster kernels: conv_0", "intact"))


def test_history_is_a_table(workspace):
    with open(workspace.run / "history.csv", newline="") as file:
        header = next(csv.reader(file))
    assert {"epoch", "loss", "val_loss", "val_wa", "val_ua"} <= set(header)
