"""What noise does, of runs made up by hand: areas, what is compared with what, and what is said of it."""

import csv
import re

import numpy as np
import pytest
from fabricated_runs import UNDER_NOISE

from tfcr.noise.grades import CLEAN, KINDS, grades
from tfcr.noise.results import Identity, NoiseResults, read_noise, write_noise
from tfcr.report import write_report
from tfcr.report.figures.noise_figure import _styles
from tfcr.report.findings.conditions import group_by_condition
from tfcr.report.findings.noise import CENTRED, CONFLICTS, UA, WA, change_of_loss, weights_of
from tfcr.report.findings.noise_conclusion import noise_comparisons, noise_conclusion
from tfcr.report.findings.sections import divide
from tfcr.report.tables.noise_tables import noise_csv


def findings(*runs):
    [section] = divide(group_by_condition([run for some in runs for run in some]))
    return section.noise


def test_results_come_back_as_they_were_written(make_tested):
    [run] = make_tested(2)
    found = read_noise(run.folder)
    assert found.identity == Identity(run.metrics["weights_sha256"], 0, "spectrograms")
    assert set(found.by_grade) == {CLEAN, *(grade.name for grade in grades(["white", "deleted", "telephone"]))}
    assert list(found.clean.id) == list(run.predictions.id)
    np.testing.assert_array_equal(found.clean.logits, run.predictions.logits)


def test_a_broken_file_of_results_is_one_line(make_tested):
    from tfcr.errors import TfcrError

    [run] = make_tested(2)
    path = run.folder / "noise.h5"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        TfcrError, match=r"noise\.h5 is broken .* remove it, and `tfcr evaluate --noise` writes it anew"
    ):
        read_noise(run.folder)


def test_an_area_is_the_mean_over_the_levels_by_trapezoids():
    """Of signal to noise ratios the ends weigh half; of shares the clean end takes part."""
    weights = weights_of([KINDS["white"]])
    assert weights == {
        f"white-{level}": pytest.approx(w)
        for level, w in zip((20, 15, 10, 5, 0), (1, 2, 2, 2, 1), strict=True)
        for w in [w / 8]
    }
    shares = weights_of([KINDS["deleted"]])  # 0, 0.05, 0.1, 0.2, 0.4
    assert [shares[name] for name in (CLEAN, "deleted-0.05", "deleted-0.1", "deleted-0.2", "deleted-0.4")] == (
        pytest.approx([0.0625, 0.125, 0.1875, 0.375, 0.25])
    )
    assert weights_of([KINDS["telephone"]]) == {"telephone": 1.0}
    assert sum(weights_of([KINDS["white"], KINDS["deleted"]]).values()) == pytest.approx(1)


def test_measures_at_a_grade_are_those_of_the_utterances(make_tested):
    [found] = findings(make_tested(3))
    [system] = found.systems
    assert [system.at(measure, CLEAN).value for measure in (WA, UA, CONFLICTS, CENTRED)] == [1, 1, 0, 0]
    assert [system.at(measure, "white-0").value for measure in (WA, UA, CONFLICTS, CENTRED)] == [0.75, 0.75, 0.25, 0.25]
    assert system.at(WA, "white-0").interval == (0.75, 0.75)  # every speaker is alike
    assert system.area(WA, [KINDS["white"]]).value == pytest.approx(0.75)
    assert system.area(WA, [KINDS["deleted"]]).value == pytest.approx(0.0625 + 0.9375 * 0.75)
    assert found.pairs == [] and noise_conclusion(found) == ""


def test_the_method_is_compared_with_the_baseline_and_noise_in_training_with_both(make_tested):
    seeds = range(5)
    runs = [make_tested(2, seeds=seeds), make_tested(3, seeds=seeds, alpha=0.1)]
    runs += [make_tested(4, seeds=seeds, noise=UNDER_NOISE), make_tested(1, seeds=seeds, alpha=0.1, noise=UNDER_NOISE)]
    [found] = findings(*runs)
    assert [system.condition.name for system in found.systems] == [
        "Model-level fusion (baseline)",
        "Contrastive regularization, α = 0.1",
        "Model-level fusion (baseline), trained under noise",
        "Contrastive regularization, α = 0.1, trained under noise",
    ]
    by_kind = {row.key: found.change(found.systems[1], row) for row in found.rows}
    assert list(by_kind) == [CLEAN, "all kinds", "white", "telephone", "deleted"]
    assert by_kind[CLEAN].effect == 0
    assert by_kind["white"].effect == pytest.approx(0.25) and by_kind["telephone"].effect == pytest.approx(0.25)
    assert by_kind["all kinds"].effect == pytest.approx((0.25 + 0.25 * 0.9375) / 2)
    assert by_kind["white"].p == pytest.approx(2 / 1024) and by_kind["white"].is_agreed_on
    over = "Over 10 speakers and 5 seeds,"
    shown = "sign-flip p = 0.008, corrected for 4 comparisons): a difference is shown."
    shown += " Without noise both are right as often;"
    own = (
        f"{over} contrastive regularization with α = 0.1 is right 24.2 percentage points more often than the baseline "
        f"(95 % t interval 24.2 to 24.2, {shown} noise takes 24.2 points less from it than from the baseline "
        "(95 % t interval −24.2 to −24.2)."
    )
    assert noise_comparisons(found) == [
        own,
        f"{over} the baseline trained under noise is right 48.4 percentage points more often than the baseline "
        f"(95 % t interval 48.4 to 48.4, {shown} noise takes 48.4 points less from it than from the baseline "
        "(95 % t interval −48.4 to −48.4).",
        f"{over} contrastive regularization with α = 0.1 trained under noise is right 24.2 percentage points less "
        f"often than the baseline (95 % t interval −24.2 to −24.2, {shown} noise takes 24.2 points more from it than "
        "from the baseline (95 % t interval 24.2 to 24.2).",
        f"{over} contrastive regularization with α = 0.1 trained under noise is right 72.7 percentage points less "
        f"often than the baseline trained under noise (95 % t interval −72.7 to −72.7, {shown} noise takes 72.7 points "
        "more from it than from the baseline trained under noise (95 % t interval 72.7 to 72.7).",
    ]
    assert noise_conclusion(found) == (
        f"WA averaged over 2 kinds of degradation at all their grades: {own} "
        "Training heard these speakers, so nothing follows for new ones."
    )


def test_what_is_better_without_noise_too_is_not_called_robust(make_tested):
    """Three of four right without noise and two under it, beside two and one: noise takes as much from both."""
    runs = [make_tested(1, clean=2, seeds=range(5)), make_tested(2, clean=3, seeds=range(5), alpha=0.1)]
    [found] = findings(*runs)
    loss = change_of_loss(*found.systems, found.graded)
    assert loss.effect == pytest.approx(0, abs=1e-12) and found.change(found.systems[1], found.rows[0]).effect == 0.25
    assert (
        "is right 25.0 percentage points more often than the baseline (95 % t interval 25.0 to 25.0, sign-flip p = "
        "0.002): a difference is shown. Without noise it is right 25.0 points more often; noise takes as much from "
        "both (95 % t interval 0.0 to 0.0)."
    ) in noise_conclusion(found)


def test_what_training_heard_is_told_from_what_it_did_not(make_tested):
    """Kinds that a training heard have no part in the row, nor in the sentence, of those that none heard."""
    kinds = "white", "babble", "replaced"
    runs = [make_tested(2, seeds=range(5), kinds=kinds), make_tested(3, seeds=range(5), kinds=kinds, noise=UNDER_NOISE)]
    [found] = findings(*runs)
    assert [kind.name for kind in found.heard_in_training] == ["white"]
    assert [(row.key, row.name) for row in found.rows[:3]] == [
        *((CLEAN, "none (clean)"), ("all kinds", "all 3 with grades")),
        ("unheard kinds", "of these the 2 that no training heard"),
    ]
    effect = found.change(found.systems[1], found.rows[2]).effect
    assert effect == pytest.approx((0.25 + 0.25 * 0.9375) / 2)  # of babble and of replaced words
    assert noise_conclusion(found).count("Under the 2 kinds that no training heard it is right 24.2 points more") == 1
    [found] = findings(*(make_tested(right, kinds=kinds, alpha=alpha) for right, alpha in ((2, 0), (3, 0.1))))
    assert found.unheard == [] and "training heard it" not in noise_conclusion(found)


def test_conflicts_are_not_counted_where_one_modality_is_missing(make_tested, tmp_path):
    runs = [make_tested(2, kinds=["white", "silence", "no-words"])]
    [found] = findings(*runs)
    assert [row.key for row in found.rows if row.has_conflicts] == [CLEAN, "white"]
    write_report(runs[0], tmp_path / "report")
    with open(tmp_path / "report" / "noise.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kinds = {measure: {row["kind"] for row in rows if row["measure"] == measure} for measure in (UA, CONFLICTS)}
    assert kinds == {UA: {CLEAN, "white", "silence", "no-words"}, CONFLICTS: {CLEAN, "white"}}


def test_conflicts_are_compared_too(make_tested):
    [found] = findings(make_tested(2), make_tested(3, alpha=0.1))
    white = next(row for row in found.rows if row.key == "white")
    assert found.change(found.systems[1], white, CONFLICTS).effect == pytest.approx(-0.25)  # wrong and in conflict
    assert found.change(found.systems[1], found.rows[0], CONFLICTS).effect == 0


def test_p_values_are_corrected_for_their_number():
    from tfcr.statistics import holm

    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([0.03]) == [0.03] and holm([]) == []


def test_the_table_for_programs_has_the_p_that_decides_beside_that_of_the_row(make_tested):
    runs = []
    for noise in (None, UNDER_NOISE):
        runs += [*make_tested(2, noise=noise), *make_tested(3, alpha=0.1, noise=noise)]
    rows = list(csv.DictReader(noise_csv(divide(group_by_condition(runs))).splitlines()))
    of_all = [row for row in rows if (row["measure"], row["kind"]) == ("WA", "all kinds") and row["p"]]
    assert len(of_all) == 3 and {row["comparisons"] for row in of_all} == {"4"}  # the fourth has another baseline
    for row in of_all:
        assert float(row["p_corrected"]) == pytest.approx(min(1, 4 * float(row["p"])), abs=1e-5) or float(row["p"]) == 1
    assert {row["p_corrected"] for row in rows if row not in of_all} == {""}


def test_each_noise_of_training_has_its_name_its_baseline_and_its_curve(make_tested):
    names = "Model-level fusion (baseline)", "Contrastive regularization, α = 0.1"
    under = {
        "": None,
        ", trained under noise": UNDER_NOISE,
        ", trained under noise (white; 5 to 10 dB)": {**UNDER_NOISE, "kinds": ["white"], "snr": [5.0, 10.0]},
        ", trained under noise (words 0.4)": {**UNDER_NOISE, "words": 0.4},
    }
    runs = [make_tested(2, alpha=alpha, noise=noise) for noise in under.values() for alpha in (0, 0.1)]
    [found] = findings(*runs)
    first, *others = [system.condition.name for system in found.systems]
    assert first == names[0] and sorted([first, *others]) == sorted(name + how for name in names for how in under)
    pairs = {(before.condition.name, after.condition.name) for before, after in found.pairs}
    assert pairs == {(first, other) for other in others} | {(names[0] + how, names[1] + how) for how in under}
    assert len(set(_styles(found.systems))) == 8


def test_only_a_baseline_without_noise_is_called_the_baseline_of_a_table(make_tested):
    for alpha, noise, differs in ((0, None, True), (0.1, None, False), (0, UNDER_NOISE, False)):
        runs = [*make_tested(2, alpha=alpha, noise=noise), *make_tested(3, alpha=0.1, noise=UNDER_NOISE)]
        sections = divide(group_by_condition(runs))
        rows = list(csv.DictReader(noise_csv(sections).splitlines()))
        assert len({row["alpha"] for row in rows}) == 2 or alpha == 0.1
        assert any(row["minus_baseline"] for row in rows) == differs


def test_few_seeds_speak_of_trained_models(make_tested):
    [found] = findings(make_tested(2), make_tested(3, alpha=0.1))
    said = noise_conclusion(found)
    assert "this holds for these trained models, and training them again could change it." in said
    assert said.count("A conclusion about the systems needs at least 5 seeds.") == 1


@pytest.mark.parametrize("noise", [None, UNDER_NOISE])
def test_few_speakers_are_described_without_a_test(make_tested, noise):
    [found] = findings(make_tested(2, heard=3), make_tested(3, alpha=0.1, heard=3, noise=noise))
    assert (
        "is right 24.2 percentage points more often than the baseline. Without noise both are right as often; noise "
        "takes 24.2 points less from it than from the baseline."
    ) in noise_conclusion(found).replace(" trained under noise", "")


def test_only_the_same_noise_on_the_same_folds_is_compared(make_tested):
    [found] = findings(make_tested(2, seeds=[0, 1, 2]), make_tested(3, alpha=0.1, seeds=[0, 1]))
    assert [system.cells for system in found.systems] == [[(0, 0), (0, 1)]] * 2 and found.left_out == 1
    [found] = findings(make_tested(2, seeds=[0, 1], fold=1), make_tested(3, alpha=0.1, fold=1, place="recordings"))
    assert len(found.systems) == 1 and found.place == "spectrograms" and found.left_out == 1


def test_results_of_other_weights_are_not_looked_at(make_tested):
    [run] = make_tested(2)
    write_noise(run.folder, NoiseResults(Identity("other", 0, "spectrograms"), read_noise(run.folder).by_grade))
    assert findings([run]) == []


def test_kinds_that_one_condition_lacks_are_left_out(make_tested):
    [found] = findings(make_tested(2), make_tested(3, alpha=0.1, kinds=["white", "no-words"]))
    assert [kind.name for kind in found.kinds] == ["white"]
    assert [kind.name for kind in found.not_by_all] == ["telephone", "deleted", "no-words"]


def test_a_run_whose_test_was_cut_off_before_any_noise_takes_none_from_the_others(make_tested):
    cut_off = make_tested(3, alpha=0.1, seeds=[1], kinds=[])
    [found] = findings(make_tested(2, seeds=[0, 1]), [*make_tested(3, alpha=0.1), *cut_off])
    assert [kind.name for kind in found.kinds] == ["white", "telephone", "deleted"]
    assert [system.cells for system in found.systems] == [[(0, 0)]] * 2 and found.left_out == 2


def test_settings_that_differ_besides_are_named(make_tested):
    seeds = range(2)
    [found] = findings(make_tested(2, seeds=seeds), make_tested(3, seeds=seeds, noise=UNDER_NOISE))
    assert found.confounds == []
    [found] = findings(make_tested(2), make_tested(3, noise=UNDER_NOISE, settings={"batch_size": 16}))
    assert found.confounds == ["batch_size"]


def test_page_tables_and_figures_have_it(make_tested, tmp_path):
    runs = [*make_tested(2), *make_tested(3, alpha=0.1)]
    report = write_report(runs, tmp_path / "report")
    page = report.page.read_text(encoding="utf-8")
    assert '<h3 id="d1-noise">What noise does</h3>' in page and 'href="#d1-noise"' in page
    assert "WA averaged over 2 kinds of degradation at all their grades: Over 10 speakers" in page.replace("\xa0", " ")
    names = {path.stem for path in report.figures if path.stem.startswith("noise-")}
    assert {name.removeprefix("noise-").split("-iemocap")[0] for name in names} == {
        *("wa", "ua", "conflicts", "conflicts-centred")
    }
    with open(tmp_path / "report" / "noise.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    area = [row for row in rows if (row["measure"], row["kind"], row["level"]) == ("WA", "all kinds", "area")]
    assert [row["alpha"] for row in area] == ["0.0", "0.1"]
    assert [(row["p_corrected"], row["comparisons"]) for row in area] == [("", ""), (area[1]["p"], "1")]
    assert [row["minus_baseline"] for row in area] == ["", f"{100 * (0.25 + 0.25 * 0.9375) / 2:.6f}"]
    assert {row["kind"] for row in rows} == {CLEAN, "white", "deleted", "telephone", "all kinds"}
    assert [row["level"] for row in rows if (row["measure"], row["kind"], row["alpha"]) == (UA, CLEAN, "0.1")] == [""]
    text = (tmp_path / "report" / "noise.md").read_text(encoding="utf-8")
    assert re.search(r"^\| all 2 with grades \| 51\.56 .* \| 75\.78 .* \| \+24\.22 ", text, re.MULTILINE)


@pytest.mark.parametrize("heard", [7, 8])
def test_few_speakers_have_no_intervals_which_page_and_figures_say(make_tested, tmp_path, heard):
    report = write_report(make_tested(2, heard=heard) + make_tested(3, alpha=0.1, heard=heard), tmp_path / "report")
    page = " ".join(report.page.read_text(encoding="utf-8").replace("\xa0", " ").split())
    assert ("All test utterances are of 7 speakers, too few for intervals." in page) is (heard < 8)
    assert ("Bands and bars are 95 % bootstrap intervals over speakers" in page) is (heard >= 8)
    [found] = findings(make_tested(2, heard=heard))
    assert (found.systems[0].at(UA, CLEAN).interval is None) is (heard < 8)


def test_without_noise_the_report_says_nothing_of_it(make_run, tmp_path):
    report = write_report([make_run()], tmp_path / "report")
    assert "What noise does" not in report.page.read_text(encoding="utf-8")
    assert (tmp_path / "report" / "noise.md").read_text() == (
        "There is no noise that all of these runs were tested under; `tfcr evaluate RUN --noise` tests a run.\n"
    )
    assert len((tmp_path / "report" / "noise.csv").read_text().splitlines()) == 1
