"""One fold from data to figures: its folder, its bits, what it may see, and what it survives."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import yaml

from tfcr import files, runs, schema
from tfcr.errors import TfcrError, UsageError
from tfcr.models.systems import system
from tfcr.training.experiment import plan, read_run_config
from tfcr.training.observer import Observer
from tfcr.training.train import train_fold


@pytest.fixture(scope="module")
def finished(small_config, small_dataset, tmp_path_factory):
    """A run of two epochs at alpha 0.1."""
    config = dataclasses.replace(small_config, alpha=0.1)
    return train_fold(plan(config, small_dataset.folder), tmp_path_factory.mktemp("runs") / "finished")


def test_metrics_have_every_key_of_the_interface(finished):
    assert {
        *("schema", "version", "dataset_sha256", "preset", "threads", "best_epoch", "system", "protocol", "fold"),
        *("alpha", "seed", "fold_seed", "sizes", "test", "validation"),
    } <= set(finished.metrics)
    for part in ("test", "validation"):
        assert {
            *("wa", "ua", "recall", "confusion", "conflict_rate", "conflict_rate_centred", "wa_audio", "wa_text"),
            *("macro_f1", "weighted_f1", "precision", "f1", "ece", "ece_scaled", "absent"),
        } <= set(finished.metrics[part])
        assert np.sum(finished.metrics[part]["confusion"]) == finished.metrics["sizes"][part]


def test_metrics_name_the_layers_that_train_by_our_own_kernels(finished, small_config):
    convolutions = [f"conv_{number}" for number in range(small_config.conv_blocks)]
    recurrent = [f"lstm_{number}" for number in range(small_config.lstm_layers)]
    assert finished.metrics["fast_layers"] == convolutions + recurrent


def test_predictions_and_metrics_tell_the_same(finished):
    predictions = finished.predictions
    assert list(predictions.id) == sorted(predictions.id)
    assert finished.metrics["test"]["wa"] == pytest.approx(
        np.mean(predictions.logits.argmax(axis=1) == predictions.label)
    )
    # Eq. 4: s = s_a + s_t
    np.testing.assert_allclose(predictions.logits, predictions.audio_logits + predictions.text_logits, atol=1e-5)
    assert predictions.audio_embedding.shape[0] == predictions.text_embedding.shape[0] == len(predictions.id)


def test_a_finished_run_keeps_no_checkpoint_and_the_same_call_returns_it(finished, small_config, small_dataset):
    before = {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*") if path.is_file()}
    assert not (finished.folder / "checkpoints").exists()
    again = train_fold(plan(dataclasses.replace(small_config, alpha=0.1), small_dataset.folder), finished.folder)
    assert again.metrics == finished.metrics
    assert {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*") if path.is_file()} == before


def test_threads_decide_nothing_so_a_run_goes_on_with_any_number(finished):
    config = runs.read_config(finished.folder)
    wanted = read_run_config(finished.folder)
    runs.refuse_other(finished.folder, dataclasses.replace(wanted, threads=config["threads"] + 1))
    with pytest.raises(TfcrError, match="its op_threads is 1, not 2"):
        runs.refuse_other(finished.folder, dataclasses.replace(wanted, op_threads=2))


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_a_checkpoint_of_other_layers_is_one_line(small_config, small_dataset, tmp_path):
    config = dataclasses.replace(small_config, system="text", alpha=0.0)
    with pytest.raises(KeyboardInterrupt):
        train_fold(plan(config, small_dataset.folder), tmp_path / "run", _Interrupt(epoch=1, step=1))
    [weights] = (tmp_path / "run" / "checkpoints").glob("last-*.weights.h5")
    with h5py.File(weights, "r+") as file:
        for part in set(file) - {"optimizer"}:  # as if its layers had other names
            del file[part]
    with pytest.raises(TfcrError, match=r"cannot go on from last-0001\.weights\.h5, .* earlier version .* train again"):
        train_fold(plan(config, small_dataset.folder), tmp_path / "run")


def test_the_history_has_a_row_an_epoch_and_the_objective_is_eq_7(finished):
    assert [row["epoch"] for row in finished.history] == [1, 2]
    for row in finished.history:
        for prefix in ("", "val_"):
            expected = 0.9 * row[f"{prefix}classification_loss"] + 0.1 * row[f"{prefix}contrastive_loss"]
            assert row[f"{prefix}loss"] == pytest.approx(expected, rel=1e-5)


def test_tensorboard_events_hold_the_history(finished):
    import tensorflow as tf

    logged = {}
    for path in (finished.folder / runs.TENSORBOARD).iterdir():
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                logged[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    for row in finished.history:
        assert logged["val_ua", row["epoch"]] == pytest.approx(row["val_ua"])


def test_the_resolved_configuration_trains_the_same_bits(finished, small_dataset, tmp_path):
    content = yaml.safe_load((finished.folder / runs.CONFIG).read_text())
    assert content["dataset_sha256"] == small_dataset.sha256
    again = train_fold(plan(read_run_config(finished.folder), content["data"]), tmp_path / "again")
    assert (again.folder / runs.PREDICTIONS).read_bytes() == (finished.folder / runs.PREDICTIONS).read_bytes()


def test_another_seed_gives_other_bits_on_the_same_fold(audio_run, small_config, small_dataset, tmp_path):
    config = dataclasses.replace(small_config, system="audio", epochs=1, seed=1)
    other = train_fold(plan(config, small_dataset.folder), tmp_path / "other")
    assert list(other.predictions.id) == list(audio_run.predictions.id)
    assert not np.array_equal(other.predictions.logits, audio_run.predictions.logits)


def _without_times(history):
    return [{name: row[name] for name in row if name not in ("seconds", "seconds_waiting")} for row in history]


class _Interrupt(Observer):
    """Ctrl-C in the middle of an epoch."""

    def __init__(self, epoch: int, step: int):
        self.at = epoch, step

    def step(self, epoch, step):
        if (epoch, step) == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"system": "audio", "epochs": 2}, id="audio"),
        pytest.param({"alpha": 0.3, "epochs": 3}, id="regularised", marks=pytest.mark.full),
        pytest.param({"alpha": 0.3, "epochs": 3, "negatives_per_anchor": 5}, id="drawn", marks=pytest.mark.full),
    ],
)
def test_a_resumed_run_has_the_bits_of_an_undisturbed_one(small_config, small_dataset, tmp_path, fields):
    config = dataclasses.replace(small_config, segments="random", **fields)
    experiment = plan(config, small_dataset.folder)
    undisturbed = train_fold(experiment, tmp_path / "undisturbed")
    with pytest.raises(KeyboardInterrupt):
        train_fold(experiment, tmp_path / "resumed", _Interrupt(epoch=config.epochs - 1, step=1))
    assert not (tmp_path / "resumed" / runs.METRICS).exists()
    resumed = train_fold(experiment, tmp_path / "resumed")
    assert (resumed.folder / runs.PREDICTIONS).read_bytes() == (undisturbed.folder / runs.PREDICTIONS).read_bytes()
    assert _without_times(resumed.history) == _without_times(undisturbed.history)
    assert resumed.metrics["best_epoch"] == undisturbed.metrics["best_epoch"]


_TRAIN = """
import pathlib, sys
from tfcr.config import from_mapping
from tfcr.training.experiment import plan
from tfcr.training.observer import Observer
from tfcr.training.train import train_fold
import json
class Tell(Observer):
    def step(self, epoch, step):
        print(epoch, step, flush=True)
config = from_mapping(json.loads(sys.argv[1]))
train_fold(plan(config, sys.argv[2]), pathlib.Path(sys.argv[3]), Tell())
"""


def _start(config, dataset, folder):
    arguments = [sys.executable, "-c", _TRAIN, json.dumps(config.to_dict()), str(dataset.folder), str(folder)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def _kill_and_resume(config, dataset, folder, steps: int, delay: float) -> None:
    """Kills the training some steps and a moment in, again and again where `steps` says so, and lets it end."""
    process = _start(config, dataset, folder)
    for _ in range(steps):
        if not process.stdout.readline():
            break
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait()


def test_a_killed_run_has_the_bits_of_an_undisturbed_one(finished, small_config, small_dataset, tmp_path):
    config = dataclasses.replace(small_config, alpha=0.1)
    experiment = plan(config, small_dataset.folder)
    _kill_and_resume(config, small_dataset, tmp_path / "killed", steps=7, delay=0)  # of six an epoch
    assert list((tmp_path / "killed" / "checkpoints").glob("last-*"))
    assert not (tmp_path / "killed" / runs.METRICS).exists()
    killed = train_fold(experiment, tmp_path / "killed")
    assert (killed.folder / runs.PREDICTIONS).read_bytes() == (finished.folder / runs.PREDICTIONS).read_bytes()
    assert not list(killed.folder.rglob("*.tmp"))


@pytest.mark.full
def test_ten_kills_at_random_moments_change_no_bit(small_config, small_dataset, tmp_path):
    config = dataclasses.replace(small_config, alpha=0.1, epochs=12, patience=12)
    experiment = plan(config, small_dataset.folder)
    undisturbed = train_fold(experiment, tmp_path / "undisturbed")
    random = np.random.default_rng(0)
    for _ in range(10):
        _kill_and_resume(config, small_dataset, tmp_path / "killed", int(random.integers(1, 8)), random.uniform(0, 0.3))
    killed = train_fold(experiment, tmp_path / "killed")
    assert (killed.folder / runs.PREDICTIONS).read_bytes() == (undisturbed.folder / runs.PREDICTIONS).read_bytes()


def test_alpha_0_trains_the_baseline_with_or_without_a_discriminator_bit_for_bit(small_config, small_dataset):
    import keras

    from tfcr.data.pipeline import Pipeline
    from tfcr.models.contrastive import ContrastiveModel
    from tfcr.models.heads.pair_discriminator import PairDiscriminator
    from tfcr.training.build import build_model

    experiment = plan(dataclasses.replace(small_config, alpha=0.0), small_dataset.folder)

    def trained(discriminator: bool):
        model = build_model(experiment)
        assert model.discriminator is None
        if discriminator:
            model = ContrastiveModel(model.network, alpha=0.0, discriminator=PairDiscriminator(16))
            model.compile(keras.optimizers.Adam(0.001), jit_compile=False)
        pipeline = Pipeline(small_dataset, model.network.input)
        data = pipeline.training(experiment.split.train, batch_size=16, seed=0, shuffle_buffer=64)
        model.fit(data, verbose=0, shuffle=False)
        return model

    baseline, regularised = trained(False), trained(True)
    for ours, theirs in zip(baseline.network.weights, regularised.network.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=ours.path)
    assert regularised.get_metrics_result()["contrastive_loss"] > 0  # it was computed, and weighed 0


def test_alpha_1_leaves_the_head_untouched(small_config, small_dataset):
    from tfcr.data.pipeline import Pipeline
    from tfcr.training.build import build_model

    experiment = plan(dataclasses.replace(small_config, alpha=1.0), small_dataset.folder)
    model = build_model(experiment)
    before = {weight.path: weight.numpy().copy() for weight in model.network.trainable_weights}
    pipeline = Pipeline(small_dataset, model.network.input)
    data = pipeline.training(experiment.split.train, batch_size=16, seed=0, shuffle_buffer=64)
    model.fit(data, verbose=0, shuffle=False)
    same = {path for path, value in before.items() if np.array_equal(value, _weight(model, path))}
    assert same == {path for path in before if "head" in path}


def _weight(model, path):
    return next(weight.numpy() for weight in model.network.weights if weight.path == path)


def test_nothing_of_the_test_part_reaches_training(finished, small_config, small_dataset, tmp_path):
    """Records of the test part with other pictures, words and labels: the same weights and the same history."""
    import tensorflow as tf

    from tfcr.data.records import parse, serialise, to_record
    from tfcr.dataset_info import INDEX, INFO, content_sha256, open_dataset, read_index, write_index
    from tfcr.features.vocabulary import VOCABULARY
    from tfcr.files import sha256_of_file

    test = set(plan(dataclasses.replace(small_config, alpha=0.1), small_dataset.folder).split.test.tolist())
    folder = tmp_path / "poisoned"
    folder.mkdir()
    shutil.copy(small_dataset.folder / VOCABULARY, folder)
    places, info = iter(small_dataset.order), json.loads((small_dataset.folder / INFO).read_text())
    for shard in info["shards"]:
        with tf.io.TFRecordWriter(str(folder / shard["name"])) as writer:
            for serialised in tf.data.TFRecordDataset(str(small_dataset.folder / shard["name"])):
                record = to_record(parse(serialised))
                if next(places) in test:
                    record = dataclasses.replace(
                        record, spectrogram=record.spectrogram * 0 + 7, embeddings=record.embeddings * 0 - 3
                    )
                writer.write(serialise(record))
        shard["sha256"] = sha256_of_file(folder / shard["name"])
    rows = read_index(small_dataset.folder / INDEX)
    write_index(folder / INDEX, rows)
    info["dataset_sha256"] = content_sha256(info)
    files.write_json(folder / INFO, info)
    assert open_dataset(folder).sha256 != small_dataset.sha256

    poisoned = train_fold(plan(dataclasses.replace(small_config, alpha=0.1), folder), tmp_path / "run")
    assert poisoned.metrics["validation"] == finished.metrics["validation"]
    assert poisoned.metrics["best_epoch"] == finished.metrics["best_epoch"]
    assert _without_times(poisoned.history) == _without_times(finished.history)
    # … and the test part was tested: its figures did change
    assert not np.array_equal(poisoned.predictions.logits, finished.predictions.logits)


@pytest.mark.parametrize("name", ["audio", "text"])
def test_a_system_of_one_modality_has_null_where_it_defines_nothing(name, single_run):
    run = single_run(name)
    other = {"audio": "text", "text": "audio"}[name]
    test = run.metrics["test"]
    assert test["conflict_rate"] is None and test["conflict_rate_centred"] is None and test[f"wa_{other}"] is None
    assert test[f"wa_{name}"] == test["wa"]
    assert getattr(run.predictions, f"{other}_logits") is None
    assert run.metrics["alpha"] == 0.0 and not system(name).REGULARISED


def test_early_stopping_watches_the_validation_part(small_config, small_dataset, tmp_path):
    """With patience 1 a training ends after the first epoch that is no better than the best before it."""
    config = dataclasses.replace(small_config, system="text", epochs=40, patience=1)
    run = train_fold(plan(config, small_dataset.folder), tmp_path / "run")
    values = [row["val_ua"] for row in run.history]
    assert len(values) == run.metrics["best_epoch"] + 1 < 40
    assert values == [*sorted(values[:-1]), values[-1]] and values[-1] <= values[-2]
    assert run.metrics["validation"]["ua"] == pytest.approx(values[run.metrics["best_epoch"] - 1])


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_is_tested_in_float32(precision, small_config, small_dataset, tmp_path):
    config = dataclasses.replace(small_config, alpha=0.1, epochs=1, precision=precision)
    run = train_fold(plan(config, small_dataset.folder), tmp_path / "run")
    assert np.isfinite(run.predictions.logits).all() and run.predictions.logits.dtype == np.float32
    assert np.isfinite(run.history[0]["loss"])


def test_a_run_folder_of_another_configuration_or_dataset_is_refused(finished, small_config, small_dataset):
    before = (finished.folder / runs.CONFIG).read_bytes()
    with pytest.raises(TfcrError, match=r"its alpha is 0\.1, not 0\.2; remove it, or choose another --run"):
        train_fold(plan(dataclasses.replace(small_config, alpha=0.2), small_dataset.folder), finished.folder)
    experiment = plan(dataclasses.replace(small_config, alpha=0.1), small_dataset.folder)
    foreign = dataclasses.replace(experiment, config=dataclasses.replace(experiment.config, dataset_sha256="0" * 64))
    with pytest.raises(TfcrError, match="belongs to another dataset"):
        train_fold(foreign, finished.folder)
    assert (finished.folder / runs.CONFIG).read_bytes() == before


def test_a_folder_that_is_no_run_is_refused(small_config, small_dataset, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(TfcrError, match="not empty and is no run"):
        train_fold(plan(small_config, small_dataset.folder), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_configuration_that_names_another_dataset_is_refused(small_config, small_dataset):
    with pytest.raises(UsageError, match="the configuration names 000000000000"):
        plan(dataclasses.replace(small_config, dataset_sha256="0" * 64), small_dataset.folder)


def test_a_loss_that_is_not_finite_ends_in_one_line(small_config, small_dataset, tmp_path):
    config = dataclasses.replace(small_config, learning_rate=1e30)
    with pytest.raises(TfcrError, match="lower learning_rate"):
        train_fold(plan(config, small_dataset.folder), tmp_path / "run")


def test_evaluate_repeats_the_test_and_takes_another_dataset(finished, small_dataset, tmp_path):
    from tfcr.training.evaluate_run import evaluate_run

    before = (finished.folder / runs.PREDICTIONS).read_bytes()
    evaluation = evaluate_run(finished)
    assert evaluation.figures == finished.metrics["test"]
    assert (finished.folder / runs.PREDICTIONS).read_bytes() == before
    (finished.folder / runs.PREDICTIONS).unlink()
    evaluate_run(finished)
    assert (finished.folder / runs.PREDICTIONS).read_bytes() == before


def _prepared(tmp_path, name, **options):
    from tfcr.preparation.options import Preparation
    from tfcr.preparation.prepare import prepare

    emotions = options.pop("emotions", schema.EMOTIONS)
    merge = schema.MERGE if emotions == schema.EMOTIONS else {}
    corpus = tmp_path / f"{name}-corpus"
    return prepare(
        Preparation("synthetic", corpus, tmp_path / name, name, emotions=emotions, merge=merge, options=options)
    )


@pytest.fixture(scope="module")
def audio_run(single_run):
    return single_run("audio")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Another dataset, with word vectors of its own."""
    return _prepared(tmp_path_factory.mktemp("other"), "other", seed=5, utterances=60)


def test_evaluate_on_another_dataset_tests_every_utterance(audio_run, other, tmp_path):
    from tfcr.training.evaluate_run import evaluate_run

    evaluation = evaluate_run(audio_run, other.folder)
    assert np.sum(evaluation.figures["confusion"]) == 60 and evaluation.left_out == 0
    assert evaluation.folder == audio_run.folder / "evaluation-other"
    three = _prepared(tmp_path, "three", seed=5, utterances=60, emotions=("neutral", "sadness", "anger"))
    among = evaluate_run(audio_run, three.folder)
    assert among.emotions == ["neutral", "sadness", "anger"]
    every, shared = (runs.read_predictions(each.folder / runs.PREDICTIONS) for each in (evaluation, among))
    kept = every.label != schema.EMOTIONS.index("happiness")
    assert list(shared.id) == list(every.id[kept])
    np.testing.assert_allclose(shared.logits, every.logits[kept][:, [0, 2, 3]], atol=1e-5)  # happiness is no answer
    assert [among.emotions[label] for label in shared.label] == [schema.EMOTIONS[label] for label in every.label[kept]]
    assert among.figures["ece_scaled"] is not None


def test_evaluate_refuses_a_dataset_that_shares_one_class(audio_run):
    from types import SimpleNamespace

    from tfcr.training.comparable import shared_emotions

    other = SimpleNamespace(folder="data/other", emotions=["fear", "anger"])
    with pytest.raises(TfcrError, match=r"they share \['anger'\], and a test needs 2"):
        shared_emotions("a run", audio_run.emotions, [other])


def test_evaluate_never_tests_what_the_run_was_trained_or_stopped_by(audio_run, small_corpus, tmp_path):
    """The same recordings with other words are another dataset, of which only the test part is unseen."""
    from tfcr.corpora import iemocap
    from tfcr.preparation.options import Preparation
    from tfcr.preparation.prepare import prepare
    from tfcr.training.evaluate_run import evaluate_run

    said = "".join(f"{utterance.id},No words.\n" for utterance in iemocap.read_layout(small_corpus).utterances)
    (tmp_path / "words.csv").write_text("id,transcript\n" + said)
    options = {"utterances": 120}
    other = prepare(
        Preparation(
            "synthetic", small_corpus, tmp_path / "d", "again", transcripts=tmp_path / "words.csv", options=options
        )
    )
    evaluation = evaluate_run(audio_run, other.folder)
    assert np.sum(evaluation.figures["confusion"]) == audio_run.metrics["sizes"]["test"] == 12
    assert evaluation.left_out == 120 - 12


def test_evaluate_refuses_words_in_another_vector_space(finished, other):
    from tfcr.training.evaluate_run import evaluate_run

    with pytest.raises(TfcrError, match="has other word vectors"):
        evaluate_run(finished, other.folder)


def test_the_split_is_saved_with_the_run(finished, small_dataset):
    parts = runs.read_split(finished.folder)
    tested = [row.id for row in small_dataset.index if parts[row.recording] == "test"]
    assert tested == list(finished.predictions.id)
    for part, size in finished.metrics["sizes"].items():
        assert list(parts.values()).count(part) == size


def test_changed_weights_are_noticed(audio_run, tmp_path):
    import shutil

    import h5py

    from tfcr.training.evaluate_run import evaluate_run

    copy = tmp_path / "copy"
    shutil.copytree(audio_run.folder, copy)
    with h5py.File(copy / runs.WEIGHTS, "a") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        file[names[-1]][...] = -file[names[-1]][...]
    with pytest.raises(TfcrError, match="was changed since it was trained"):
        evaluate_run(runs.open_run(copy))


def test_a_field_that_is_younger_than_a_run_counts_as_its_default(finished, small_config, small_dataset, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    content = yaml.safe_load((copy / runs.CONFIG).read_text())
    del content["freq_mask"]
    (copy / runs.CONFIG).write_text(yaml.safe_dump(content))
    config = dataclasses.replace(small_config, alpha=0.1)
    assert train_fold(plan(config, small_dataset.folder), copy).metrics == finished.metrics
    with pytest.raises(TfcrError, match="its freq_mask is 0, not 3"):
        train_fold(plan(dataclasses.replace(config, freq_mask=3), small_dataset.folder), copy)


def test_a_finished_run_may_be_read_only_and_loses_a_checkpoint_that_a_kill_left(finished, small_config, small_dataset):
    left = finished.folder / "checkpoints"
    left.mkdir()
    (left / "last-0001.weights.h5").write_bytes(b"")
    (finished.folder / ".lock").unlink()
    train_fold(plan(dataclasses.replace(small_config, alpha=0.1), small_dataset.folder), finished.folder)
    assert not left.exists() and not (finished.folder / ".lock").exists()


def test_three_classes_in_another_order_follow_through(small_config, small_corpus, tmp_path):
    from tfcr.preparation.options import Preparation
    from tfcr.preparation.prepare import prepare
    from tfcr.serving.export.saved_model import export_run

    emotions = ("anger", "excitement", "neutral")
    dataset = prepare(
        Preparation(
            "synthetic",
            small_corpus,
            tmp_path / "d",
            "three",
            emotions=emotions,
            merge={},
            options={"utterances": 120},
        )
    )
    config = dataclasses.replace(small_config, system="text", epochs=1)
    run = train_fold(plan(config, dataset.folder), tmp_path / "run")
    assert run.emotions == list(emotions)
    assert run.predictions.logits.shape[1] == 3
    version = export_run(run, tmp_path / "serving")
    assert (version / "assets" / "labels.txt").read_text().split() == list(emotions)
