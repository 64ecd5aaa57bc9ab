"""The preset `authors` from recordings to figures: the dataset has it, and training follows."""

import dataclasses

import numpy as np
import pytest

from tfcr import runs
from tfcr.config import PRESETS, REGULARISER, Config
from tfcr.data.pipeline import Pipeline
from tfcr.errors import TfcrError, UsageError
from tfcr.models.restore import restore_network
from tfcr.models.systems import resolve_start
from tfcr.training import train
from tfcr.training.experiment import plan, read_run_config
from tfcr.training.pretraining import origins_of
from tfcr.training.train import train_fold


@pytest.fixture(scope="module")
def stages(authors_dataset, small_authors, tmp_path_factory):
    """The folder of a contrastive run and of all that it starts from, trained by one call."""
    folder = tmp_path_factory.mktemp("stages")
    experiment = plan(dataclasses.replace(small_authors, alpha=0.1), authors_dataset.folder)
    train_fold(experiment, folder / experiment.folder.name)
    return folder


def test_an_utterance_is_one_picture(authors_dataset):
    assert authors_dataset.info["preset"] == "authors"
    assert authors_dataset.info["audio"]["frames_at_most"] == 999
    assert "natural logarithm" in authors_dataset.info["audio"]["spectrogram_unit"]
    assert {row.num_segments for row in authors_dataset.index} == {1}
    assert max(row.num_frames for row in authors_dataset.index) <= 125
    picture, frames = next(Pipeline(authors_dataset, ["spectrogram"]).spectrograms(np.arange(1)).as_numpy_iterator())
    assert (picture[0, frames:] == 0).all() and (picture[0, :frames] != 0).all()


def test_a_configuration_of_the_other_preset_contradicts_it(authors_dataset, small_dataset):
    with pytest.raises(UsageError, match=r"preset 'paper' contradicts dataset .*'authors'"):
        plan(Config(), authors_dataset.folder)
    with pytest.raises(UsageError, match=r"preset 'authors' contradicts dataset .*'paper'"):
        plan(PRESETS["authors"], small_dataset.folder)


@pytest.mark.parametrize(("system", "alpha"), [("fusion", 0.1), ("text", None)])
def test_it_stops_by_the_cross_entropy_without_penalties(stages, system, alpha):
    run = runs.open_run(stages / f"authors-{system}-a{alpha or 0}-f0-s0")
    assert run.metrics["preset"] == "authors"
    lines = (run.folder / "history.csv").read_text().splitlines()
    rows = [dict(zip(lines[0].split(","), map(float, line.split(",")), strict=True)) for line in lines[1:]]
    if system == "text":
        # validation logs the penalty as Keras does; the epoch is chosen by the cross-entropy alone
        assert all(row["val_loss"] > row["val_classification_loss"] for row in rows)
    best = min(rows, key=lambda row: row["val_classification_loss"])
    assert run.metrics["best_epoch"] == best["epoch"]


@pytest.mark.parametrize(("system", "start", "alpha", "resolved"), [
    ("fusion", "unimodal", 0.0, "unimodal"),  # the baseline, from speech alone and words alone
    ("fusion", "unimodal", 0.1, "baseline"),  # the contrastive model, from the baseline
    ("fusion", "baseline", 0.0, "baseline"),  # the baseline trained on for as long
    ("fusion", "fresh", 0.1, "fresh"),
    ("audio", "unimodal", 0.0, "fresh"),
    ("text", "baseline", 0.0, "fresh"),
])  # fmt: skip
def test_whose_encoders_a_training_starts_from(system, start, alpha, resolved):
    assert resolve_start(Config(system=system, start=start, alpha=alpha)) == resolved


def test_every_stage_starts_from_the_one_before():
    contrastive = dataclasses.replace(PRESETS["authors"], alpha=0.1, start="baseline", fold=2, seed=7)
    (baseline,) = origins_of(contrastive)
    assert (baseline.system, baseline.alpha, baseline.start) == ("fusion", 0, "unimodal")
    audio, text = origins_of(baseline)
    assert (audio.system, text.system, audio.start, text.start) == ("audio", "text", "fresh", "fresh")
    assert origins_of(audio) == origins_of(text) == []
    assert {(stage.fold, stage.seed) for stage in (baseline, audio, text)} == {(2, 7)}


def test_contrastive_models_share_a_baseline_whatever_their_negatives():
    contrastive = dataclasses.replace(PRESETS["authors"], alpha=0.1, start="baseline")
    other = dataclasses.replace(contrastive, negatives="other-emotion", discriminator="hidden-layer", alpha=0.2)
    assert origins_of(other) == origins_of(contrastive)


def test_a_folder_where_an_origin_has_to_lie_is_refused_before_anything_is_written(
    authors_dataset, small_authors, tmp_path
):
    experiment = plan(dataclasses.replace(small_authors, alpha=0.1), authors_dataset.folder)
    run = tmp_path / "authors-fusion-a0-f0-s0"
    with pytest.raises(UsageError, match="the run lies that this one starts from"):
        train_fold(experiment, run)
    assert not (run / runs.CONFIG).exists()


def test_an_origin_of_another_configuration_is_named(stages, authors_dataset, small_authors, tmp_path):
    for path in stages.iterdir():
        (tmp_path / path.name).symlink_to(path)
    longer = dataclasses.replace(small_authors, alpha=0.2, epochs=3)
    with pytest.raises(TfcrError, match=r"starts from authors-fusion-a0-f0-s0 beside it.*its epochs is 2, not 3"):
        train_fold(plan(longer, authors_dataset.folder), tmp_path / "longer")
    assert not (tmp_path / "longer" / runs.CONFIG).exists()


def test_one_call_trains_all_stages_beside_each_other(stages):
    names = ["authors-audio-a0-f0-s0", "authors-fusion-a0-f0-s0", "authors-fusion-a0.1-f0-s0", "authors-text-a0-f0-s0"]
    assert sorted(path.name for path in stages.iterdir()) == names
    starts = [runs.open_run(stages / name).metrics["start"] for name in names]
    assert starts == ["fresh", "unimodal", "baseline", "fresh"]


def test_a_stage_takes_the_encoders_and_draws_its_head(stages, authors_dataset, small_authors, tmp_path, monkeypatch):
    begun = {}

    class StoppedError(Exception):
        pass

    def fit(experiment, run, model, *rest):
        begun[experiment.config.start] = {weight.path: weight.numpy() for weight in model.network.weights}
        raise StoppedError

    monkeypatch.setattr(train, "train_epochs", fit)
    for alpha in (0.0, 0.1):
        experiment = plan(dataclasses.replace(small_authors, alpha=alpha), authors_dataset.folder)
        for origin in origins_of(experiment.config):
            name = dataclasses.replace(experiment, config=origin).folder.name
            if not (tmp_path / name).exists():
                (tmp_path / name).symlink_to(stages / name)
        with pytest.raises(StoppedError):
            train_fold(experiment, tmp_path / f"begun-{alpha}")

    def trained(name):
        run = runs.open_run(stages / name)
        network = restore_network(read_run_config(run.folder), 4, run.folder / runs.WEIGHTS)
        return {weight.path: weight.numpy() for weight in network.weights}

    audio, text = trained("authors-audio-a0-f0-s0"), trained("authors-text-a0-f0-s0")
    baseline = trained("authors-fusion-a0-f0-s0")
    for path, weight in begun["unimodal"].items():
        if "head" not in path:
            np.testing.assert_array_equal(weight, (audio | text)[path], err_msg=path)
    for path, weight in begun["baseline"].items():
        if "head" in path:
            assert not np.array_equal(weight, baseline[path]), path
            np.testing.assert_array_equal(weight, begun["unimodal"][path])  # drawn by the same seed
        else:
            np.testing.assert_array_equal(weight, baseline[path], err_msg=path)


def test_the_baseline_is_trained_on_under_the_same_rule(stages, authors_dataset, small_authors):
    config = dataclasses.replace(small_authors, alpha=0.0, start="baseline")
    experiment = plan(config, authors_dataset.folder)
    assert experiment.folder.name == "authors-fusion-a0-f0-s0-continued"
    run = train_fold(experiment, stages / experiment.folder.name)
    baseline = runs.open_run(stages / "authors-fusion-a0-f0-s0")
    assert run.metrics["start"] == "baseline" and run.metrics["epochs"] == baseline.metrics["epochs"] == 2
    assert not np.array_equal(run.predictions.logits, baseline.predictions.logits)
    contrastive = runs.open_run(stages / "authors-fusion-a0.1-f0-s0")
    different = {name for name, value in run.config.items() if contrastive.config[name] != value}
    assert different <= {"alpha", *REGULARISER}


def test_a_stage_that_was_cut_off_goes_on_to_the_same_bits(
    stages, authors_dataset, small_authors, tmp_path, monkeypatch
):
    for path in stages.iterdir():
        if "-a0-" in path.name:
            (tmp_path / path.name).symlink_to(path)
    experiment = plan(dataclasses.replace(small_authors, alpha=0.1), authors_dataset.folder)
    folder = tmp_path / experiment.folder.name

    class CutOffError(Exception):
        pass

    class Once(train.Observer):
        def epoch(self, row, state):
            raise CutOffError

    with pytest.raises(CutOffError):
        train_fold(experiment, folder, Once())
    resumed = train_fold(experiment, folder)
    undisturbed = stages / experiment.folder.name
    assert (resumed.folder / runs.PREDICTIONS).read_bytes() == (undisturbed / runs.PREDICTIONS).read_bytes()
