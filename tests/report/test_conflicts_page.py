"""`docs/conflicts.md`: its commands are understood, its code prints its table, and its tables agree with themselves."""

import itertools
import pathlib
import re
import shlex

import numpy as np
import pytest
from fabricated_sweeps import fabricated_sweep
from scipy import stats

from tfcr import cli
from tfcr.runs import find_runs

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "conflicts.md").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())
HALF_A_DIGIT = 0.005
RATES = ["0", "0.2", "0.4"]
FIGURES = ["WA", "UA", "conflicts", "centred"]


def table(heading: str) -> list[list[str]]:
    """The rows of the table whose header begins with `heading`."""
    lines = PAGE[PAGE.index(f"\n| {heading} |") + 1 :].split("\n\n")[0].splitlines()
    return [cells(line) for line in lines[2:]]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def numbers(cell: str) -> list[float]:
    return [float(number) for number in re.findall(r"[-+]?\d+(?:\.\d+)?", cell.replace("−", "-"))]


def test_its_commands_are_understood_and_belong_together():
    block = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    prepared, trained = [], []
    for line in block.splitlines():
        program, name, *arguments = shlex.split(line)
        assert program == "tfcr"
        options = cli.cli.get_command(None, name).make_context(name, list(arguments)).params
        if name == "prepare-tfrecords" and arguments:
            prepared.append((f"{options['conflict_rate']:g}", options["name"]))
        elif "data" in options and "conflict" in options["data"].name:
            assert (options["folds"], options["seeds"], options["alphas"]) == ((0,), (0, 1, 2, 3, 4), (0, 0.1))
            trained.append(options["data"])
        elif name == "sweep":
            assert (options["folds"], options["alphas"]) == ((0, 1, 2), tuple(step / 10 for step in range(11)))
    assert prepared == [(rate, f"conflict-{rate}") for rate in RATES]
    assert trained == [pathlib.Path("data", f"conflict-{rate}") for rate in RATES]


@pytest.fixture
def printed(tmp_path, monkeypatch, capsys) -> list[str]:
    """What the page's code prints of sweeps that are made up."""
    for number, rate in enumerate(RATES):
        folder = tmp_path / "sweeps" / f"conflict-{rate}"
        size = {"utterances": 50 + number, "dimensions": (4, 3), "epochs": 6}
        fabricated_sweep(folder, systems=["fusion"], alphas=[0, 0.1], folds=1, seeds=5, **size)
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"(?s)```python\n(.*?)```", PAGE)[1], {})
    return capsys.readouterr().out.splitlines()


def test_its_code_prints_the_table_and_its_intervals_are_scipys(printed):
    rows = [cells(line) for line in printed if line.startswith("|")]
    assert [row[:2] for row in rows] == [[rate, name] for rate in RATES for name in FIGURES]
    assert [line[:7] for line in printed if line.startswith(">")] == ["> Over "] * 3
    found = find_runs(["sweeps/conflict-0.2"])
    wa = {(run.metrics["alpha"], run.metrics["seed"]): 100 * run.metrics["test"]["wa"] for run in found}
    before, after = (np.array([wa[alpha, seed] for seed in range(5)]) for alpha in (0, 0.1))
    _, _, first, second, change, interval, p = rows[4]
    for cell, values in ((first, before), (second, after)):
        assert numbers(cell) == pytest.approx([values.mean(), values.std(ddof=1)], abs=HALF_A_DIGIT + 1e-9)
    assert numbers(change) == pytest.approx([(after - before).mean()], abs=HALF_A_DIGIT + 1e-9)
    expected = stats.ttest_rel(after, before).confidence_interval()
    assert numbers(interval) == pytest.approx(list(expected), abs=HALF_A_DIGIT + 1e-9)
    sums = np.array(list(itertools.product((1, -1), repeat=5))) @ (after - before)
    assert float(p) == pytest.approx((np.abs(sums) > abs((after - before).sum()) - 1e-9).mean(), abs=5e-5)


def test_its_table_agrees_with_itself():
    rows = table("built in")
    assert [row[:2] for row in rows] == [[rate, name] for rate in RATES for name in FIGURES]
    for _, _, before, after, change, interval, p in rows:
        (first, _), (second, _), (difference,), (low, high) = map(numbers, (before, after, change, interval))
        assert difference == pytest.approx(second - first, abs=3 * HALF_A_DIGIT + 1e-9)
        assert difference == pytest.approx((low + high) / 2, abs=2 * HALF_A_DIGIT + 1e-9)
        flips = float(p) * 2**5
        assert flips == pytest.approx(2 * round(flips / 2), abs=2**5 * 5e-5)  # a flip and its mirror image
        assert 2 <= flips <= 32


def test_what_it_says_of_its_table_follows_from_it():
    rows = {(rate, name): [numbers(cell) for cell in row] for rate, name, *row in table("built in")}
    for name, text in (("WA", "WA falls from {} to {} %"), ("conflicts", "its conflicts rise from {} to {} %")):
        baseline = [rows[rate, name][0][0] for rate in RATES]
        assert baseline == sorted(baseline, reverse=name == "WA")
        assert text.format(f"{baseline[0]:.2f}", f"{baseline[-1]:.2f}") in WORDS
    assert len(rows) == 12 and all(low < 0 < high for *_, (low, high), _ in rows.values())
    halves = [(high - low) / 2 for *_, (low, high), _ in rows.values()]
    least, most = re.search(r"intervals reach ([\d.]+) to ([\d.]+) points", WORDS).groups()
    assert (min(halves), max(halves)) == pytest.approx((float(least), float(most)), abs=2 * HALF_A_DIGIT)
    assert min(halves) > float(re.search(r"published size, ([\d.]+) points", WORDS)[1])
    of_conflicts = [row for (_, name), row in rows.items() if name in ("conflicts", "centred")]
    assert max(row[2][0] for row in of_conflicts) <= 0
    assert f"largest mean change is {-min(row[2][0] for row in of_conflicts):.2f} points downwards" in WORDS
    deviations = [side[1] for row in of_conflicts for side in row[:2]]
    assert f"conflicts differ by up to {max(deviations):.2f} points" in WORDS
    assert WORDS.count("no difference is shown, which does not show") == len(RATES)


def test_its_grid_agrees_with_itself():
    rows = {row[0]: row[1:] for row in table("alpha")}
    assert list(rows) == [*(f"{step / 10:g}" for step in range(11)), "chosen per fold"]
    ((baseline, _),) = [numbers(rows["0"][0])]
    assert rows["0"][4:7] == ["–"] * 3
    for alpha, (wa, *_, change, interval, p, _) in rows.items():
        if alpha != "0":
            ((mean, _), (difference,), (low, high)) = map(numbers, (wa, change, interval))
            assert difference == pytest.approx((low + high) / 2, abs=2 * HALF_A_DIGIT + 1e-9)
            assert difference == pytest.approx(mean - baseline, abs=0.5)  # speakers, not utterances, weigh the same
            assert float(p) * 2**10 == pytest.approx(2 * round(float(p) * 2**9), abs=2**10 * 5e-4)
    assert sum(int(row[-1]) for row in rows.values() if row[-1] != "–") == 3
    chosen = {alpha: int(row[-1]) for alpha, row in rows.items() if row[-1] not in ("0", "–")}
    assert chosen == {"0": 2, "0.7": 1}
    best = max((alpha for alpha in rows if alpha != "chosen per fold"), key=lambda alpha: numbers(rows[alpha][0])[0])
    assert f"The best row of the test part is α = {best}." in WORDS
    assert numbers(rows["chosen per fold"][0])[0] < baseline
    assert all(low < 0 < high for low, high in (numbers(rows[f"{step / 10:g}"][5]) for step in range(1, 10)))
    assert all(numbers(rows["1"][column])[0] > 75 for column in (2, 3))
