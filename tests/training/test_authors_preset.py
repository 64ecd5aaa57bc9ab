"""The preset `authors` from recordings to figures: the dataset has it, and training follows."""

import dataclasses

import numpy as np
import pytest

from tfcr.config import PRESETS, Config
from tfcr.data.pipeline import Pipeline
from tfcr.errors import UsageError
from tfcr.training.train import plan, train_fold


@pytest.fixture(scope="module")
def authors_dataset(tensorflow, small_corpus, tmp_path_factory):
    from tfcr.preparation.prepare import Preparation, prepare

    out = tmp_path_factory.mktemp("authors-dataset")
    options = {"utterances": 120}
    return prepare(Preparation("synthetic", small_corpus, out, "small", preset="authors", options=options))


@pytest.fixture(scope="module")
def small_authors():
    sizes = {"conv_filters": 2, "lstm_units": 8, "discriminator_units": 8, "batch_size": 32, "epochs": 2}
    return dataclasses.replace(PRESETS["authors"], **sizes)


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
def test_it_trains_and_stops_by_the_objective_without_penalties(
    authors_dataset, small_authors, tmp_path, system, alpha
):
    config = dataclasses.replace(small_authors, system=system, alpha=alpha)
    run = train_fold(plan(config, authors_dataset.folder), tmp_path / "run")
    assert run.metrics["preset"] == "authors"
    lines = (run.folder / "history.csv").read_text().splitlines()
    rows = [dict(zip(lines[0].split(","), map(float, line.split(",")), strict=True)) for line in lines[1:]]
    if system == "text":
        # validation logs the penalty as Keras does; the epoch is chosen by the cross-entropy alone
        assert all(row["val_loss"] > row["val_classification_loss"] for row in rows)
        best = min(rows, key=lambda row: row["val_classification_loss"])
    else:
        best = min(rows, key=lambda row: 0.9 * row["val_classification_loss"] + 0.1 * row["val_contrastive_loss"])
    assert run.metrics["best_epoch"] == best["epoch"]
