"""Nothing of the test fold reaches training: its labels may be anything, and not a bit of the model changes."""

import csv
import dataclasses

import numpy as np
import pytest

from tfcr import corpora, runs
from tfcr.training.experiment import plan
from tfcr.training.train import train_fold

CONFIG = {"fold": 3, "alpha": 0.1}


@pytest.fixture(scope="module")
def as_manifest(tensorflow, small_corpus, tmp_path_factory):
    """Prepares the small corpus as a manifest whose emotions a test may change."""
    from tfcr.preparation.options import Preparation
    from tfcr.preparation.prepare import prepare

    utterances = corpora.read("synthetic", small_corpus, utterances=120).utterances

    def make(emotion_of=None):
        root, out = tmp_path_factory.mktemp("manifest"), tmp_path_factory.mktemp("manifest-dataset")
        (root / "corpus").symlink_to(small_corpus)
        with open(root / "manifest.csv", "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("id", "path", "transcript", "emotion", "speaker", "session", "script"))
            for said in utterances:
                emotion = (emotion_of or {}).get(said.id, said.emotion)
                path = f"corpus/{said.audio.relative_to(small_corpus)}"
                rows.writerow((said.id, path, said.transcript, emotion, said.speaker, said.session, said.script))
        return prepare(Preparation("manifest", root, out, "small"))

    return make


@pytest.fixture(scope="module")
def two_runs(as_manifest, small_config, tmp_path_factory):
    """A run, and one on the same parts of a corpus whose test utterances have each other's emotions."""
    config, folder = dataclasses.replace(small_config, **CONFIG), tmp_path_factory.mktemp("leak")
    experiment = plan(config, as_manifest().folder)
    tested = [experiment.dataset.index[position] for position in experiment.split.test]
    drawn = np.random.default_rng(0).permutation(len(tested))
    permuted = as_manifest({row.id: tested[other].emotion for row, other in zip(tested, drawn, strict=True)})
    other = dataclasses.replace(plan(config, permuted.folder), split=experiment.split)  # membership as saved
    return train_fold(experiment, folder / "one"), train_fold(other, folder / "other")


def test_the_test_labels_were_changed_and_only_they(two_runs):
    one, other = (run.predictions for run in two_runs)
    assert list(one.id) == list(other.id)
    assert (one.label != other.label).mean() > 0.3


def test_training_stopping_and_normalisation_are_the_same_to_the_bit(two_runs):
    one, other = two_runs
    assert one.metrics["best_epoch"] == other.metrics["best_epoch"]
    for name in ("validation", "training_means", "weights_sha256", "epochs"):  # the weights hold the normalisation
        assert one.metrics[name] == other.metrics[name], name
    for before, after in zip(one.history, other.history, strict=True):
        times = {"seconds": 0, "seconds_waiting": 0}
        assert {**before, **times} == {**after, **times}


def test_the_model_says_the_same_of_the_test_utterances(two_runs):
    one, other = (run.predictions for run in two_runs)
    for field in dataclasses.fields(runs.Predictions):
        if field.name != "label":
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)


def test_an_emotion_that_no_training_utterance_has_is_said(small_config, small_dataset):
    experiment = plan(dataclasses.replace(small_config, **CONFIG), small_dataset.folder)
    assert experiment.untaught_note() is None
    index, split = experiment.dataset.index, experiment.split
    angry = experiment.dataset.emotions.index("anger")
    tested = sum(index[position].label == angry for position in split.test)
    without = [position for position in split.train if index[position].label != angry]
    experiment = dataclasses.replace(experiment, split=dataclasses.replace(split, train=np.array(without)))
    assert experiment.untaught == ["anger"]
    assert experiment.untaught_note() == (
        f"no training utterance of this fold has the emotion 'anger', so it is not learned; {tested} test utterances "
        "have it"
    )


def test_a_recording_that_stands_in_two_parts_of_the_fold_is_said(small_config, small_dataset):
    experiment = plan(dataclasses.replace(small_config, **CONFIG), small_dataset.folder)
    assert experiment.shared_note() is None
    index, split = experiment.dataset.index, experiment.split
    heard, tested = index[split.train[0]], index[split.test[0]]
    index[split.test[0]] = dataclasses.replace(tested, recording=heard.recording)
    index[split.train[1]] = dataclasses.replace(index[split.train[1]], recording=index[split.train[2]].recording)
    assert experiment.shared_recordings == [sorted([(heard.id, "train"), (tested.id, "test")])]
    note = experiment.shared_note()
    assert note.startswith("1 recording stands in two parts of this fold under different ids, the first as ")
    assert f"{heard.id!r} (train)" in note and f"{tested.id!r} (test)" in note


def test_a_run_counts_what_stands_in_two_parts_and_names_what_nobody_taught(small_config, small_dataset, tmp_path):
    config = dataclasses.replace(small_config, system="text", alpha=0.0, epochs=1)
    experiment = plan(config, small_dataset.folder)
    index, split, angry = experiment.dataset.index, experiment.split, experiment.dataset.emotions.index("anger")
    taught = np.array([position for position in split.train if index[position].label != angry])
    index[split.test[0]] = dataclasses.replace(index[split.test[0]], recording=index[taught[0]].recording)
    experiment = dataclasses.replace(experiment, split=dataclasses.replace(split, train=taught))
    metrics = train_fold(experiment, tmp_path / "run").metrics
    assert (metrics["recordings_shared"], metrics["untaught"]) == (1, ["anger"])
