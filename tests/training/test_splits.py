"""Official parts, a file in place of a protocol, and subsets: from the dataset to a run that needs no file any more."""

import csv
import dataclasses
import json
import pickle
import shutil

import numpy as np
import pytest

from tfcr import corpora, files, runs, split_file
from tfcr.dataset_info import INDEX, INFO, content_sha256, open_dataset
from tfcr.errors import TfcrError, UsageError
from tfcr.experiments.backends.on_node import train_on_node, versions
from tfcr.experiments.sweep import Sweep
from tfcr.folds import folds_of
from tfcr.split_file import SplitFile
from tfcr.training.evaluate_run import evaluate_run
from tfcr.training.experiment import plan, read_run_config
from tfcr.training.train import train_fold
from tfcr.verification import verify

PARTS = ("train", "train", "train", "dev", "Test1", "train", "Test2", "train", "training", "validation")  # by position


@pytest.fixture(scope="module")
def words(small_config):
    """The system that trains fastest, for an epoch."""
    return dataclasses.replace(small_config, system="text", alpha=0.0, epochs=1)


def spoken(small_corpus) -> list:
    return sorted(corpora.read("synthetic", small_corpus, utterances=120).utterances, key=lambda each: each.id)


@pytest.fixture(scope="module")
def prepared(tensorflow, small_corpus, tmp_path_factory):
    """Prepares the small corpus as a manifest with a column `part`; `emotion_of` may give utterances other emotions."""
    from tfcr.preparation.options import Preparation
    from tfcr.preparation.prepare import prepare

    def make(emotion_of=None, part_of=None):
        root, out = tmp_path_factory.mktemp("released"), tmp_path_factory.mktemp("released-dataset")
        (root / "corpus").symlink_to(small_corpus)
        with open(root / "manifest.csv", "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("id", "path", "transcript", "emotion", "speaker", "session", "script", "part"))
            for number, said in enumerate(spoken(small_corpus)):
                emotion = (emotion_of or {}).get(said.id, said.emotion)
                path = f"corpus/{said.audio.relative_to(small_corpus)}"
                part = PARTS[number % len(PARTS)]
                rows.writerow((said.id, path, said.transcript, emotion, said.speaker, said.session, said.script, part))
        return prepare(Preparation("manifest", root, out, "released"))

    return make


@pytest.fixture(scope="module")
def released(prepared):
    return prepared()


@pytest.fixture(scope="module")
def official(released, words, tmp_path_factory):
    """A run on the parts that the corpus was released with."""
    config = dataclasses.replace(words, protocol="official")
    return train_fold(plan(config, released.folder), tmp_path_factory.mktemp("official") / "run")


def ids_of(experiment, part) -> set:
    return {experiment.dataset.index[position].id for position in getattr(experiment.split, part)}


def table(dataset, value_of, column="part") -> bytes:
    rows = "".join(f"{row.id},{value_of(position)}\n" for position, row in enumerate(dataset.index))
    return f"id,{column}\n{rows}".encode()


# ---- official -------------------------------------------------------------------------------------------------------


def test_parts_stand_in_index_records_and_counts(released, small_dataset):
    import tensorflow as tf

    from tfcr.data.records import parse

    counts = released.info["counts"]["part"]
    assert sum(counts.values()) == len(released.index) and set(counts) == {"train", "validation", "test", "test2"}
    written = tf.data.TFRecordDataset([str(released.folder / shard.name) for shard in released.shards])
    part_of = {row.id.encode(): row.part for row in released.index}
    for record in written:
        fields = parse(record, "id", "part")
        assert fields["part"].numpy().decode() == part_of[fields["id"].numpy()]
    # where a corpus has none, nothing is as if there were some
    assert "part" not in small_dataset.info["counts"] and "part" not in (small_dataset.folder / INDEX).read_text()
    (first,) = tf.data.TFRecordDataset(str(small_dataset.folder / small_dataset.shards[0].name)).take(1)
    assert "part" not in tf.train.Example.FromString(first.numpy()).features.feature


def test_a_run_tests_the_official_test_part_and_trains_on_no_test(official, released):
    parts = {row.id: row.part for row in released.index}
    with open(official.folder / runs.DRAWN, newline="") as file:
        found = {row["id"]: row["part"] for row in csv.DictReader(file)}
    assert found == {id: part for id, part in parts.items() if part != "test2"}
    assert {parts[id] for id in official.predictions.id} == {"test"}
    assert official.metrics["sizes"] == {
        part: list(parts.values()).count(part) for part in ("train", "validation", "test")
    }
    assert (official.metrics["protocol"], official.metrics["num_folds"]) == ("official", 1)
    assert official.metrics["speakers_shared"]  # every tenth utterance is tested, of whichever speaker


@pytest.mark.full
def test_test_labels_change_no_bit_of_an_official_training(official, prepared, words, tmp_path):
    index = plan(read_run_config(official.folder), official.config["data"]).dataset.index
    tested = [row for row in index if row.part.startswith("test")]
    other = prepared({row.id: tested[number - 1].emotion for number, row in enumerate(tested)})
    again = train_fold(plan(dataclasses.replace(words, protocol="official"), other.folder), tmp_path / "run")
    assert list(again.predictions.id) == list(official.predictions.id)
    assert (again.predictions.label != official.predictions.label).any()
    assert again.metrics["weights_sha256"] == official.metrics["weights_sha256"]


def test_a_further_test_part_is_tested_on_request(official, released):
    evaluation = evaluate_run(official, part="Test2")
    assert (evaluation.name, evaluation.folder.name) == ("test2", "evaluation-test2")
    tested = runs.read_predictions(evaluation.folder / runs.PREDICTIONS).id
    assert set(tested) == {row.id for row in released.index if row.part == "test2"} and not evaluation.left_out
    assert files.read_json(evaluation.folder / runs.METRICS)["part"] == "test2"
    assert evaluate_run(official, part="test").figures["confusion"] == official.metrics["test"]["confusion"]
    with pytest.raises(TfcrError, match=r"every utterance .* that is to be tested has trained or validated"):
        evaluate_run(official, part="train")
    for part in ("test3", "evening"):
        with pytest.raises(
            UsageError, match=f"no utterance of a part '{part}'; its parts: test, test2, train, validation"
        ):
            evaluate_run(official, part=part)


def test_a_part_of_a_dataset_that_took_the_place_of_the_runs_is_refused(official, prepared, tmp_path):
    emotion = {official.predictions.id[0]: "anger" if official.predictions.label[0] != 3 else "sadness"}
    moved = shutil.copytree(official.folder, tmp_path / "run")
    config = (moved / runs.CONFIG).read_text()
    (moved / runs.CONFIG).write_text(config.replace(official.config["data"], str(prepared(emotion).folder)))
    with pytest.raises(UsageError, match="the configuration names"):
        evaluate_run(runs.open_run(moved), part="test2")


def test_a_dataset_that_was_prepared_before_is_divided_as_ever_and_has_no_official_parts(released, words, tmp_path):
    """As earlier versions wrote it: no column `part`, and no counts of parts."""
    before = tmp_path / "before"
    shutil.copytree(released.folder, before)
    with open(before / INDEX, newline="") as file:
        rows = [row[:-1] for row in csv.reader(file)]
    with open(before / INDEX, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    info = json.loads((before / INFO).read_text())
    del info["counts"]["part"]
    info["index"] = {"bytes": (before / INDEX).stat().st_size, "sha256": files.sha256_of_file(before / INDEX)}
    info["dataset_sha256"] = content_sha256(info)
    files.write_json(before / INFO, info)
    verify(open_dataset(before))
    with pytest.raises(TfcrError, match=r"protocol 'official' needs .*; this dataset has none"):
        plan(dataclasses.replace(words, protocol="official"), before)
    assert plan(words, before).sizes["test"] == 12  # of 120, and by `random` as ever


# ---- a file ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def random_fold(words, small_dataset, tmp_path_factory):
    return train_fold(plan(words, small_dataset.folder), tmp_path_factory.mktemp("random") / "run")


@pytest.fixture(scope="module")
def repeated(random_fold, words, small_dataset, tmp_path_factory):
    """A run by a file that says what fold 0 of `random` is; the file is gone."""
    with open(random_fold.folder / runs.DRAWN, newline="") as file:
        parts = {row["id"]: row["part"] for row in csv.DictReader(file)}
    folder = tmp_path_factory.mktemp("file")
    (folder / "mine.csv").write_bytes(table(small_dataset, lambda position: parts[small_dataset.index[position].id]))
    found = split_file.read(folder / "mine.csv")
    config = dataclasses.replace(words, protocol="file", split_sha256=found.sha256)
    experiment = plan(config, small_dataset.folder, found)
    assert experiment.folder.name == f"file-{found.sha256[:8]}-text-a0-f0-s0"
    run = train_fold(experiment, folder / "run")
    (folder / "mine.csv").unlink()
    return run


def test_a_file_that_repeats_a_fold_of_random_gives_the_same_bits(random_fold, repeated):
    for name in ("weights_sha256", "sizes", "test", "validation", "training_means", "best_epoch"):
        assert repeated.metrics[name] == random_fold.metrics[name], name
    for name in (runs.WEIGHTS, runs.PREDICTIONS, runs.DRAWN):
        assert (repeated.folder / name).read_bytes() == (random_fold.folder / name).read_bytes(), name


def test_a_run_keeps_the_file_and_says_which_it_was(repeated):
    kept = split_file.kept_in(repeated.folder)
    assert kept.sha256 == repeated.config["split_sha256"] == repeated.metrics["split_sha256"]
    assert (repeated.metrics["split"], repeated.metrics["protocol"], repeated.metrics["num_folds"]) == (
        "mine.csv",
        "file",
        1,
    )


def test_without_the_file_a_run_is_tested_again_and_resumed(repeated, tmp_path, monkeypatch):
    from tfcr.cli import main

    assert evaluate_run(repeated).figures["confusion"] == repeated.metrics["test"]["confusion"]
    begun = tmp_path / "begun"
    begun.mkdir()
    for name in (runs.CONFIG, runs.SPLIT_FILE):  # as if it had been killed in its first epoch, and the folder moved
        shutil.copy(repeated.folder / name, begun)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["train", "--config", str(begun / runs.CONFIG), "--run", str(begun)])
    assert ended.value.code == 0
    assert runs.open_run(begun).metrics["weights_sha256"] == repeated.metrics["weights_sha256"]


def test_a_copy_that_was_changed_is_one_line(repeated, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(repeated.folder, copy)
    with open(copy / runs.SPLIT_FILE, "a") as file:
        file.write("x,train\n")
    for change in (lambda: None, (copy / runs.SPLIT_FILE).unlink):
        change()
        with pytest.raises(TfcrError, match=r"protocol\.csv is missing or was changed since .* was begun"):
            evaluate_run(runs.open_run(copy))


def test_a_file_must_be_the_one_that_the_configuration_names(repeated, small_dataset):
    config = read_run_config(repeated.folder)
    for other in (None, SplitFile("other.csv", b"id,part\n")):
        with pytest.raises(
            UsageError, match=f"the configuration names the file of --split with SHA-256 {config.split_sha256[:12]}…"
        ):
            plan(config, small_dataset.folder, other)


def test_another_file_is_another_run(repeated, small_dataset):
    other = SplitFile("other.csv", split_file.kept_in(repeated.folder).content + b"\n")
    config = dataclasses.replace(read_run_config(repeated.folder), split_sha256=other.sha256)
    with pytest.raises(TfcrError, match="belongs to another configuration: its split_sha256 is"):
        train_fold(plan(config, small_dataset.folder, other), repeated.folder)


def test_folds_of_a_file_are_swept_on_a_subset_and_travel_to_workers_and_nodes(words, small_dataset, tmp_path):
    split = SplitFile("gone.csv", table(small_dataset, lambda position: position % 3, "fold"))
    fields = {**words.to_dict(), "protocol": "file", "split_sha256": split.sha256, "subset": "improvised"}
    sweep = Sweep(small_dataset, fields, tmp_path / "sweep", systems=("text",), split_file=split)
    cells = sweep.cells()
    assert [cell.run.name for cell in cells] == [
        f"file-{split.sha256[:8]}-improvised-text-a0-f{fold}-s0" for fold in range(3)
    ]
    assert pickle.loads(pickle.dumps(cells[0])).split_file == split  # as it comes to a process of this machine
    marker = tmp_path / "sweep" / ".marker"
    marker.parent.mkdir()
    marker.touch()
    arguments = versions(), marker, cells[1].config, cells[1].data, pickle.loads(pickle.dumps(split)), cells[1].run
    ended, _ = train_on_node(lambda: None, *arguments)  # as it comes to a node of Ray
    assert not ended.failure
    run = runs.open_run(cells[1].run)
    index = {row.id: position for position, row in enumerate(small_dataset.index)}
    assert {index[id] % 3 for id in run.predictions.id} == {1}
    assert all("impro" in id for id in run.predictions.id)
    assert (run.metrics["num_folds"], run.metrics["subset"], run.config["subset"]) == (3, "improvised", "improvised")
    assert evaluate_run(run).figures["confusion"] == run.metrics["test"]["confusion"]
    with pytest.raises(UsageError, match="fold must be from 0 to 2"):
        Sweep(small_dataset, fields, tmp_path, systems=("text",), folds=(3,), split_file=split)


def test_a_stage_starts_from_runs_on_the_same_file(small_config, small_dataset, tmp_path):
    split = SplitFile("gone.csv", table(small_dataset, lambda position: position % 3, "fold"))
    config = dataclasses.replace(
        small_config, protocol="file", split_sha256=split.sha256, start="unimodal", alpha=0.0, epochs=1
    )
    train_fold(plan(config, small_dataset.folder, split), tmp_path / "run")
    trained = [runs.open_run(metrics.parent) for metrics in tmp_path.glob("*/metrics.json")]
    assert {run.metrics["system"] for run in trained} == {"audio", "fusion", "text"}
    assert {run.metrics["split_sha256"] for run in trained} == {split.sha256}


# ---- subsets --------------------------------------------------------------------------------------------------------


def test_a_subset_is_divided_and_nothing_else(words, small_dataset):
    sessions = sorted({row.session for row in small_dataset.index})[:3]
    subset = f"session={','.join(sessions)}"
    experiment = plan(dataclasses.replace(words, subset=subset, protocol="session"), small_dataset.folder)
    assert experiment.folder.name == f"session-{subset}-text-a0-f0-s0"
    chosen = {row.id for row in small_dataset.index if row.session in sessions}
    assert set.union(*(ids_of(experiment, part) for part in ("train", "validation", "test"))) == chosen
    assert {id for id, _, _ in experiment.rows()} == chosen
    assert experiment.num_folds == 3 and not experiment.speakers_shared


def test_a_run_of_another_subset_is_another_run(random_fold, words, small_dataset):
    other = plan(dataclasses.replace(words, subset="improvised"), small_dataset.folder)
    with pytest.raises(TfcrError, match="belongs to another configuration: its subset is None, not 'improvised'"):
        train_fold(other, random_fold.folder)


def test_improvised_speech_of_the_synthetic_corpus_is_told_by_its_ids(words, small_dataset):
    both = [
        plan(dataclasses.replace(words, subset=subset), small_dataset.folder) for subset in ("improvised", "scripted")
    ]
    ids = [set.union(*(ids_of(each, part) for part in ("train", "validation", "test"))) for each in both]
    assert all("impro" in id for id in ids[0]) and all("script" in id for id in ids[1])
    assert len(ids[0] | ids[1]) == len(small_dataset.index)


def test_a_subset_narrows_a_files_folds(words, small_dataset):
    split = SplitFile("mine.csv", table(small_dataset, lambda position: position % 3, "fold"))
    config = dataclasses.replace(words, subset="improvised", protocol="file", split_sha256=split.sha256)
    folds = folds_of(config, small_dataset, split)
    assert folds.number == 3
    assert np.all(folds.split(1).test % 3 == 1) and len(folds.split(1).test) < len(small_dataset.index) // 3
