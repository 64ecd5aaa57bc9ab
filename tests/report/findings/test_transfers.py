"""Cross-corpus tables: runs of one dataset on another, by hand."""

import csv
import io

import pytest

from tfcr import files, runs
from tfcr.report import write_cross_corpus
from tfcr.report.findings.transfers import find_transfers

SHARED = ["neutral", "anger"]


@pytest.fixture
def tested(make_run):
    """A run of four classes and one of two, each with what it found on the other's dataset."""
    # a: true n n h s a a; of neutral and anger alone 2 of 4 are right: the first says sadness, and neutral among both
    a = make_run("a", dataset="a", label=[0, 0, 1, 2, 3, 3], predicted=[2, 0, 1, 2, 0, 0], audio=None, text=None)
    b = make_run(
        "b",
        dataset="b",
        dataset_sha256="cd" * 32,
        emotions=SHARED,
        label=[0, 1],
        predicted=[0, 1],
        audio=None,
        text=None,
    )
    for run, other, confusion, left_out in ((a, "b", [[3, 1], [0, 4]], 5), (b, "a", [[1, 1], [2, 0]], 0)):
        found = {"confusion": confusion, "left_out": left_out}
        files.write_json(runs.evaluation_folder(run, other) / runs.METRICS, found)
    return {"a": [a], "b": [b]}


def test_every_dataset_is_trained_on_and_tested_on_among_the_shared_classes(tested):
    found = {(each.trained_on, each.tested_on): each for each in find_transfers(tested, SHARED)}
    assert {place: each.wa.mean for place, each in found.items()} == {
        ("a", "a"): 2 / 4,
        ("a", "b"): 7 / 8,
        ("b", "a"): 1 / 4,
        ("b", "b"): 1,
    }
    assert found["a", "b"].ua.mean == pytest.approx((3 / 4 + 1) / 2)
    # F1: 6/7 and 8/9; both classes have four utterances
    assert found["a", "b"].macro_f1.mean == found["a", "b"].weighted_f1.mean == pytest.approx((6 / 7 + 8 / 9) / 2)
    assert [each.utterances for each in found.values()] == [4, 8, 4, 2]
    assert [each.left_out for each in found.values()] == [0, 5, 0, 0]


def test_a_test_part_without_any_of_the_shared_classes_is_in_no_mean_and_is_counted(tested, make_run, tmp_path):
    sad = {"dataset": "a", "label": [2, 2], "predicted": [2, 0], "audio": None, "text": None}
    another = make_run("another", fold=1, **sad)
    files.write_json(
        runs.evaluation_folder(another, "b") / runs.METRICS, {"confusion": [[1, 0], [0, 1]], "left_out": 0}
    )
    found = {
        (each.trained_on, each.tested_on): each
        for each in find_transfers({**tested, "a": [*tested["a"], another]}, SHARED)
    }
    assert (found["a", "a"].wa.mean, found["a", "a"].runs, found["a", "b"].runs) == (2 / 4, 1, 2)
    assert [each.untested_runs for each in found.values()] == [1, 0, 0, 0]
    written = write_cross_corpus({**tested, "a": [*tested["a"], another]}, SHARED, tmp_path / "report")
    content = {path.suffix: path.read_text(encoding="utf-8") for path in written.tables}
    assert [row["untested_runs"] for row in csv.DictReader(io.StringIO(content[".csv"]))] == [*"1000"]
    assert all("1 of 2" in text for text in (content[".md"], content[".tex"], written.summary))
    assert "own test part, where that has utterances of these classes" in " ".join(content[".md"].split())
    alone = find_transfers({**tested, "a": [another]}, SHARED)
    assert [(each.trained_on, each.tested_on) for each in alone] == [("a", "b"), ("b", "a"), ("b", "b")]


def test_the_table_is_written_as_csv_markdown_and_latex_and_says_which_classes(tested, tmp_path):
    written = write_cross_corpus(tested, SHARED, tmp_path / "report")
    content = {path.suffix: path.read_text(encoding="utf-8") for path in written.tables}
    rows = list(csv.DictReader(io.StringIO(content[".csv"])))
    assert [(row["trained_on"], row["tested_on"], row["wa_percent"]) for row in rows] == [
        ("a", "a", "50.000000"),
        ("a", "b", "87.500000"),
        ("b", "a", "25.000000"),
        ("b", "b", "100.000000"),
    ]
    assert {row["classes"] for row in rows} == {"neutral anger"} and [row["left_out"] for row in rows] == [*"0500"]
    for suffix in (".md", ".tex"):
        assert "among the 2 classes that all of them share: neutral, anger" in content[suffix]
    assert "| a | b | Model-level fusion (baseline) | random | 87.50 | 87.50 |" in content[".md"]
    assert "| 8 | 5 |" in content[".md"]
    assert content[".tex"].count(r" \tabularnewline") == 1 + len(rows)
    assert len(written.summary.splitlines()) == 1 + len(rows)
    assert all(line.startswith(("a  ", "b  ", "Trained on")) for line in written.summary.splitlines())
