"""The files of a report: complete, self-contained, escaped and reproducible."""

import csv
import html.parser
import io
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tfcr.config import Config
from tfcr.report import write_report
from tfcr.report.findings.conditions import group_by_condition
from tfcr.report.findings.sections import divide

VOID = {"meta", "br", "img", "link", "input", "hr"}
HOSTILE = '<b>&"|'


class Page(html.parser.HTMLParser):
    """Collects what a test asks of a page, and fails on tags that do not nest."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def page_of(report) -> Page:
    return Page(report.page.read_text(encoding="utf-8"))


def rows_of(report, name: str) -> list[dict[str, str]]:
    path = next(path for path in report.tables if path.name == name)
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def table_1(report) -> list[dict[str, str]]:
    return rows_of(report, "table1.csv")


@pytest.fixture(scope="module")
def pair(fabricate, tmp_path_factory):
    """Baseline and proposed over two folds, and a system without audio."""
    runs = tmp_path_factory.mktemp("runs")
    return [
        fabricate(runs / "random-fusion-a0-f0-s0"),
        fabricate(runs / "random-fusion-a0-f1-s0", fold=1, predicted=(0, 0, 1, 1, 2, 2, 0, 0)),
        fabricate(runs / "random-fusion-a0.1-f0-s0", alpha=0.1, predicted=(0, 0, 1, 1, 2, 2, 3, 3)),
        fabricate(runs / "random-fusion-a0.1-f1-s0", alpha=0.1, fold=1),
        fabricate(runs / "random-text-a0-f0-s0", system="text", audio=None),
    ]


@pytest.fixture(scope="module")
def report(pair, tmp_path_factory):
    """The report on `pair`."""
    return write_report(pair, tmp_path_factory.mktemp("report"))


def test_every_file_is_where_the_report_says(report):
    written = {path for path in report.page.parent.rglob("*") if path.is_file()}
    assert set(report.paths) == written
    assert {path.name for path in report.tables} == {
        *("table1.csv", "table1.md", "table1.tex", "alpha.csv", "alpha.tex", "comparison.csv"),
        *("confusion.csv", "conflicts.csv", "agreement.csv", "modalities.tex"),
        *("measures.tex", "classes.csv", "calibration.csv", "noise.csv", "noise.md"),
    }
    assert {path.suffix for path in report.figures} == {".svg", ".png"}
    assert [path.stem for path in report.figures if path.suffix == ".svg"] == [
        "confusion-iemocap-random-fusion",
        "reliability-iemocap-random-fusion",
        "conflicts-iemocap-random-fusion",
        "agreement-iemocap-random-fusion",
        "confusion-iemocap-random-text-a0",
        "reliability-iemocap-random-text-a0",
        "curves-iemocap",
    ]


def test_the_page_refers_to_nothing_outside_itself(report):
    page = page_of(report)
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
    for name, value in page.attributes:
        if name in {"href", "src", "xlink:href", "action", "data", "srcset"}:
            assert value.startswith("#")
        if not name.startswith("xmlns"):
            assert "//" not in value
    assert "@import" not in page.words


def test_ids_on_the_page_are_unique_and_references_resolve(report):
    page = page_of(report)
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    references = {value[1:] for name, value in page.attributes if name in {"href", "xlink:href"}}
    references |= {value[5:-1] for _, value in page.attributes if value.startswith("url(#")}
    assert references <= set(ids)


def test_the_page_shows_our_figures_beside_the_papers(report):
    words = page_of(report).words
    # Baseline: WA 7/8 and 6/8, mean 81.25, deviation 100 * (1/8) / sqrt(2) = 8.84. Proposed: 8/8 and 7/8.
    assert "81.25 ± 8.84" in words and "93.75 ± 8.84" in words
    assert "74.62" in words and "76.06" in words
    assert "+12.50" in words  # the paired difference
    # One speaker and one seed: nothing can be concluded, and the page says so.
    assert "This is a description: a conclusion needs at least 8 speakers and 5 seeds." in words
    assert "2 of 10 folds × 1 seed" in words


def test_the_csv_holds_the_same_figures(report):
    rows = table_1(report)
    published = [row for row in rows if row["source"] == "published"]
    assert [(row["name"], row["wa_percent"]) for row in published][:2] == [
        ("Model-level fusion (Baseline)", "74.62"),
        ("Contrastive regularization (Proposed)", "76.06"),
    ]
    ours = {(row["system"], row["alpha"]): row for row in rows if row["source"] == "measured"}
    baseline, text = ours["fusion", "0.0"], ours["text", "0.0"]
    assert float(baseline["wa_percent"]) == pytest.approx(81.25)
    assert float(baseline["wa_deviation"]) == pytest.approx(100 / 8 / np.sqrt(2), abs=1e-6)
    assert float(baseline["pooled_wa_percent"]) == pytest.approx(100 * 13 / 16)
    # UA: recalls 1, 1, 1, 1/2 in fold 0 and 1, 1, 1, 0 in fold 1; pooled 1, 1, 1, 1/4.
    assert float(baseline["ua_percent"]) == pytest.approx((87.5 + 75) / 2)
    assert float(baseline["pooled_ua_percent"]) == pytest.approx(100 * 3.25 / 4)
    # Conflicts: audio and text of the fixture differ on the second and the sixth of eight.
    assert float(baseline["conflict_percent"]) == pytest.approx(25)
    assert text["conflict_percent"] == text["wa_audio_percent"] == text["wa_deviation"] == ""
    assert {row["comparable"] for row in ours.values()} == {"no"}


def test_the_confusion_csv_adds_up(report):
    rows = rows_of(report, "confusion.csv")
    assert len(rows) == 3 * 16
    assert sum(int(row["count"]) for row in rows) == 16 + 16 + 8
    anger = next(row for row in rows if (row["true"], row["predicted"], row["alpha"]) == ("anger", "neutral", "0.0"))
    assert (anger["count"], float(anger["percent_of_true"])) == ("3", 75)
    assert report.summary.splitlines()[0] == "iemocap"


def test_names_of_users_are_escaped_everywhere(make_run, tmp_path):
    emotions = (HOSTILE, "$x^", "悲しみ", "anger")
    facts = {"emotions": emotions, "dataset": HOSTILE, "settings": {"note": HOSTILE}}
    runs = [make_run(HOSTILE, **facts), make_run("b", alpha=0.1, **facts)]
    report = write_report(runs, tmp_path / "out")
    page = page_of(report)
    assert "b" not in page.tags and HOSTILE in page.words and "悲しみ" in page.words
    rows = rows_of(report, "confusion.csv")
    assert rows[0]["true"] == HOSTILE
    markdown = (tmp_path / "out" / "table1.md").read_text(encoding="utf-8")
    assert "<b>" not in markdown
    table = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in table} == {10, 9, 8}  # Table 1, F1, classes


def test_equal_runs_give_equal_bytes_in_any_order(report, pair, tmp_path):
    again = write_report(reversed(pair), tmp_path)
    assert [path.name for path in report.paths] == [path.name for path in again.paths]
    assert [path.read_bytes() for path in report.paths] == [path.read_bytes() for path in again.paths]


def test_absolute_paths_stay_out_of_the_report(make_run, tmp_path):
    report = write_report([make_run(settings={"data": str(tmp_path), "run": str(tmp_path)})], tmp_path / "out")
    for path in (report.page, *report.tables):
        assert str(tmp_path) not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"dataset": "synthetic"}, "This corpus is synthetic"),
        ({"dataset": "mine", "corpus": "synthetic"}, "This corpus is synthetic"),
        ({"unreadable": 3}, "3 recordings cannot be read and are not in this dataset"),
        ({"transductive": True}, "want pretrained vectors"),
        ({"recordings_shared": 2}, "In 1 of 1 run, up to 2 recordings of a fold stood in two of its parts under"),
        ({"untaught": ["anger"]}, "In 1 of 1 run, an emotion has no training utterance: anger."),
    ],
)
def test_what_limits_the_figures_is_said(make_run, tmp_path, facts, sentence):
    report = write_report([make_run(**facts)], tmp_path / "out")
    markdown = next(path for path in report.tables if path.suffix == ".md").read_text(encoding="utf-8")
    assert sentence in page_of(report).words
    assert sentence in markdown
    assert sentence in " ".join(report.summary.split())


@pytest.mark.parametrize(
    ("facts", "are_taken"),
    [
        ({"system": "audio", "text": None}, False),
        ({"system": "ds-lstm", "text": None}, False),
        ({"text_features": "words"}, False),
        ({"system": "early-fusion", "audio": None, "text": None}, True),
        ({"system": "text", "audio": None}, True),
    ],
)
def test_of_word_vectors_is_spoken_where_a_run_takes_them(make_run, facts, are_taken):
    [section] = divide(group_by_condition([make_run(transductive=True, embedding_dim=50, **facts)]))
    assert (section.transductive, section.embedding_dims) == ((True, [50]) if are_taken else (False, [300]))
    said = " ".join(section.warnings)
    assert ("ransductive" in said, "have 50 numbers" in said) == (are_taken, are_taken)


def test_both_sides_of_a_comparison_say_how_they_were_trained(make_run, tmp_path):
    balanced = {"class_weights": "balanced", "settings": {"class_weights": "balanced"}}
    write_report([make_run("before", **balanced), make_run("after", alpha=0.1, **balanced)], tmp_path / "out")
    rows = csv.DictReader(io.StringIO((tmp_path / "out" / "comparison.csv").read_text(encoding="utf-8")))
    assert {(row["system_before"], row["system"]) for row in rows} == {("fusion, with balanced class weights",) * 2}


def test_nothing_is_said_of_limits_that_are_not_there(make_run, tmp_path):
    words = page_of(write_report([make_run()], tmp_path / "out")).words
    assert "synthetic" not in words and "ransductive" not in words


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"protocol": "speaker", "num_folds": 8}, "1 of 8 folds × 1 seed"),
        ({"protocol": "authors", "num_folds": 5}, "1 of 5 folds × 1 seed"),
        ({"protocol": "random"}, "1 of 10 folds × 1 seed"),
        ({"protocol": "speaker"}, "1 fold × 1 seed"),
    ],
)
def test_folds_are_counted_against_all_that_the_protocol_has(make_run, tmp_path, facts, words):
    report = write_report([make_run(**facts)], tmp_path / "out")
    assert words in report.summary and words in page_of(report).words


def test_protocol_session_promises_new_speakers_only_where_they_keep_to_their_session(make_run, tmp_path):
    words = page_of(write_report([make_run(protocol="session")], tmp_path / "out")).words
    assert "training has heard its speakers only if they speak in other sessions too" in words


def test_one_fold_is_shown_without_a_deviation(make_run, tmp_path):
    report = write_report([make_run()], tmp_path / "out")
    assert "±" not in report.summary
    assert "87.50" in report.summary


def test_absent_classes_are_named(make_run, tmp_path):
    three = [0, 0, 1, 1, 2]
    report = write_report([make_run(label=three, predicted=three, audio=three, text=three)], tmp_path / "out")
    assert "no test utterance is anger" in page_of(report).words


def test_datasets_have_sections_of_their_own(make_run, tmp_path):
    runs = [
        make_run("a"),
        make_run("b", dataset_sha256="cd" * 32, preset="authors"),
        make_run("c", dataset_sha256="ef" * 32, dataset="emodb"),
    ]
    report = write_report(runs, tmp_path / "out")
    headings = [line for line in report.summary.splitlines() if line.startswith(("iemocap", "emodb"))]
    assert headings == ["emodb, preset paper", "iemocap, preset authors", "iemocap, preset paper"]


def test_the_published_split_is_called_comparable(make_run, tmp_path):
    label = np.repeat(range(4), [365, 311, 213, 218])
    facts = {"label": label, "predicted": label, "audio": label, "text": label, "protocol": "authors"}
    report = write_report([make_run(preset="authors", **facts)], tmp_path / "out")
    assert [row["comparable"] for row in table_1(report) if row["source"] == "measured"] == ["yes"]
    words = page_of(report).words
    assert "yes: same test utterances, the authors' settings" in words
    assert "measured on the same test utterances" in words
    assert "68.77 251/365 100.00 365/365" in words  # Fig. 2 beside ours


def test_a_run_without_a_history_has_no_curves(make_run, tmp_path):
    run = make_run()
    (run.folder / "history.csv").unlink()
    report = write_report([run], tmp_path / "out")
    assert not [path for path in report.figures if path.name.startswith("curves")]


def test_figures_open_and_are_not_blank(report):
    for path in report.figures:
        if path.suffix == ".png":
            low, high = Image.open(path).convert("L").getextrema()
            assert low < 100 and high == 255
        else:
            assert "<dc:date>" not in path.read_text(encoding="utf-8")


def test_the_report_loads_no_tensorflow():
    code = "import sys, tfcr.report; sys.exit(bool({'tensorflow', 'keras', 'matplotlib.pyplot'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=pathlib.Path(__file__).parents[2]).returncode == 0


def test_a_field_that_is_younger_than_a_run_counts_as_its_default(make_run, tmp_path):
    runs = [
        make_run("older", fold=0),
        make_run("younger", fold=1, settings={**Config().to_dict(), "fold": 1, "alpha": 0.0}),
    ]
    assert {"max_frames", "text_dropout"} <= set(runs[1].config) - set(runs[0].config)
    report = write_report(runs, tmp_path / "report")
    assert "differ" not in report.summary
    assert "not set" not in " ".join(Page(report.page.read_text()).text)


def test_a_mean_over_different_settings_says_so_in_every_form(make_run, tmp_path):
    runs = [
        make_run("one", fold=0, settings={"lstm_units": 200}),
        make_run("two", fold=1, settings={"lstm_units": 16}),
    ]
    report = write_report(runs, tmp_path / "report")
    remark = "its runs differ in lstm_units; their mean mixes settings"
    assert remark in " ".join(report.summary.split())
    assert remark in (tmp_path / "report" / "table1.md").read_text()
    assert remark in table_1(report)[-1]["warning"]
    assert remark.replace("_", "\\_") in (tmp_path / "report" / "table1.tex").read_text()
    assert remark in " ".join(Page(report.page.read_text()).text)


def test_what_else_two_compared_runs_differ_in_is_said_on_the_console_too(make_run, tmp_path):
    before = make_run("before", alpha=0.0, settings={"lstm_units": 100})
    after = make_run("after", alpha=0.1, settings={"lstm_units": 200})
    report = write_report([before, after], tmp_path / "report")
    assert "Besides alpha, the two differ in lstm_units." in " ".join(report.summary.split())
