"""Two datasets in one command: trained on each, tested on the other, one table, and nothing done twice."""

import csv
import dataclasses
import types

import pytest
import yaml

from tfcr import files, runs
from tfcr.cli import main
from tfcr.config import Config
from tfcr.errors import TfcrError, UsageError
from tfcr.experiments import cross_corpus


@pytest.fixture(scope="module")
def two(tensorflow, tmp_path_factory):
    """Synthetic datasets, one of four classes and one of three; their words lie in spaces of their own."""
    from tfcr import schema
    from tfcr.preparation.options import Preparation
    from tfcr.preparation.prepare import prepare

    folder = tmp_path_factory.mktemp("two")

    def prepared(name, seed, emotions=schema.EMOTIONS):
        options, merge = {"seed": seed, "utterances": 60}, schema.MERGE if emotions == schema.EMOTIONS else {}
        place = folder / f"{name}-corpus", folder / name, name
        return prepare(Preparation("synthetic", *place, emotions=emotions, merge=merge, options=options))

    return prepared("four", 1), prepared("three", 2, ("anger", "neutral", "sadness"))


def sweep_of(dataset, out, system="audio", **fields):
    from tfcr.experiments.sweep import Sweep

    sizes = {"conv_filters": 2, "lstm_units": 4, "discriminator_units": 4, "epochs": 1, "threads": 2}
    return Sweep(dataset, {**sizes, **fields}, out / dataset.name, systems=(system,), alphas=(0.0,), folds=(0,))


def test_what_is_shared_is_known_before_anything_is_trained(two, tmp_path):
    assert cross_corpus.check_comparable([sweep_of(each, tmp_path) for each in two]) == ["neutral", "sadness", "anger"]
    namesake = dataclasses.replace(two[1], info={**two[1].info, "name": "four"})
    with pytest.raises(TfcrError, match=r"three has other word vectors .* than a network of .*four was trained on"):
        cross_corpus.check_comparable([sweep_of(each, tmp_path, "text") for each in two])
    with pytest.raises(
        UsageError, match="several datasets are called 'four'; prepare all but one under another --name"
    ):
        cross_corpus.check_comparable([sweep_of(each, tmp_path) for each in (two[0], namesake)])
    with pytest.raises(
        UsageError, match=r"several datasets have the SHA-256 '.{64}'; they are one; leave all but one out"
    ):
        cross_corpus.check_comparable([sweep_of(two[0], tmp_path)] * 2)


def test_recordings_that_datasets_share_are_counted():
    def dataset(name, *recordings):
        return types.SimpleNamespace(name=name, index=[types.SimpleNamespace(recording=each) for each in recordings])

    a, b, c = dataset("a", "00", "01", "02"), dataset("b", "01", "02", "03"), dataset("c", "04")
    assert cross_corpus.shared_recordings_note([a, b, c]) == (
        "datasets share recordings: 2 of a and b; those that a run was trained or stopped by are left out of its tests"
    )
    assert cross_corpus.shared_recordings_note([a, c]) is None


def test_features_that_were_prepared_anew_are_tested_again(tmp_path, monkeypatch):
    """One's own features have a SHA-256 of their own: the dataset's does not cover them."""
    (tmp_path / runs.CONFIG).write_text(yaml.safe_dump(Config(alpha=0.0, audio_features="hubert").to_dict()))
    files.write_json(tmp_path / runs.METRICS, {"weights_sha256": "ab"})
    run, other = runs.Run(tmp_path), types.SimpleNamespace(name="other", sha256="cd")
    tested = {"dataset_sha256": "cd", "features_sha256": "12", "emotions": ["anger"], "weights_sha256": "ab"}
    files.write_json(runs.evaluation_folder(run, "other") / runs.METRICS, tested)
    for now, expected in (("12", True), ("34", False)):
        prepared = Config(alpha=0.0, audio_features="hubert", features_sha256=now)
        monkeypatch.setattr(cross_corpus, "on_dataset", lambda config, dataset, prepared=prepared: prepared)
        assert cross_corpus._is_tested(run, other, ["anger"]) is expected


@pytest.mark.full
def test_what_has_been_tested_is_not_tested_again(two, tmp_path, monkeypatch):
    from tfcr.training.experiment import plan
    from tfcr.training.train import train_fold

    sweeps = [sweep_of(each, tmp_path) for each in two]
    for sweep in sweeps:
        (cell,) = sweep.cells()
        train_fold(plan(cell.config, cell.data), cell.run)
    shared, said = ["neutral", "sadness", "anger"], []
    found = cross_corpus.evaluate_across(sweeps, shared, said.append)
    assert [len(some) for some in found.values()] == [1, 1] and len(said) == 2
    for (run,), other in zip(found.values(), ("three", "four"), strict=True):
        tested = runs.read_predictions(runs.evaluation_folder(run, other) / runs.PREDICTIONS)
        assert tested.logits.shape[1] == 3 and len(tested.id) > 30

    monkeypatch.setattr(cross_corpus, "_test", lambda *arguments: pytest.fail("tested again"))
    assert cross_corpus.evaluate_across(sweeps, shared).keys() == found.keys()
    tested_anew = []
    outcome = types.SimpleNamespace(figures={"wa": 0, "ua": 0}, left_out=3)
    monkeypatch.setattr(cross_corpus, "_test", lambda run, *rest: tested_anew.append(run) or outcome)
    said.clear()
    cross_corpus.evaluate_across(sweeps, ["neutral", "anger"], said.append)  # other classes
    assert len(tested_anew) == 2 and all(line.endswith("UA 0.00 %; 3 utterances left out") for line in said)


@pytest.mark.full
def test_one_command_trains_on_each_and_tests_on_the_others(two, tmp_path, monkeypatch, capsys):
    def typed():
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in line])
        assert ended.value.code == 0, capsys.readouterr()
        return capsys.readouterr()

    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text("conv_filters: 2\ndiscriminator_units: 4\n")
    data = [argument for each in two for argument in ("--data", each.folder)]
    line = "sweep", "--systems", "audio", *data, "--folds", 0, "--epochs", 1, "--threads", 2, "--config", "small.yaml"
    outcome = typed()
    assert "3 classes are shared, and tested across datasets: neutral, sadness, anger" in outcome.err
    with open("report/cross-corpus.csv", newline="") as file:
        rows = [(row["trained_on"], row["tested_on"]) for row in csv.DictReader(file)]
    assert rows == [("four", "four"), ("four", "three"), ("three", "four"), ("three", "three")]
    assert outcome.out.rstrip().endswith("report/cross-corpus.tex")
    assert (tmp_path / "report/four/report.html").is_file() and (tmp_path / "report/three/report.html").is_file()
    again = typed()
    assert again.out == outcome.out and "tested:" not in again.err and "trained:" not in again.err
