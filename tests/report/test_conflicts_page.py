"""`docs/conflicts.md`: its commands are understood, and its code prints its table."""

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
HALF_A_DIGIT = 0.005
RATES = ["0", "0.2", "0.4"]
FIGURES = ["WA", "UA", "conflicts", "centred"]


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
        elif name == "sweep" and "conflict" in str(options["data"]):
            assert (options["folds"], options["seeds"], options["alphas"]) == ((0,), (0, 1, 2, 3, 4), (0, 0.1))
            trained += options["data"]
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
