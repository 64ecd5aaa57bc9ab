"""`tfcr sweep` and `tfcr cross-validate`: what they ask the library for, what they refuse, and what they print."""

import io
import json
import pathlib
import shutil
import sys

import pytest
import yaml
from rich.console import Console

from tfcr import runs
from tfcr.cli import cross_validate as cross_validate_command
from tfcr.cli import sweep as sweep_command
from tfcr.config import Config
from tfcr.dataset_info import INFO
from tfcr.errors import TfcrError
from tfcr.experiments.backends.backend import LOCAL
from tfcr.experiments.sweep import Sweep, Swept

pytestmark = pytest.mark.usefixtures("tensorflow")


class ReachedError(TfcrError):
    """The library was called, and that is enough."""


@pytest.fixture
def asked(tfcr, small_dataset, tmp_path, monkeypatch):
    """Types a command with a file and options; returns the sweep that the library is asked for, and the rest."""
    from tfcr.experiments import sweep as module

    monkeypatch.chdir(tmp_path)
    found = {}

    def run_sweep(sweep, workers, shard, report, *rest):
        found.update(sweep=sweep, workers=workers, shard=shard, report=report, backend=rest[-1])
        raise ReachedError

    monkeypatch.setattr(module, "run_sweep", run_sweep)

    def run(content, *arguments, command="sweep"):
        found.clear()
        (tmp_path / "c.yaml").write_text(yaml.safe_dump({"data": str(small_dataset.folder), **content}))
        outcome = tfcr(command, "--config", tmp_path / "c.yaml", *arguments)
        assert outcome.code == 1 and found, outcome
        sweep: Sweep = found["sweep"]
        axes = {name: getattr(sweep, name) for name in ("systems", "alphas", "folds", "seeds", "out")}
        return {**sweep.config.to_dict(), **found, **axes, "cells": sweep.cells()}

    return run


# option: in the file, on the command line, and what each means
BOTH = {
    "protocol": ("speaker", "script", "speaker", "script"),
    "folds": ([0, 1], "2-4", (0, 1), (2, 3, 4)),
    "seeds": ("0-2", "7,8", (0, 1, 2), (7, 8)),
    "fold_seed": (3, 4, 3, 4),
    "subset": ("improvised", "scripted", "improvised", "scripted"),
    "epochs": (5, 6, 5, 6),
    "batch_size": (7, 8, 7, 8),
    "precision": ("mixed_float16", "mixed_bfloat16", "mixed_float16", "mixed_bfloat16"),
    "threads": (2, 3, 2, 3),
    "workers": (3, 4, 3, 4),
    "shard": ("1/2", "2/3", (1, 2), (2, 3)),
    "out": ("o1", "o2", pathlib.Path("o1"), pathlib.Path("o2")),
    "report": ("r1", "r2", pathlib.Path("r1"), pathlib.Path("r2")),
}
SWEEP = {
    "systems": (["text", "audio"], "audio,fusion", ("text", "audio"), ("audio", "fusion")),
    "alphas": ([0, 0.3], "0:0.3:0.1", (0.0, 0.3), (0.0, 0.1, 0.2, 0.3)),
}
OF_RAY = {"backend", "address", "gpus_per_cell"}
APART = {"data", "split", "no_report", "dry_run", "config", "audio_features", "text_features", *OF_RAY}  # below


def names(command) -> set[str]:
    return {parameter.name for parameter in command.params} - APART


def test_every_option_is_tried_here():
    assert names(sweep_command.command) == {*BOTH, *SWEEP}
    assert names(cross_validate_command.command) == {*BOTH, "system", "alpha"}


@pytest.mark.parametrize("name", [*BOTH, *SWEEP])
def test_an_option_may_stand_in_a_file_and_the_command_line_wins(asked, name):
    in_file, typed, of_file, of_line = {**BOTH, **SWEEP}[name]
    assert asked({name: in_file})[name] == of_file
    assert asked({name.replace("_", "-"): in_file}, f"--{name.replace('_', '-')}", typed)[name] == of_line


@pytest.mark.parametrize("name", BOTH)
def test_cross_validate_takes_the_same(asked, name):
    in_file, typed, of_file, of_line = BOTH[name]
    assert asked({name: in_file}, command="cross-validate")[name] == of_file
    assert asked({name: in_file}, f"--{name.replace('_', '-')}", typed, command="cross-validate")[name] == of_line


@pytest.mark.parametrize("command", ["sweep", "cross-validate"])
@pytest.mark.parametrize("name", ["audio_features", "text_features"])
def test_features_of_ones_own_stand_in_a_file_or_on_the_command_line(tfcr, small_dataset, tmp_path, command, name):
    """The dataset has none, so it is said which are looked for."""
    (tmp_path / "c.yaml").write_text(f"data: {small_dataset.folder}\n{name}: hubert\n")
    shared = (command, "--config", tmp_path / "c.yaml", "--dry-run")
    for arguments, wanted in (((), "hubert"), ((f"--{name.replace('_', '-')}", "wavlm"), "wavlm")):
        outcome = tfcr(*shared, *arguments)
        assert outcome.code == 1 and "was prepared without the feature" in outcome.err
        assert wanted in outcome.err and ("hubert" in outcome.err) == (wanted == "hubert")


def test_the_defaults(asked, small_dataset):
    found = asked({})
    assert [(cell.config.fold, cell.config.alpha) for cell in found["cells"]] == [
        (fold, alpha) for fold in range(10) for alpha in (0.0, 0.1)
    ]
    assert (found["threads"], found["seeds"], found["systems"]) == (1, (0,), ("fusion",))
    assert (found["workers"], found["shard"]) == (None, (1, 1))
    assert found["out"] == pathlib.Path("sweeps/small") and found["report"] == pathlib.Path("report/small")
    assert small_dataset.name == "small"


@pytest.mark.parametrize("command", ["sweep", "cross-validate"])
def test_words_without_vectors_are_warned_of(tfcr, small_dataset, tmp_path, command):
    data = tmp_path / "data"
    shutil.copytree(small_dataset.folder, data)
    info = json.loads((data / INFO).read_text())
    info["embeddings"]["warning"] = "Only 3.0 % of the words have a vector."
    (data / INFO).write_text(json.dumps(info))
    outcome = tfcr(command, "--data", data, "--dry-run")
    assert outcome.code == 0 and "Warning: Only 3.0 % of the words have a vector.\n" in outcome.err


def test_every_field_of_the_configuration_may_stand_in_a_file(asked):
    found = asked({"lstm_units": 9, "learning_rate": 0.01, "time_mask": 4})
    assert (found["lstm_units"], found["learning_rate"], found["time_mask"]) == (9, 0.01, 4)


def test_the_paper_s_file_sweeps_over_every_fold(asked):
    paper = yaml.safe_load((pathlib.Path(__file__).parents[2] / "configs" / "paper.yaml").read_text())
    assert len(asked(paper)["cells"]) == 20


def test_no_report(asked):
    assert asked({}, "--no-report")["report"] is None
    assert asked({"no_report": True})["report"] is None
    assert asked({"no_report": True}, "--report", "r")["report"] == pathlib.Path("r")
    assert asked({"report": "r"}, "--no-report")["report"] is None


@pytest.mark.parametrize("command", ["sweep", "cross-validate"])
def test_ray_may_stand_in_a_file_and_another_backend_leaves_its_options_there(asked, command):
    pytest.importorskip("ray", reason="needs the extra ray")
    file = {"backend": "ray", "address": "head:6379", "gpus-per-cell": 0.1}
    cluster = asked(file, command=command)["backend"]
    assert (cluster.address, cluster.gpus_per_cell) == ("head:6379", 0.1)
    cluster = asked(file, "--address", "auto", "--gpus-per-cell", 2, command=command)["backend"]
    assert (cluster.address, cluster.gpus_per_cell) == ("auto", 2)
    assert asked(file, "--backend", "local", command=command)["backend"] is LOCAL
    assert asked({}, command=command)["backend"] is LOCAL


def test_without_ray_one_line_names_the_extra(fails, small_dataset, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    line = fails("sweep", "--data", small_dataset.folder, "--backend", "ray", code=1)
    assert (
        line
        == "Error: --backend ray needs a package that is not installed (ray); in tfcr's clone, pip install '.[ray]'"
    )


@pytest.mark.parametrize(
    ("arguments", "row"),
    [((), ("fusion", 0.1)), (("--alpha", 0.3), ("fusion", 0.3)), (("--system", "text"), ("text", 0.0))],
)
def test_cross_validation_is_a_sweep_of_one_row(asked, arguments, row):
    cells = asked({}, *arguments, command="cross-validate")["cells"]
    assert [(cell.config.fold, cell.config.system, cell.config.alpha) for cell in cells] == [
        (fold, *row) for fold in range(10)
    ]


def test_cross_validation_follows_a_file_of_a_training(asked):
    assert asked({"system": "audio"}, command="cross-validate")["systems"] == ("audio",)
    assert asked({"alpha": 0.4}, command="cross-validate")["alphas"] == (0.4,)


# ---- wrong usage ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--systems", "fusion,fusoin"), "there is no system 'fusoin'"),
        (("--systems", ""), "names with commas"),
        (("--alphas", "0,1.1"), "alpha must be from 0 to 1; received 1.1"),
        (("--alphas", "0.2:0.1:0.1"), "the range 0.2:0.1:0.1 is empty"),
        (("--alphas", "a"), "alphas must be numbers like 0,0.1"),
        (("--folds", "8-10"), "fold must be from 0 to 9 for protocol 'random'; received 10"),
        (("--protocol", "authors", "--folds", "5"), "fold must be from 0 to 4 for protocol 'authors'"),
        (("--folds", "none"), "folds must be whole numbers"),
        (("--folds", ""), "folds must be whole numbers"),
        (("--seeds", "3-1"), "the range 3-1 is empty"),
        (("--shard", "5/4"), "shard must be from 1/4 to 4/4; received 5/4"),
        (("--shard", "0/4"), "shard must be from 1/4 to 4/4; received 0/4"),
        (("--shard", "1/0"), "shard must be from"),
        (("--shard", "1"), "shard must be like 1/4"),
        (("--shard", "/4"), "shard must be like 1/4"),
        (("--shard", "1/4/4"), "shard must be like 1/4"),
        (("--shard", "-1/4"), "shard must be like 1/4"),
        (("--backend", "spark"), "backend"),
        (("--address", "head:6379"), "--address belongs to --backend ray"),
        (("--gpus-per-cell", 1), "--gpus-per-cell belongs to --backend ray"),
        (("--backend", "ray", "--address", "head"), "address must be HOST:PORT of the cluster's head, or auto"),
        (("--backend", "ray", "--gpus-per-cell", 1.5), "gpus-per-cell must be from 0 to 1 or a whole number"),
        (("--workers", 0), "workers"),
        (("--epochs", 0), "epochs"),
        (("--protocol", "speakers"), "protocol"),
    ],
)
def test_wrong_usage_is_one_line(fails, small_dataset, arguments, message):
    assert message in fails("sweep", "--data", small_dataset.folder, *arguments, code=2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"preset": "authors"}, "preset 'authors' contradicts dataset"),
        ({"alphas": "much"}, "alphas must be numbers"),
        ({"folds": True}, "folds must be whole numbers"),
        ({"alpha": 0.3}, "write alphas: 0.3"),
        ({"fold": 3}, "write folds: 3"),
        ({"systmes": "text"}, "did you mean 'systems'?"),
        ({"emotions": ["anger", "sadness"]}, "contradicts dataset"),
        ({"shard": "3/2"}, "received 3/2"),
    ],
)
def test_a_wrong_file_is_one_line(fails, small_dataset, tmp_path, content, message):
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(content))
    assert message in fails("sweep", "--data", small_dataset.folder, "--config", tmp_path / "c.yaml", code=2)


def test_an_alpha_for_a_system_without_a_regulariser_is_wrong_usage(fails, small_dataset):
    line = fails("cross-validate", "--data", small_dataset.folder, "--system", "text", "--alpha", 0.2, code=2)
    assert "alpha must be 0 for system 'text'" in line


def test_a_dataset_is_no_folder_for_runs(fails, small_dataset):
    line = fails("sweep", "--data", small_dataset.folder, "--out", small_dataset.folder, code=2)
    assert "is a dataset; name another folder" in line


def test_without_a_dataset_one_line_says_how_to_get_one(fails):
    assert "make one with `tfcr prepare-tfrecords`" in fails("sweep", code=1)


# ---- what is printed ------------------------------------------------------------------------------------------------


def test_a_dry_run_lists_and_leaves_nothing(tfcr, small_dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = tfcr("sweep", "--data", small_dataset.folder, "--folds", "0-1", "--shard", "2/2", "--dry-run")
    assert outcome.code == 0
    assert outcome.out.splitlines() == [f"missing  sweeps/small/random-fusion-a{alpha}-f1-s0" for alpha in ("0", "0.1")]
    assert outcome.err.endswith("2 trainings: 0 done, 0 begun, 2 missing\n")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def ends(tfcr, small_dataset, tmp_path, monkeypatch):
    """Types a sweep that ends as it is told."""
    from tfcr.experiments import sweep as module

    monkeypatch.chdir(tmp_path)

    def run(swept, *arguments):
        monkeypatch.setattr(module, "run_sweep", lambda *_: swept)
        return tfcr("sweep", "--data", small_dataset.folder, *arguments)

    return run


def test_failures_are_named_at_the_end_in_lines_of_their_own(ends):
    folders = pathlib.Path("sweeps/small/one"), pathlib.Path("sweeps/small/two")
    outcome = ends(Swept(dict.fromkeys(folders, "the loss is infinite"), [], 2, None))
    assert outcome.code == 1 and outcome.out == ""
    assert outcome.err.splitlines() == [
        "failed: sweeps/small/one: the loss is infinite",
        "failed: sweeps/small/two: the loss is infinite",
        "Error: 2 of 20 trainings failed: one, two; the same command tries them again",
    ]


def test_what_another_process_trains_is_named_and_no_failure(ends):
    outcome = ends(Swept({}, [pathlib.Path("sweeps/small/one")], 3, None))
    assert (outcome.code, outcome.out) == (0, "sweeps/small\n")
    assert outcome.err.splitlines() == [
        "in work elsewhere: sweeps/small/one",
        "3 trainings of the whole are not there yet; the command that finds all of them reports",
    ]


def test_a_shard_says_who_reports(ends):
    outcome = ends(Swept({}, [], 3, None), "--shard", "2/4")
    assert (outcome.code, outcome.out) == (0, "sweeps/small\n")
    assert outcome.err.splitlines()[-1] == (
        "3 trainings of the whole are not there yet; the command that finds all of them reports: "
        "the last shard, or the same command without --shard"
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_has_a_bar_and_a_log_has_lines(tmp_path, monkeypatch, terminal):
    from tfcr.cli import display

    out = io.StringIO()
    monkeypatch.setattr(display, "console", lambda: Console(file=out, force_terminal=terminal, highlight=False))
    (tmp_path / "one.csv").write_text("epoch\n1\n2\n3\n")
    progress = display.CellsProgress([tmp_path / "one.csv", tmp_path / "not-there-yet.csv"])
    progress.say("1 of 2 trained")
    progress.ended(1, 90.0)
    progress.stop()
    assert "1 of 2 trained" in out.getvalue()
    assert terminal == ("1/2" in out.getvalue()) == ("3 epochs" in out.getvalue()) == ("2 min left" in out.getvalue())
    assert (progress.on_epoch is display.cell_epoch) != terminal  # the workers' lines would run into the bar


def test_a_sweep_ends_with_its_report_and_a_cross_validation_finds_its_runs(
    tfcr, small_dataset, small_config, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    fields = {name: value for name, value in small_config.to_dict().items() if value != getattr(Config(), name)}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(fields))
    shared = "--data", small_dataset.folder, "--config", "c.yaml", "--folds", 4
    outcome = tfcr("sweep", *shared, "--systems", "text", "--workers", 1)
    assert outcome.code == 0, outcome
    assert outcome.out.splitlines()[-1] == "report/small/report.html" and "Text only" in outcome.out
    lines = outcome.err.splitlines()
    assert lines[0].startswith("1 training: at most ")
    assert lines[1].startswith("1 of 1 trained: random-text-a0-f4-s0, test WA ")
    run = runs.open_run("sweeps/small/random-text-a0-f4-s0")
    assert (run.config["threads"], run.metrics["threads"]) == (1, 1)

    again = tfcr("cross-validate", *shared, "--system", "text", "--report", "report/text")
    assert again.code == 0, again
    assert again.err == "1 of 1 was trained before: random-text-a0-f4-s0\n"
    assert again.out.splitlines()[-1] == "report/text/report.html"
    assert pathlib.Path("report/small/table1.csv").read_bytes() == pathlib.Path("report/text/table1.csv").read_bytes()
