"""A report over a grid: choice, curve, comparison and tables of many runs."""

import csv

import pytest
from fabricated_sweeps import fabricated_sweep

from tfcr.report import write_report
from tfcr.runs import find_runs

ALPHAS = (0.0, 0.1, 0.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three alphas × three folds × two seeds, ten speakers."""
    folder = tmp_path_factory.mktemp("sweep")
    fabricated_sweep(
        folder, systems=["fusion"], alphas=ALPHAS, folds=3, seeds=2, utterances=60, dimensions=(16, 8), epochs=8
    )
    return folder


@pytest.fixture(scope="module")
def report(folder, tmp_path_factory):
    return write_report(find_runs([folder]), tmp_path_factory.mktemp("report"))


def rows(report, name):
    with open(report.page.parent / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_figure_of_a_grid_is_there(report):
    kinds = {path.stem for path in report.figures}
    for kind in ("confusion", "alpha", "speakers", "conflicts", "agreement", "embeddings"):
        assert f"{kind}-iemocap-random-fusion" in kinds
    assert {"curves-iemocap", "curves-iemocap-random-fusion-other-alphas"} <= kinds


def test_table_1_shows_the_chosen_alpha_and_the_csv_the_whole_grid(report):
    named = [
        row["alpha"] for row in rows(report, "table1.csv") if row["system"] == "fusion" and row["source"] != "published"
    ]
    assert named == ["0.0", "0.1", "0.5", "chosen"]
    markdown = (report.page.parent / "table1.md").read_text(encoding="utf-8")
    assert markdown.count("α chosen per fold on validation") == 1 + 1 + 3  # Table 1, F1, and three rows per class
    assert "α = 0.5" not in markdown


def test_alpha_csv_marks_one_choice_a_fold_and_its_validation_ua_is_the_largest(report):
    grid = [row for row in rows(report, "alpha.csv") if row["system"] == "fusion"]
    assert len(grid) == len(ALPHAS) * 3
    for fold in ("0", "1", "2"):
        of_fold = [row for row in grid if row["fold"] == fold]
        (choice,) = [row for row in of_fold if row["chosen"] == "yes"]
        assert float(choice["validation_ua_percent"]) == max(float(row["validation_ua_percent"]) for row in of_fold)


def test_the_primary_comparison_is_over_speakers(report):
    found = rows(report, "comparison.csv")
    primary = [row for row in found if row["system"] == "fusion" and row["role"] == "primary"]
    assert [row["alpha_after"] for row in primary] == ["0.1"] * len(primary)
    by_speaker, wa, ua, macro, weighted, *by_seed = primary
    assert (macro["measure"], weighted["measure"]) == ("macro F1, pooled", "weighted F1, pooled")
    for each in (ua, macro, weighted):
        assert float(each["low"]) <= float(each["estimate"]) <= float(each["high"]) and 0 < float(each["p"]) <= 1
    assert (by_speaker["clusters"], by_speaker["cluster"]) == ("10", "speaker")
    assert float(by_speaker["low"]) < float(by_speaker["estimate"]) < float(by_speaker["high"])
    assert 0 < float(by_speaker["p"]) <= 1
    assert wa["cluster"] == ua["cluster"] == "dialogue" and wa["low"]
    assert (wa["p"], wa["p_cluster"]) == ("", "")  # its p is that of the mean over speakers
    for each in (by_speaker, ua, macro, weighted):
        assert (each["p_clusters"], each["p_cluster"]) == ("10", "speaker")
    assert {each["p_cluster"] for each in by_seed} == {"utterance"}
    assert [row["measure"] for row in by_seed] == [
        f"WA of seed {seed}, conditional on its trained models (McNemar)" for seed in (0, 1)
    ]


def test_the_conclusion_stands_on_the_page_in_markdown_and_on_the_terminal(report):
    sentence = "A conclusion about the systems needs at least 5 seeds."
    page = report.page.read_text(encoding="utf-8")
    assert page.index(sentence) < page.index("<table")  # before any table
    assert sentence in (report.page.parent / "table1.md").read_text(encoding="utf-8")
    assert sentence in " ".join(report.summary.split())


def test_conflict_rates_of_emotions_average_to_that_of_all(report):
    found = [row for row in rows(report, "conflicts.csv") if (row["system"], row["alpha"]) == ("fusion", "0.1")]
    every, *by_emotion = found
    assert every["emotion"] == "all" and every["conflict_centred_percent"]
    assert sum(int(row["conflicts"]) for row in by_emotion) == int(every["conflicts"])
    matrix = [row for row in rows(report, "agreement.csv") if (row["system"], row["alpha"]) == ("fusion", "0.1")]
    assert sum(int(row["count"]) for row in matrix if row["audio"] != row["text"]) == int(every["conflicts"])


def test_a_grid_that_lacks_cells_says_that_its_points_are_not_comparable(report, folder, tmp_path):
    remark = "Not every α has every fold and seed so far."
    assert remark not in report.page.read_text(encoding="utf-8")
    partial = [run for run in find_runs([folder]) if run.folder.name != "random-fusion-a0.5-f2-s1"]
    assert remark in write_report(partial, tmp_path).page.read_text(encoding="utf-8")


def test_equal_sweeps_give_equal_bytes(report, folder, tmp_path):
    again = write_report(reversed(find_runs([folder])), tmp_path)
    assert [path.read_bytes() for path in report.paths] == [path.read_bytes() for path in again.paths]


def test_systems_of_one_modality_and_unknown_ones_stand_beside_the_others(make_run, tmp_path):
    runs = [
        make_run("a"),
        make_run("b", system="audio", text=None),
        make_run("c", system="new-one", audio=None, text=None),
    ]
    report = write_report(runs, tmp_path / "out")
    assert "NEW-ONE" in report.summary and "Audio only" in report.summary
    assert [row["conflict_percent"] for row in rows(report, "table1.csv")[-2:]] == ["", ""]


@pytest.mark.full
def test_a_whole_grid_has_the_figures_of_a_few_cells_and_ten_megabytes(report, tmp_path):
    fabricated_sweep(tmp_path / "runs", systems=["fusion"], utterances=550)
    whole = write_report(find_runs([tmp_path / "runs"]), tmp_path / "report")
    assert [path.name for path in whole.figures] == [path.name for path in report.figures]  # 330 cells, and 18
    assert whole.page.stat().st_size < 10e6
