"""The study of noise: which models, in which order, and what is counted of them."""

import csv
import json
import pathlib
import re
from types import SimpleNamespace

import click.testing
import noise_study
import numpy as np
import pytest
from noise_study import CONDITIONS, Cell, Count, Counts, cells

from tfcr.config import from_mapping
from tfcr.errors import TfcrError
from tfcr.noise.grades import KINDS
from tfcr.noise.results import Identity, NoiseResults, write_noise
from tfcr.report.findings.conditions import Condition
from tfcr.report.findings.noise import CENTRED, CONFLICTS, UA, WA, UnderNoise, change, weights_of
from tfcr.runs import Predictions
from tfcr.training_noise import TrainingNoise


def test_after_each_fold_every_condition_has_been_trained_on_the_same_folds():
    order = list(cells(folds=[0, 1], seeds=[0, 1]))
    assert len(order) == len(set(order)) == 4 * len(CONDITIONS)
    for number, (seed, fold) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        assert {(c.seed, c.fold) for c in order[4 * number : 4 * number + 4]} == {(seed, fold)}


def test_the_conditions_are_the_regulariser_and_noise_in_training_with_and_without_each_other():
    configs = [from_mapping(fields) for fields in CONDITIONS.values()]
    assert [(config.alpha, config.noise) for config in configs] == [
        *((0.0, None), (0.1, None)),
        *((0.0, TrainingNoise()), (0.1, TrainingNoise())),
    ]


COUNTS = pathlib.Path(__file__).parents[2] / "docs" / "noise"
MEASURES = {noise_study.RIGHT: WA, noise_study.CONFLICTS: CONFLICTS, noise_study.CENTRED: CENTRED}  # → a report's


def by_hand(right: dict[str, list[int]], conflicts: list[int]) -> list[Count]:
    """A model's counts of the speakers `a` and `b`, ten utterances an emotion: without noise, and at every grade."""
    counted = [(f"right {emotion}", 10, numbers) for emotion, numbers in right.items()]
    ways = noise_study.CONFLICTS, noise_study.CENTRED
    return [
        Count(speaker, name, of, {grade: clean if grade == "clean" else noisy for grade in noise_study.GRADES})
        for speaker in "ab"
        for name, of, (clean, noisy) in [*counted, *((way, 10 * len(right), conflicts) for way in ways)]
    ]


@pytest.fixture
def found() -> Counts:
    """The regulariser is right about one more of either emotion's ten utterances; the other conditions are equal."""
    baseline = by_hand({"anger": [8, 4], "sadness": [6, 2]}, [10, 20])
    regularised = by_hand({"anger": [9, 5], "sadness": [7, 3]}, [10, 18])
    said = {name: regularised if name == "regularised" else baseline for name in CONDITIONS}
    models = {Cell(name, fold, seed): said[name] for name in CONDITIONS for fold in (0, 1) for seed in (0, 1)}
    del models[Cell("both", 1, 1)]
    return Counts(models)


def test_shares_and_differences_are_over_the_folds_and_seeds_that_all_conditions_have(found):
    assert found.cells == [(0, 0), (0, 1), (1, 0)]
    white = weights_of([KINDS["white"]])
    clean = {"clean": 1.0}
    assert found.share("baseline", "right", clean) == pytest.approx(0.7) == found.recall("baseline", clean)
    assert found.share("baseline", "right", white) == pytest.approx(0.3)
    # words deleted: the trapezoid from clean on, 0, 5, 10, 20 and 40 %; clean has half a step of 5 in 40
    deleted = weights_of([KINDS["deleted"]])
    assert found.share("baseline", "right", deleted) == pytest.approx(0.7 / 16 + 0.3 * 15 / 16)
    assert found.share("regularised", "conflicts", white) == pytest.approx(0.9)
    change = found.change("baseline", "regularised", "right", white)
    assert change.effect == pytest.approx(0.1) and change.by_speaker == pytest.approx({"a": 0.1, "b": 0.1})
    assert change.interval is change.p is None  # two speakers are too few


def test_the_tables_are_of_these_counts(found):
    areas = noise_study.table_of_areas(found, "WA").splitlines()
    assert "| none (clean) | 70.0 | 80.0 | 70.0 | 70.0 | +10.0 | +0.0 | +0.0 | +0.0 |" in areas
    assert "| no speech | 30.0 | 40.0 | 30.0 | 30.0 | +10.0 | +0.0 | +0.0 | +0.0 |" in areas
    conflicts = noise_study.table_of_areas(found, "conflicts")
    assert "no speech" not in conflicts and "| babble | 100.0 | 90.0 |" in conflicts
    assert "| `white-0` | 30.0 | 40.0 | 30.0 | 30.0 | 30.0 | 40.0 | 30.0 | 30.0 |" in noise_study.table_of_grades(found)
    # three kinds of 30 %, words with a sixteenth and reverberation with an eighth of clean's 70 %: 31.8 % of the seven
    seeds = [f"| {seed} | 31.8 | 41.8 | 31.8 | 31.8 | +10.0 | +0.0 | +0.0 | +0.0 |" for seed in (0, 1)]
    assert noise_study.table_of_seeds(found).splitlines()[2:] == seeds
    first, *others, empty, caveats = noise_study.conclusions(found, speakers_were_heard=True).splitlines()
    assert first.startswith("- Over 2 speakers and 1 complete seed, regularised is right 10.0 percentage points")
    assert len(others) == 3 and not empty
    assert caveats == (
        "This is a description: a conclusion needs at least 8 speakers and 5 seeds. "
        "Training heard these speakers, so nothing follows for new ones."
    )


def test_a_fold_without_an_emotion_counts_for_the_others(found):
    without = by_hand({"anger": [8, 4]}, [5, 10])
    whole = by_hand({"anger": [8, 4], "sadness": [6, 2]}, [10, 20])
    models = {Cell(name, fold, 0): (whole, without)[fold] for name in CONDITIONS for fold in (0, 1)}
    counts, clean = Counts(models), {"clean": 1.0}
    assert counts.recall("both", clean) == pytest.approx((0.8 + 0.6) / 2) == counts.at("both", UA, "clean").value
    assert counts.share("both", "right", clean) == pytest.approx((16 + 12 + 16) / 60)


SPEAKERS = {0: "aaaabbbccddddd", 1: "eeefffghhhhhhhhhaa"}  # fold → the speaker of each utterance; one is in both
SPOKEN = {fold: np.random.default_rng(fold).integers(0, 3, len(names)) for fold, names in SPEAKERS.items()}


def said_by(condition: str, fold: int, seed: int) -> tuple[NoiseResults, dict[str, np.ndarray]]:
    """Scores of a model that says anything, and its training means."""
    drawn = np.random.default_rng([list(CONDITIONS).index(condition), fold, seed])
    names = np.array(list(SPEAKERS[fold]))
    count = len(names)
    known = dict.fromkeys(("id", "speaker", "session", "script"), names) | {"label": SPOKEN[fold]}
    scores = ("logits", "audio_logits", "text_logits")
    said = {
        grade: Predictions(**known, **{name: drawn.normal(size=(count, 3)) for name in scores})
        for grade in noise_study.GRADES
    }
    means = {name: drawn.normal(size=3) for name in ("audio_logits", "text_logits")}
    return NoiseResults(Identity("", 0, "recordings"), said), means


@pytest.fixture(scope="module")
def counted(tmp_path_factory) -> Counts:
    """Models of two folds and two seeds, of which the last lacks a fold, as a run's `noise.h5` has them."""
    models = {}
    for condition in CONDITIONS:
        for fold, seed in ((0, 0), (1, 0), (0, 1)):
            results, means = said_by(condition, fold, seed)
            folder = tmp_path_factory.mktemp("run")
            write_noise(folder, results)
            metrics = {"training_means": {name: mean.tolist() for name, mean in means.items()}}
            run = SimpleNamespace(folder=folder, metrics=metrics, emotions=["neutral", "anger", "very angry"])
            models[Cell(condition, fold, seed)] = noise_study.counts(run)
    return Counts(models)


def reported(condition: str, cells) -> UnderNoise:
    """What a report makes of the same models."""
    models = {cell: said_by(condition, *cell) for cell in cells}
    return UnderNoise(
        Condition("", "paper", "random", 0, "fusion", 0.0),
        {cell: results for cell, (results, _) in models.items()},
        {cell: means for cell, (_, means) in models.items()},
        speakers_were_heard=False,
    )


@pytest.mark.parametrize(("measure", "name"), [*MEASURES.items(), (None, UA)])
def test_shares_and_comparisons_are_those_of_a_report(counted, measure, name):
    under = {condition: reported(condition, counted.cells) for condition in ("baseline", "both")}
    for kinds in ([], [KINDS["babble"]], [KINDS["reverberation"], KINDS["deleted"], KINDS["white"]]):
        weights = weights_of(kinds)
        expected = under["both"].area(name, kinds).value
        if measure is None:
            assert counted.recall("both", weights) == pytest.approx(expected)
            continue
        assert counted.share("both", measure, weights) == pytest.approx(expected)
        theirs = change(under["baseline"], under["both"], kinds, name)
        ours = counted.change("baseline", "both", measure, weights)
        assert ours.by_speaker == pytest.approx(theirs.by_speaker) and len(ours.by_speaker) == 8
        assert (ours.p, ours.by_seed) == (pytest.approx(theirs.p), pytest.approx(theirs.by_seed))
        assert ours.effect != pytest.approx(counted.share("both", measure, weights) - expected, abs=1e-6)


@pytest.mark.parametrize("measure", [WA, UA, CONFLICTS, CENTRED])
def test_the_figure_draws_what_a_report_s_draws(counted, measure):
    theirs, ours = reported("both", counted.cells), noise_study.Drawn(counted, "both")
    assert ours.has_intervals and theirs.has_intervals
    for grade in ("clean", "babble-5", "telephone"):
        value, interval = vars(theirs.at(measure, grade)).values()
        assert ours.at(measure, grade).value == pytest.approx(value)
        assert ours.at(measure, grade).interval == pytest.approx(interval)


def test_the_figure_tells_the_conditions_apart_and_has_a_panel_a_kind(counted):
    svg = noise_study.figure(counted, "recordings", WA).svg.decode()
    for condition in ("Model-level fusion (baseline)", "Contrastive regularization, α = 0.1"):
        assert f">{condition}</text>" in svg and f">{condition}, trained under noise</text>" in svg
    assert all(f">{kind.meaning}</text>" in svg for kind in noise_study.GRADED) and ">WA, %</text>" in svg


def test_p_is_corrected_for_the_number_of_comparisons(counted):
    said = noise_study.conclusions(counted, speakers_were_heard=False)
    assert said.count("corrected for 4 comparisons") == 4 and "at least 5 seeds" in said


SAME = {"dataset": "aa", "protocol": "speaker", "place": "recordings", "configuration": "cc", "version": "1"}
KNOWN = ("aa", "recordings", {"both": "cc", "baseline": "dd"})


def test_lines_come_back_and_those_of_another_dataset_place_or_configuration_do_not(tmp_path):
    path = tmp_path / "new" / "counts.csv"
    said = by_hand({"anger": [8, 4]}, [5, 10])
    noise_study.add(path, SAME, Cell("both", 3, 1), said)
    for other in ({"dataset": "bb"}, {"place": "spectrograms"}, {"configuration": "dd"}):
        noise_study.add(path, SAME | other, Cell("both", 4, 1), said)
    assert noise_study.read(path, *KNOWN) == {Cell("both", 3, 1): said}
    assert noise_study.read(tmp_path / "none.csv", *KNOWN) == {}
    text = path.read_text()
    noise_study.add(path, SAME, Cell("both", 3, 1), said)  # by another process, which has trained it meanwhile
    assert path.read_text() == text


def test_a_model_that_is_cut_off_or_there_twice_is_named(tmp_path):
    path, said = tmp_path / "counts.csv", by_hand({"anger": [8, 4]}, [5, 10])
    noise_study.add(path, SAME, Cell("both", 3, 1), said)
    whole = path.read_text()
    lines = whole.splitlines(keepends=True)
    for broken in (lines[:-1], [*lines, lines[-1]], [*lines, *lines[1:]]):
        path.write_text("".join(broken))
        with pytest.raises(TfcrError, match=r"fold=3, seed=1\) are not all there, or twice"):
            noise_study.read(path, *KNOWN)
    path.write_text(whole[:-40])
    with pytest.raises(TfcrError, match=f"line {len(lines)} is no line of counts"):
        noise_study.read(path, *KNOWN)
    path.write_bytes(whole.encode() + b"\xff\n")
    with pytest.raises(TfcrError, match=f"line {len(lines) + 1} is no line of counts"):
        noise_study.read(path, *KNOWN)


@pytest.mark.full
def test_what_was_cut_off_goes_on_and_is_counted_as_it_was_tested(
    tensorflow, small_dataset, small_corpus, tmp_path, monkeypatch
):
    from tfcr.training import evaluate_noise

    small = tmp_path / "small.yaml"
    small.write_text(
        "lstm_units: 4\nconv_filters: 1\nepochs: 1\ndiscriminator_units: 4\nthreads: 2\nshuffle_buffer: 64\n"
    )
    arguments = [str(small_dataset.folder), "--root", str(small_corpus), "--folds", "0", "--seeds", "0"]
    arguments += ["--out", str(tmp_path / "study"), "--config", str(small), "--counts", str(tmp_path / "counts.csv")]
    tested = []

    def interrupted(*given):
        tested.append(given)
        if len(tested) != 3:
            return evaluate(*given)
        evaluate(*given, kinds=["white"])
        raise KeyboardInterrupt

    evaluate = evaluate_noise.evaluate_noise
    monkeypatch.setattr(evaluate_noise, "evaluate_noise", interrupted)
    run = click.testing.CliRunner().invoke
    assert run(noise_study.command, arguments).exit_code == 1
    drawn = tmp_path / "new" / "noise.svg"
    part = run(noise_study.command, [*arguments, "--figure", str(drawn), "--tables-only"])
    assert part.output == "2 of 4 models have been trained and tested under noise.\n"
    assert not drawn.parent.exists()
    whole = run(noise_study.command, [*arguments, "--figure", str(drawn)])
    assert "</svg>" in drawn.read_text()
    assert whole.exit_code == 0 and "4 of 4 models" in whole.output
    assert "Of 1 of 1 folds and seeds, noise in the recordings, by WA over all kinds with grades:" in whole.output
    again = run(noise_study.command, arguments)
    assert (again.stdout, len(tested)) == (whole.stdout, 5)

    assert run(noise_study.command, [*arguments[:-4], *arguments[-2:], "--tables-only"]).output.startswith("0 of 4")

    with open(tmp_path / "counts.csv") as file:
        digests = {row["condition"]: row["configuration"] for row in csv.DictReader(file)}
    counted = Counts(noise_study.read(tmp_path / "counts.csv", small_dataset.sha256[:12], "recordings", digests))
    [baseline] = (tmp_path / "study").glob("*/random-fusion-a0-f0-s0/noise.json")
    for grade, figures in json.loads(baseline.read_text())["grades"].items():
        measures = {"right": "wa", "conflicts": "conflict_rate", "conflicts, centred": "conflict_rate_centred"}
        for measure, name in measures.items():
            assert counted.share("baseline", measure, {grade: 1.0}) == pytest.approx(figures[name]), (grade, name)
        assert counted.recall("baseline", {grade: 1.0}) == pytest.approx(figures["ua"])


@pytest.mark.parametrize("path", sorted(COUNTS.glob("*.csv")), ids=lambda path: path.stem)
def test_the_committed_counts_are_whole_and_of_one_study(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    [(dataset, place, _, _)] = {(row["dataset"], row["place"], row["protocol"], row["version"]) for row in rows}
    digests = {(row["condition"], row["configuration"]) for row in rows}
    assert len(digests) == len(CONDITIONS) and place == "recordings"
    models = noise_study.read(path, dataset, place, dict(digests))
    assert sum(map(len, models.values())) == len(rows)
    assert Counts(models).cells


# → how many folds, of five seeds each, and whether training heard the test speakers
STUDIES = {"emodb": (10, False), "synthetic": (3, True)}


@pytest.fixture(scope="module", params=STUDIES)
def study(request) -> SimpleNamespace:
    """A file of counts, its name, and what its models say."""
    path, (folds, speakers_were_heard) = COUNTS / f"{request.param}.csv", STUDIES[request.param]
    wanted = list(noise_study.cells(range(folds), range(5)))
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    digests = {row["condition"]: row["configuration"] for row in rows}
    models = noise_study.read(path, rows[0]["dataset"], "recordings", digests)
    said = noise_study.said(models, len(wanted), "recordings", speakers_were_heard)
    assert set(models) == set(wanted)
    return SimpleNamespace(name=request.param, found=Counts(models), said=said, heard=speakers_were_heard)


def test_every_file_of_counts_is_a_study_of_the_page():
    assert {path.stem for path in COUNTS.glob("*.csv")} == set(STUDIES)


def test_the_pages_print_what_the_counts_say(study):
    page = (COUNTS.parent / "noise.md").read_text(encoding="utf-8")
    assert f"\n{noise_study.conclusions(study.found, study.heard)}\n" in page
    assert f"\n{noise_study.table_of_seeds(study.found)}\n" in page
    assert f"\n{noise_study.table_of_areas(study.found, WA)}\n" in page
    assert f"\n{study.said}\n" in (COUNTS / "tables.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("study", ["emodb"], indirect=True)
def test_the_readme_says_what_noise_in_training_gains(study):
    change = study.found.change("baseline", "noise-trained", noise_study.RIGHT, weights_of(noise_study.GRADED))
    gain, low, high = (f"{100 * value:.1f}" for value in (change.effect, *change.interval[:2]))
    assert f"it gains {gain} points ({low} to {high})" in (COUNTS.parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("study", ["synthetic"], indirect=True)
def test_the_page_says_what_the_seeds_say_of_conflicts(study):
    change = study.found.change("baseline", "regularised", noise_study.CONFLICTS, weights_of(noise_study.GRADED))
    conflicts, low, high, seeds_low, seeds_high = (
        f"{100 * value:.1f}".replace("-", "−")
        for value in (change.effect, *change.interval[:2], *change.seed_interval[:2])
    )
    page = " ".join((COUNTS.parent / "noise.md").read_text(encoding="utf-8").split())
    assert f"conflicts change by {conflicts} points of area (95 % t interval {low} to {high})" in page
    least, *_, most = sorted(-100 * value for value in change.by_seed.values())
    assert f"every seed says fewer, by {least:.1f} to {most:.1f} points;" in page and least > 0
    assert f"over seeds ({seeds_low} to {seeds_high}) leaves room for none" in page
    assert change.seed_interval[0] < 0 < change.seed_interval[1]


def test_the_pages_figure_draws_the_counts(study):
    """The same words and marks in the same places, but for rounding and for ids, which are made of coordinates."""
    assert f"](noise/{study.name}.svg)" in (COUNTS.parent / "noise.md").read_text(encoding="utf-8")
    drawn = noise_study.figure(study.found, "recordings", WA).svg.decode()
    kept = (COUNTS / f"{study.name}.svg").read_text(encoding="utf-8")
    words, numbers = zip(*map(_words_and_numbers, (kept, drawn)), strict=True)
    assert words[0] == words[1]
    np.testing.assert_allclose(*numbers, atol=0.1)


def _words_and_numbers(svg: str) -> tuple[str, np.ndarray]:
    svg = re.sub(r"\b[mp][0-9a-f]{10}\b", "id", svg)
    number = re.compile(r"-?\d+(?:\.\d+)?")
    return number.sub("", svg), np.array(number.findall(svg), float)
