"""The study of noise: which models, in which order, and what is counted of them."""

import json

import click.testing
import noise_study
import pytest
from noise_study import CONDITIONS, Cell, Count, Counts, cells

from tfcr.config import from_mapping
from tfcr.noise.grades import KINDS
from tfcr.report.findings.noise import weights_of
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


def by_hand(right: dict[str, list[int]], conflicts: list[int]) -> list[Count]:
    """A model's counts of the speakers `a` and `b`, ten utterances an emotion: without noise, and at every grade."""
    counted = [(f"right {emotion}", 10, numbers) for emotion, numbers in right.items()]
    return [
        Count(speaker, name, of, {grade: clean if grade == "clean" else noisy for grade in noise_study.GRADES})
        for speaker in "ab"
        for name, of, (clean, noisy) in [*counted, ("conflicts", 10 * len(right), conflicts)]
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
    assert noise_study.conclusions(found).splitlines()[2].startswith("| regularised − baseline | +10.0 | – | +10.0 |")


def test_lines_come_back_and_those_of_another_dataset_or_place_do_not(tmp_path):
    path = tmp_path / "new" / "counts.csv"
    same = {"dataset": "aa", "protocol": "speaker", "place": "recordings", "version": "1"}
    said = by_hand({"anger": [8, 4]}, [5, 10])
    noise_study.append(path, same, Cell("both", 3, 1), said)
    noise_study.append(path, same | {"place": "spectrograms"}, Cell("both", 4, 1), said)
    noise_study.append(path, same | {"dataset": "bb"}, Cell("both", 4, 1), said)
    assert noise_study.read(path, "aa", "speaker", "recordings") == {Cell("both", 3, 1): said}
    assert noise_study.read(tmp_path / "none.csv", "aa", "speaker", "recordings") == {}


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
    part = run(noise_study.command, [*arguments, "--tables-only"])
    assert part.output == "2 of 4 models have been trained and tested under noise\n"
    whole = run(noise_study.command, arguments)
    assert whole.exit_code == 0 and "4 of 4 models" in whole.output
    assert "Of 1 of 1 folds and seeds, noise in the recordings:" in whole.output
    again = run(noise_study.command, arguments)
    assert (again.stdout, len(tested)) == (whole.stdout, 5)

    place = small_dataset.sha256[:12], "random", "recordings"
    counted = Counts(noise_study.read(tmp_path / "counts.csv", *place))
    [baseline] = (tmp_path / "study").glob("*/random-fusion-a0-f0-s0/noise.json")
    for grade, figures in json.loads(baseline.read_text())["grades"].items():
        measures = {"right": "wa", "conflicts": "conflict_rate", "conflicts, centred": "conflict_rate_centred"}
        for measure, name in measures.items():
            assert counted.share("baseline", measure, {grade: 1.0}) == pytest.approx(figures[name]), (grade, name)
        assert counted.recall("baseline", {grade: 1.0}) == pytest.approx(figures["ua"])
