"""Rows, turns, tables and merges: everything of a benchmark but the time."""

import dataclasses
import itertools
import math
import sys

import measuring
import numpy as np
import pytest
import pytorch_process
import run_all
from measuring import Row


def test_every_round_makes_each_call_once_in_changing_orders_and_only_counts_after_the_warm_up():
    made = []
    calls = {name: lambda name=name: made.append(name) for name in "abc"}
    found = measuring.interleaved(calls, repeats=20, warm_up=2)
    rounds = [made[begin : begin + 3] for begin in range(0, len(made), 3)]
    assert len(rounds) == 22
    assert all(sorted(each) == ["a", "b", "c"] for each in rounds)
    assert {tuple(each) for each in rounds} == set(itertools.permutations("abc"))  # none always follows the same other
    assert {name: len(seconds) for name, seconds in found.items()} == {"a": 20, "b": 20, "c": 20}


def test_a_ratio_is_the_median_over_rounds_of_how_many_times_as_fast():
    # rounds: 2 / 1, 6 / 2, 8 / 2 → 2, 3, 4: the median is 3, the quartiles 2.5 and 3.5
    seconds = {"slow": np.array([2.0, 6.0, 8.0]), "fast": np.array([1.0, 2.0, 2.0])}
    slow, fast = measuring.rows_of("S", seconds, {"fast": ("slow", "≥ 2.5")})
    assert (slow.value, slow.unit, slow.ratio, slow.spread) == (6000, "ms", None, 3000)
    assert (fast.value, fast.against, fast.ratio, fast.ratio_spread, fast.met) == (2000, "slow", 3, 1, True)


def test_a_ratio_that_reads_as_time_is_the_inverse():
    seconds = {"base": np.array([2.0, 6.0, 8.0]), "longer": np.array([4.0, 6.0, 32.0])}  # rounds: 2, 1, 4 times as long
    [_, longer] = measuring.rows_of("S", seconds, {"longer": ("base", "≤ 2")}, reads=measuring.TIME)
    assert (longer.ratio, longer.reads, longer.met) == (2, "the time", True)


def test_goals_are_met_at_least_or_at_most():
    row = Row("S", "a", 1.0, "s", "b", 3.0, "≥ 3", reads="as fast")
    assert row.met
    assert not dataclasses.replace(row, ratio=2.99).met
    assert dataclasses.replace(row, wanted="≤ 3", reads="the time").met
    assert not dataclasses.replace(row, wanted="≤ 2.9", reads="the time").met
    assert dataclasses.replace(row, wanted=None).met is None


@pytest.mark.parametrize(("wanted", "reads"), [("≤ 3", "as fast"), ("≥ 3", "the time")])
def test_a_goal_the_wrong_way_round_is_refused(wanted, reads):
    with pytest.raises(ValueError, match="at least some speed"):
        Row("S", "a", 1.0, "s", "b", 3.0, wanted, reads=reads)


@pytest.mark.parametrize("wanted", ["3", "> 3", "≥3", "≥ many"])
def test_a_goal_that_cannot_be_read_is_refused(wanted):
    with pytest.raises(ValueError):
        Row("S", "a", 1.0, "s", "b", 3.0, wanted, reads="as fast")


@pytest.mark.parametrize("missing", ["against", "ratio", "reads"])
def test_a_ratio_against_nothing_or_that_does_not_say_how_it_reads_is_refused(missing):
    whole = {"against": "b", "ratio": 2.0, "reads": "as fast"}
    with pytest.raises(ValueError, match="against"):
        Row("S", "a", 1.0, "s", **{**whole, missing: None})


def test_rows_come_back_from_csv_as_they_were(tmp_path):
    rows = [
        Row("Training step", "plain, float32", 70.125, "ms", spread=1.5),
        Row(
            "Training step", 'ours, "fast"', 1 / 3, "ms", "plain, float32", 2.5, "≥ 1.6", 0.1, 0.2, "as fast", "a note"
        ),
    ]
    measuring.write_rows(rows, tmp_path / "rows.csv")
    assert measuring.read_rows(tmp_path / "rows.csv") == rows


def test_of_three_runs_the_median_counts_and_the_spread_is_from_smallest_to_largest():
    runs = [
        [Row("S", "a", value, "ms", spread=99.0), Row("S", "b", 1.0, "ms", "a", ratio, "≥ 2", 99.0, 99.0, "as fast")]
        for value, ratio in ((3.0, 2.5), (1.0, 1.0), (2.0, 2.0))
    ]
    assert measuring.merged(runs) == [
        Row("S", "a", 2.0, "ms", spread=2.0),
        Row("S", "b", 1.0, "ms", "a", 2.0, "≥ 2", 0.0, 1.5, "as fast"),
    ]


def test_a_ratio_that_only_later_runs_have_is_the_median_of_those():
    without = Row("S", "b", 1.0, "s")
    runs = [without, *(Row("S", "b", 3.0, "s", "a", ratio, "≤ 2", reads="the time") for ratio in (1.0, 1.5))]
    assert measuring.merged([[row] for row in runs]) == [
        Row("S", "b", 3.0, "s", "a", 1.25, "≤ 2", 2.0, 0.5, "the time"),
    ]
    assert measuring.merged([[row] for row in reversed(runs)]) == measuring.merged([[row] for row in runs])
    assert measuring.merged([[without], [without]]) == [Row("S", "b", 1.0, "s", spread=0.0)]


def test_the_rivals_of_all_runs_are_named_once_each():
    best = [
        Row("S", "b", 1.0, "s", "the best", ratio, "≥ 2", 9.0, 9.0, "as fast", note)
        for ratio, note in ((2.0, "x"), (4.0, "y"), (3.0, "x"))
    ]
    [row] = measuring.merged([[row] for row in best])
    assert (row.against, row.note, row.ratio, row.ratio_spread) == ("the best", "x; y", 3.0, 2.0)
    named = [dataclasses.replace(row, against=row.note, note=None) for row in best]
    [row] = measuring.merged([[row] for row in named])
    assert (row.against, row.note) == ("x or y", None)


def test_what_one_run_alone_has_keeps_its_own_spread():
    three = [Row("S", "a", 2.0, "ms", "b", 3.0, "≥ 2", 0.5, 0.25, "as fast"), Row("S", "b", 6.0, "ms", spread=0.75)]
    once = [Row("T", "c", 5.0, "MB"), Row("T", "d", 6.0, "MB", "c", 1.2, None, None, None, "the memory")]
    assert measuring.merged([three, once]) == [*three, *once]


@pytest.mark.parametrize("other", [{"unit": "s"}, {"reads": "the time"}])
def test_runs_that_mean_different_things_are_not_merged(other):
    row = Row("S", "a", 2.0, "ms", "b", 3.0, reads="as fast")
    with pytest.raises(ValueError, match="over all runs"):
        measuring.merged([[row], [dataclasses.replace(row, **other)]])


def test_what_only_some_runs_have_is_the_median_of_those_and_sections_stay_together():
    first = [Row("S", "a", 1.0, "ms"), Row("T", "c", 5.0, "ms")]
    second = [Row("S", "a", 3.0, "ms"), Row("S", "b", 4.0, "ms"), Row("T", "c", 5.0, "ms")]
    found = measuring.merged([first, second])
    assert [(row.section, row.what, row.value) for row in found] == [("S", "a", 2.0), ("S", "b", 4.0), ("T", "c", 5.0)]


def test_the_table_has_a_line_for_every_row_under_its_sections_heading():
    rows = [
        Row("Start", "click", 0.05, "s", spread=0.001),
        Row("Start", "help", 0.12, "s", "click", 2.4, "≤ 3", 0.01, 0.1, "the time"),
        Row("Growth", "memory", 1234.5, "MB", "less", 1.5, "≤ 1.2", reads="the memory", note="a note"),
    ]
    assert measuring.markdown(rows).splitlines() == [
        "### Start",
        "",
        "| | median | ± | ratio | against | wanted |",
        "|---|---|---|---|---|---|",
        "| click | 0.0500 s | 0.00100 |  |  |  |",
        "| help | 0.120 s | 0.0100 | 2.40× ± 0.100 the time | click | ≤ 3×: yes |",
        "",
        "### Growth",
        "",
        "| | median | ± | ratio | against | wanted |",
        "|---|---|---|---|---|---|",
        "| memory | 1,234 MB |  | 1.50× the memory | less (a note) | ≤ 1.2×: **no** |",
    ]


def test_the_peak_of_a_process_is_its_own_and_not_that_of_its_starter():
    ballast = bytearray(300_000_000)
    seconds, peak = measuring.timed_process([sys.executable, "-S", "-c", "x = bytearray(100_000_000)"])
    assert 100e6 < peak < 150e6 < len(ballast)
    assert 0 < seconds < math.inf


def test_a_command_that_fails_is_an_error_with_what_it_said():
    with pytest.raises(RuntimeError, match="ended with 1: no such thing"):
        measuring.timed_process([sys.executable, "-c", "raise SystemExit('no such thing')"])


def test_a_page_gets_table_and_plot_between_its_marks_and_keeps_the_rest(tmp_path):
    page = tmp_path / "speed.md"
    page.write_text(f"# Speed\n\n{run_all.BEGIN}\nold\n{run_all.END}\n\nend\n")
    rows = [Row("S", "a", 2.0, "ms", spread=2.0), Row("S", "b", 1.0, "ms", "a", 2.0, "≥ 3", 0.5, 0.5, "as fast")]
    run_all.write_page(rows, "a machine\n", page)
    text = page.read_text()
    assert text.startswith(f"# Speed\n\n{run_all.BEGIN}\na machine\n")
    assert text.endswith(f"{run_all.END}\n\nend\n")
    assert measuring.markdown(rows) in text
    assert "old" not in text
    assert "</svg>" in (tmp_path / "speed.svg").read_text()


def test_a_benchmark_that_fails_is_left_out_named_and_ends_with_1(tmp_path, monkeypatch):
    from click.testing import CliRunner

    good = "import sys, pathlib; path = sys.argv[sys.argv.index('--rows') + 1]\n"
    good += "pathlib.Path(path).write_text('section,what,value,unit\\nStart,help,1.5,s\\n')\n"
    (tmp_path / "start.py").write_text(good)
    (tmp_path / "growth.py").write_text("raise SystemExit('broken')\n")
    monkeypatch.setattr(run_all, "HERE", tmp_path)
    ended = CliRunner().invoke(run_all.command, ["--out", str(tmp_path / "out")])
    assert ended.exit_code == 1
    assert "left out because they failed: growth" in ended.output
    assert measuring.read_rows(tmp_path / "out" / "speed.csv") == [Row("Start", "help", 1.5, "s")]


def test_earlier_runs_are_merged_without_running_anything(tmp_path):
    from click.testing import CliRunner

    for number, value in enumerate((1.0, 5.0, 2.0)):
        run_all.write([Row("S", "a", value, "ms")], "a machine\n", tmp_path / f"run-{number}")
    folders = [part for number in range(3) for part in ("--merge", str(tmp_path / f"run-{number}"))]
    ended = CliRunner().invoke(run_all.command, [*folders, "--out", str(tmp_path / "all")])
    assert ended.exit_code == 0, ended.output
    assert measuring.read_rows(tmp_path / "all" / "speed.csv") == [Row("S", "a", 2.0, "ms", spread=4.0)]
    assert (tmp_path / "all" / "about.md").read_text() == "a machine\n"


def test_the_page_on_speed_has_the_marks_and_says_what_every_benchmark_measures():
    page = (run_all.HERE.parent / "docs" / "speed.md").read_text(encoding="utf-8")
    assert page.index(run_all.BEGIN) < page.index(run_all.END)
    assert pytorch_process.INSTALL.split("install ")[1] in page
    described = {line.split(" | ")[0].strip("| ") for line in page.splitlines() if line.startswith("| ")}
    assert {name.replace("_", " ").capitalize() for name in run_all.BENCHMARKS} <= described


def test_three_runs_and_a_longer_one_of_growth_merge_into_one_page(tmp_path):
    from click.testing import CliRunner

    three = [Row("S", "a", 1.0, "ms", spread=4.0), Row("S", "b", 2.0, "ms", "a", 0.5, "≥ 1", 0.5, 0.25, "as fast")]
    full = [Row("Growth", "c", 1.0, "MB"), Row("Growth", "d", 1.1, "MB", "c", 1.1, "≤ 1.2", reads="the memory")]
    run_all.write(three, "3 runs\n", tmp_path / "results")
    measuring.write_rows(full, tmp_path / "growth-full" / "speed.csv")  # by growth.py --full --rows
    folders = [part for name in ("results", "growth-full") for part in ("--merge", str(tmp_path / name))]
    ended = CliRunner().invoke(run_all.command, [*folders, "--out", str(tmp_path / "all")])
    assert ended.exit_code == 0, ended.output
    assert measuring.read_rows(tmp_path / "all" / "speed.csv") == three + full
    assert (tmp_path / "all" / "about.md").read_text() == "3 runs\n"
