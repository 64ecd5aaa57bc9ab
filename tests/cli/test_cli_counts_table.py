"""The table of counts that `prepare-tfrecords` and `inspect` end with."""

import collections
import contextlib
import io
import textwrap
from dataclasses import replace

import pytest

from tfcr import schema
from tfcr.cli.tables import counts_table, metrics_table, print_table
from tfcr.corpora import iemocap

Row = collections.namedtuple("Row", "session speaker emotion")
EMOTIONS = ("calm", "fear")


def printed(rows, emotions=EMOTIONS) -> str:
    """The table as it goes down a pipe."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        print_table(counts_table(rows, emotions))
    return out.getvalue()


def dedented(table: str) -> str:
    return textwrap.dedent(table).lstrip("\n")


def test_iemocaps_table_is_the_releases(iemocap_tree):
    merged = [
        replace(one, emotion=schema.MERGE.get(one.emotion, one.emotion))
        for one in iemocap.read(iemocap_tree).utterances
    ]
    rows = [one for one in merged if one.emotion in schema.EMOTIONS]
    assert printed(rows, schema.EMOTIONS) == dedented("""
        | session | total | neutral | happiness | sadness | anger | F speaker | M speaker |
        |---------|-------|---------|-----------|---------|-------|-----------|-----------|
        | 1       |  1085 |     384 |       278 |     194 |   229 |       528 |       557 |
        | 2       |  1023 |     362 |       327 |     197 |   137 |       481 |       542 |
        | 3       |  1151 |     320 |       286 |     305 |   240 |       522 |       629 |
        | 4       |  1031 |     258 |       303 |     143 |   327 |       528 |       503 |
        | 5       |  1241 |     384 |       442 |     245 |   170 |       590 |       651 |
        | all     |  5531 |    1708 |      1636 |    1084 |  1103 |      2649 |      2882 |
    """)


def test_a_stroke_in_a_name_ends_no_cell():
    rows = [Row("", "s1", "a|b"), Row("", "s|2", "fear")]
    assert printed(rows, ("a|b", "fear")) == dedented(r"""
        | speaker | total | a\|b | fear |
        |---------|-------|------|------|
        | s1      |     1 |    1 |    0 |
        | s\|2    |     1 |    0 |    1 |
        | all     |     2 |    1 |    1 |
    """)


def test_a_narrow_terminal_cuts_no_figure_of_a_training(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    figures = {
        "wa": 0.5,
        "ua": 0.25,
        "wa_audio": 1.0,
        "wa_text": None,
        "conflict_rate": 0.125,
        "conflict_rate_centred": 0,
    }
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        print_table(metrics_table({"test": figures}), to_log=True)
    for part in ("WA of s_a", "conflicts, centred", "50.00", "25.00", "100.00", "12.50"):
        assert part in err.getvalue()


def test_without_sessions_every_speaker_has_a_row():
    rows = [Row("", "s10", "calm"), Row("", "s9", "fear"), Row("", "s9", "fear"), Row("", "[s11]", "calm")]
    assert printed(rows) == dedented("""
        | speaker | total | calm | fear |
        |---------|-------|------|------|
        | [s11]   |     1 |    1 |    0 |
        | s9      |     2 |    0 |    2 |
        | s10     |     1 |    1 |    0 |
        | all     |     4 |    2 |    2 |
    """)


def test_a_session_names_few_speakers_and_counts_many():
    rows = [Row("2", f"s{number}", "calm") for number in range(5)] + [Row("10", "x", "fear"), Row("10", "y", "fear")]
    assert printed([*rows, Row("", "x", "calm")]) == dedented("""
        | session | total | calm | fear | speakers |
        |---------|-------|------|------|----------|
        | 2       |     5 |    5 |    0 | 5        |
        | 10      |     2 |    0 |    2 | x 1, y 1 |
        | none    |     1 |    1 |    0 | x 1      |
        | all     |     8 |    6 |    2 | 7        |
    """)


def test_more_than_thirty_speakers_without_sessions_share_one_row():
    assert printed([Row("", f"s{number}", "calm") for number in range(31)]) == dedented("""
        | speaker | total | calm | fear | speakers |
        |---------|-------|------|------|----------|
        | all     |    31 |   31 |    0 | 31       |
    """)
    assert len(printed([Row("", f"s{number}", "calm") for number in range(30)]).splitlines()) == 2 + 30 + 1


def test_names_that_end_in_f_or_m_by_chance_are_no_letters_of_speakers():
    assert "speakers" in printed([Row("1", "sam", "calm"), Row("1", "PAM", "calm"), Row("1", "JEFF", "fear")])


@pytest.mark.parametrize("columns", ["20", "400"])
def test_many_emotions_are_cut_at_no_width(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    emotions = [f"an-emotion-of-number-{number}" for number in range(11)]
    lines = printed([Row("1", "s1F", emotion) for emotion in emotions], emotions).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert all(emotion in lines[0] for emotion in emotions)
    assert "…" not in "".join(lines)


def test_preparing_and_inspecting_end_with_the_table(workspace, tfcr, small_dataset):
    table = printed(small_dataset.index, small_dataset.emotions)  # of the same 120 utterances
    assert workspace.prepared.out.endswith(table)
    inspected = tfcr("inspect", workspace.folder / "data" / "synthetic")
    assert table in inspected.out
    assert "\x1b" not in table
