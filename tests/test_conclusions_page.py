"""`docs/conclusions.md`: every figure on the page is what the code computes, and its example runs."""

import dataclasses
import math
import pathlib
import re

import numpy as np
import pytest
import yaml
from scipy import stats

from tfcr import config, files, published, runs, statistics
from tfcr.runs import Predictions
from tfcr.statistics import Interval, clusters, compare, conclusion, mcnemar_from_margins, wilson_interval

PAGE = (pathlib.Path(__file__).parents[1] / "docs" / "conclusions.md").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())
SIZE = published.SPLIT_SIZES["test"]
WRONG = SIZE - published.BASELINE_CORRECT  # with the baseline


def table(heading: str) -> list[list[str]]:
    """The rows of the table whose header begins with `heading`."""
    lines = PAGE[PAGE.index(f"\n| {heading} |") + 1 :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def cells(right: int, speakers: int, seeds: int) -> dict:
    """Predictions of one utterance a speaker, one fold: all right (1) or all wrong (0)."""
    names = np.array([f"speaker {k}" for k in range(speakers)])
    nowhere, label = np.full(speakers, ""), np.zeros(speakers, np.int64)
    logits = np.tile(np.float32([right, 0.5]), (speakers, 1))
    predictions = Predictions(id=names, speaker=names, session=nowhere, script=nowhere, label=label, logits=logits)
    return {(0, seed): predictions for seed in range(seeds)}


def sentence(speakers=10, seeds=5, heard=False, **changes) -> str:
    comparison = compare(cells(0, speakers, seeds), cells(1, speakers, seeds))
    return conclusion(dataclasses.replace(comparison, **changes), speakers_were_heard=heard)


def test_p_by_changes():
    rows = table("changed")
    for changed, gained, lost, p in rows:
        assert int(gained) - int(lost) == published.GAIN
        assert int(gained) + int(lost) == int(changed)
        expected = mcnemar_from_margins(published.GAIN, int(changed))
        assert p == (f"{expected:.4f}" if expected >= 0.0001 else "< 0.0001")
    most = statistics.most_changes_for_significance(published.GAIN, SIZE)
    changes = [int(row[0]) for row in rows]
    assert most in changes
    assert most + 2 in changes
    assert f"{most} is the most at which the gain is significant at 5 %, {100 * most / SIZE:.1f} % of" in WORDS


def test_the_ends_of_the_table():
    """None lost, every error of the baseline corrected, and independent errors."""
    changes = [int(row[0]) for row in table("changed")]
    assert changes[0] == published.GAIN
    assert changes[-1] == 2 * WRONG - published.GAIN == 546
    before, after = published.BASELINE_CORRECT / SIZE, published.PROPOSED_CORRECT / SIZE
    independent = SIZE * (before * (1 - after) + after * (1 - before))
    assert independent == pytest.approx(412, abs=1)
    assert 412 in changes
    assert "With 546, every error of the baseline" in WORDS
    assert "412 are expected of two models whose errors are independent" in WORDS


def test_the_published_counts():
    baseline, proposed = published.BASELINE_CORRECT, published.PROPOSED_CORRECT
    assert f"{100 * baseline / SIZE:.2f} % WA for the baseline and {100 * proposed / SIZE:.2f} % with" in WORDS
    assert f"{baseline} and {proposed} of {SIZE:,} test utterances, a net gain of {published.GAIN}" in WORDS
    assert f"The published gain is {100 * published.GAIN / SIZE:.2f} points" in WORDS
    ranges = [" to ".join(f"{100 * end:.1f}" for end in wilson_interval(k, SIZE)) for k in (baseline, proposed)]
    assert f"{ranges[0]} % and {ranges[1]} % (Wilson, 95 %)" in WORDS
    low, high = wilson_interval(baseline, SIZE)
    assert 50 * (high - low) == pytest.approx(2.5, abs=0.1)
    assert f"not {sum(published.CORPUS_SIZES.values()):,} independent utterances" in WORDS


def test_smallest_p_by_speakers():
    for speakers, patterns, agree, disagree in table("speakers"):
        n = int(speakers)
        assert patterns == f"{2**n:,}"
        assert float(agree) == pytest.approx(statistics.sign_flip_test(np.ones(n)), abs=5.1e-5)
        # the one who disagrees differs least, so only the flip to all equal is as extreme or more
        one_against = np.append(np.ones(n - 1), -0.1)
        assert float(disagree) == pytest.approx(statistics.sign_flip_test(one_against), abs=5.1e-5)
    assert "All 1,024 ways" in WORDS
    assert f"Under {statistics.MIN_SPEAKERS} speakers a comparison is therefore descriptive" in WORDS


def test_half_width_by_seeds():
    rows = {int(seeds): half for seeds, half in table("seeds")}
    for seeds, half in rows.items():
        # deviation 1: ±1 scaled so that the sample deviation is 1
        assert half == f"{stats.t.ppf(0.975, seeds - 1) / math.sqrt(seeds):.2f}"
        standardised = stats.zscore(np.arange(seeds), ddof=1)
        low, high = statistics.t_interval(standardised)
        assert half == f"{(high - low) / 2:.2f}"
    gain = 100 * published.GAIN / SIZE
    enough = [seeds for seeds, half in rows.items() if float(half) < gain]
    assert min(enough) == statistics.MIN_SEEDS
    assert max(set(rows) - set(enough)) == statistics.MIN_SEEDS - 1


def test_the_rule_that_is_stated():
    assert f"at least {statistics.MIN_SPEAKERS} speakers and at least {statistics.MIN_SEEDS} seeds" in WORDS
    assert (statistics.LEVEL, statistics.CONFIDENCE) == (0.05, 0.95)
    assert f"Above {clusters._MOST_EXACT} speakers the signs are drawn 99,999 times" in WORDS
    assert statistics.sign_flip_test(np.ones(100)) == pytest.approx(1 / 100_000)
    assert f"Ten folds, 5 seeds and two systems are {10 * statistics.MIN_SEEDS * 2} trainings" in WORDS


def test_the_conclusions_quoted():
    shown = {"effect": 0.014, "interval": Interval(0.005, 0.023), "p": 8 / 1024}
    expected = [
        sentence(**shown, seed_interval=Interval(0.004, 0.024)),
        sentence(effect=0.008, interval=Interval(-0.003, 0.019), p=0.14),
        sentence(**shown, seed_interval=Interval(-0.004, 0.032)),
        sentence(seeds=3, **shown),
        sentence(seeds=3, effect=0.008, interval=Interval(-0.003, 0.019), p=0.14),
        sentence(speakers=5, effect=0.014),
        sentence(heard=True).removeprefix(sentence()).strip(),
    ]
    assert re.findall(r"^> (.+)$", PAGE, re.MULTILINE) == expected


def test_no_other_figure_is_on_the_page():
    """Every number outside the tables, the quotations and the code stands in a sentence that a test above computes,
    or names a setting, or is among the few that only the corpus or the authors' code can show."""
    prose = re.sub(r"(?s)```.*?```|^[|>].*?$", "", PAGE, flags=re.MULTILINE)
    prose = re.sub(r"(?m)^[|>].*$|^\d\. ", "", prose)
    found = set(re.findall(r"\d[\d,.]*\d|\d", prose))
    settings = {"5", "95", "8", "20", "99,999", "100", "1,024", "1", "0"}  # "Table 1", "fold 0", 20 speakers, …
    computed = {"5,531", "1,107", "826", "842", "16", "74.62", "76.06", "1.45", "58", "5.2", "546", "412"}
    computed |= {"2.5", "72.0", "77.1", "73.5", "78.5"}
    quoted = {"0.5", "2.3", "0.3", "1.9"}  # of the sentences above them
    of_the_corpus = {"56", "2"}
    assert found == settings | computed | quoted | of_the_corpus


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    for name, right in (("baseline", 0), ("contrastive", 1)):
        for (fold, seed), predictions in cells(right, speakers=10, seeds=5).items():
            folder = tmp_path / "runs" / name / f"f{fold}-s{seed}"
            files.write_text(folder / runs.CONFIG, yaml.safe_dump(config.Config().to_dict()))
            metrics = {"schema": 1, "emotions": ["a", "b"], "test": {}, "validation": {}, "fold": fold, "seed": seed}
            files.write_json(folder / runs.METRICS, metrics)
            runs.write_predictions(folder / runs.PREDICTIONS, predictions)
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"(?s)```python\n(.*?)```", PAGE)[1], {})
    expected = "the contrastive model is right 100.0 percentage points more often than the baseline"
    assert capsys.readouterr().out.startswith(f"Over 10 speakers and 5 seeds, {expected}")
