"""The study of noise: which models, in which order, and that a part of it is reported as a part."""

import click.testing
import noise_study
import pytest
from noise_study import CONDITIONS, cells

from tfcr.config import from_mapping
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


@pytest.mark.full
def test_what_was_cut_off_goes_on_and_is_reported_as_a_part(
    tensorflow, small_dataset, small_corpus, tmp_path, monkeypatch
):
    from tfcr.training import evaluate_noise

    small = tmp_path / "small.yaml"
    small.write_text(
        "lstm_units: 4\nconv_filters: 1\nepochs: 1\ndiscriminator_units: 4\nthreads: 2\nshuffle_buffer: 64\n"
    )
    arguments = [str(small_dataset.folder), "--root", str(small_corpus), "--folds", "0", "--seeds", "0"]
    arguments += ["--out", str(tmp_path / "study"), "--config", str(small)]
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
    part = run(noise_study.command, [*arguments, "--report-only"])
    assert part.output.startswith(
        "2 of 4 models have been trained and tested under noise\nTheir training took 0.0 hours\n"
    )
    assert "contrastive regularization with α = 0.1 is" in part.output and "trained under noise" not in part.output
    whole = run(noise_study.command, arguments)
    assert whole.exit_code == 0 and "4 of 4 models" in whole.output and "trained under noise" in whole.output
