"""Every option can stand in a YAML file as well; the command line wins."""

import pathlib
import types

import h5py
import numpy as np
import pytest
import yaml

from tfcr import split_file
from tfcr.cli import prepare as prepare_command
from tfcr.cli import reproduce
from tfcr.cli import train as train_command
from tfcr.config import FIELDS, Config
from tfcr.errors import TfcrError, UsageError

pytestmark = pytest.mark.usefixtures("tensorflow")


class ReachedError(TfcrError):
    """The library was called, and that is enough."""


@pytest.fixture
def planned(tfcr, tmp_path, monkeypatch):
    """Types `tfcr train` with a file and options; returns what the library is asked to train, and where."""
    from tfcr import dataset_info
    from tfcr.training import experiment as experiments
    from tfcr.training import train

    asked = {}
    anywhere = types.SimpleNamespace(info={"preset": "paper", "embeddings": {"words": 0}})
    monkeypatch.setattr(dataset_info, "open_dataset", lambda folder: anywhere)

    def plan(config, data, split_file):
        asked.update(config.to_dict(), data=str(data), split=split_file and split_file.path)
        return types.SimpleNamespace(folder=pathlib.Path("default"), shared_note=str, untaught_note=str)

    def train_fold(experiment, folder, observer):
        asked["run"] = str(folder)
        raise ReachedError

    monkeypatch.setattr(experiments, "plan", plan)
    monkeypatch.setattr(train, "train_fold", train_fold)

    def run(content, *arguments):
        asked.clear()
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(content))
        outcome = tfcr("train", "--config", tmp_path / "c.yaml", *arguments)
        assert outcome.code == 1 and asked, outcome
        return dict(asked)

    return run


@pytest.fixture
def capture_said(monkeypatch) -> list[str]:
    """The sentences that a command says."""
    from tfcr.cli import display

    said = []
    monkeypatch.setattr(display, "say", said.append)
    return said


@pytest.fixture
def prepared(tfcr, tmp_path, monkeypatch):
    """Types `tfcr prepare-tfrecords` with a file and options; returns what the library is asked to prepare."""
    from tfcr.preparation import prepare

    asked = {}

    def stop(preparation, workers, progress, writer):
        assert writer is None
        asked.update(vars(preparation), workers=workers)
        raise ReachedError

    monkeypatch.setattr(prepare, "prepare", stop)
    monkeypatch.chdir(tmp_path)
    for name in (*PREPARE["embeddings"], *PREPARE["transcripts"]):
        (tmp_path / name).touch()  # that they are there is looked at first

    def run(content, *arguments):
        asked.clear()
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(content))
        outcome = tfcr("prepare-tfrecords", "--config", tmp_path / "c.yaml", *arguments)
        assert outcome.code == 1 and asked, outcome
        return {**asked, **asked["options"]}

    return run


TRAIN = {  # option: in the file, on the command line
    "data": ("d1", "d2"),
    "protocol": ("speaker", "script"),
    "fold": (1, 2),
    "fold_seed": (3, 4),
    "system": ("audio", "text"),
    "alpha": (0.3, 0.4),
    "epochs": (5, 6),
    "batch_size": (7, 8),
    "seed": (9, 10),
    "precision": ("mixed_float16", "mixed_bfloat16"),
    "threads": (1, 3),
    "distribution": ("mirrored", "none"),
    "negatives_scope": ("replica", "global"),
    "run": ("r1", "r2"),
    "audio_features": ("hubert", "wavlm"),
    "text_features": ("bert", "roberta"),
    "subset": ("improvised", "scripted"),
}
PREPARE = {
    "corpus": ("manifest", "iemocap"),
    "root": ("c1", "c2"),
    "embeddings": ("e1", "e2"),
    "name": ("n1", "n2"),
    "out": ("o1", "o2"),
    "emotions": (["anger", "sadness"], "anger,neutral"),
    "transcripts": ("t1", "t2"),
    "workers": (3, 4),
    "conflict_rate": (0.1, 0.3),
    "utterances": (50, 60),
}


def options(command) -> set[str]:
    return {parameter.name for parameter in command.params} - {"config"}


def test_every_option_of_train_is_tried_here():
    assert set(TRAIN) | {"split"} == options(train_command.command)  # a file has to be there: below


def test_every_option_of_prepare_is_tried_here():
    others = {"preset", "corpus_seed", "allow_partial"}  # with one value, and below
    others |= {"features", "audio_features", "text_features"}  # below, for what is asked of the library differs
    others |= {"runner", "skip_unreadable", "emotion_names"}  # with the tests of what they do
    assert set(PREPARE) | others == options(prepare_command.command)


def flag(name):
    return f"--{name.replace('_', '-')}"


@pytest.mark.parametrize("name", TRAIN)
@pytest.mark.parametrize("spelling", [str, lambda name: name.replace("_", "-")], ids=["_", "-"])
def test_an_option_of_train_may_stand_in_a_file_and_the_command_line_wins(planned, name, spelling):
    in_file, typed = TRAIN[name]
    needed = {} if name == "data" else {"data": "d"}
    needed |= {"system": "fusion"} if name.endswith("_features") else {}
    needed |= {"distribution": "mirrored"} if name == "negatives_scope" else {}
    assert planned({**needed, spelling(name): in_file})[name] == in_file
    assert planned({**needed, spelling(name): in_file}, flag(name), typed)[name] == typed


@pytest.mark.parametrize("name", PREPARE)
def test_an_option_of_prepare_may_stand_in_a_file_and_the_command_line_wins(prepared, name):
    in_file, typed = PREPARE[name]

    def plain(value):
        return str(value) if isinstance(value, pathlib.Path) else value

    needed = {} if name == "root" else {"root": "c"}
    listed = name == "emotions"
    assert plain(prepared({**needed, name: in_file})[name]) == (tuple(in_file) if listed else in_file)
    found = plain(prepared({**needed, name: in_file}, flag(name), typed)[name])
    assert found == (tuple(typed.split(",")) if listed else typed)


def test_seed_of_the_corpus_and_of_the_training_are_two(prepared, planned):
    assert prepared({"corpus_seed": 7, "seed": 8})["seed"] == 7
    assert planned({"corpus_seed": 7, "seed": 8, "data": "d"})["seed"] == 8


def test_feature_sets_may_stand_in_a_file_and_the_command_line_wins(prepared):
    every = ("mfcc", "prosody", "mel", "token_ids")
    corpus = {"corpus": "manifest", "root": "c"}
    assert prepared({"features": "all", **corpus})["features"] == every
    assert prepared({"features": "all", **corpus}, "--features", "spectrogram")["features"] == ()
    assert prepared(corpus)["features"] == () and prepared({})["features"] == every  # the synthetic corpus's default


@pytest.mark.parametrize("modality", ["audio", "text"])
def test_files_of_ones_own_features_may_stand_in_a_file_and_the_command_line_wins(prepared, tmp_path, modality):
    for name in ("one.h5", "two.h5", "three.h5"):
        (tmp_path / name).touch()
    option, flag_of_it = f"{modality}_features", f"--{modality}-features"
    for content, typed, expected in (
        ({option: "one.h5"}, (), ["one"]),
        ({option: ["one.h5", "two.h5"]}, (), ["one", "two"]),
        ({option: "one.h5"}, (flag_of_it, "three.h5", flag_of_it, "two.h5"), ["three", "two"]),
    ):
        own = prepared(content, *typed)["own"]
        assert [(each.name, each.modality) for each in own] == [(name, modality) for name in expected]


def test_one_file_names_the_features_of_preparation_and_of_training(prepared, planned, tmp_path):
    (tmp_path / "hubert.h5").touch()
    content = {"audio_features": "hubert.h5", "data": "d"}
    assert [each.name for each in prepared(content)["own"]] == ["hubert"]
    assert planned(content)["audio_features"] == "hubert"


def test_allow_partial_may_stand_in_a_file(prepared):
    assert prepared({"corpus": "iemocap", "root": "c", "allow_partial": True})["allow_partial"] is True
    assert "allow_partial" not in prepared({"corpus": "iemocap", "root": "c"})


def test_every_field_of_the_configuration_may_stand_in_a_file(planned):
    other = Config(
        fold=1,
        negatives="any",
        negatives_per_anchor=8,
        negative_weights="balanced",
        conv_blocks=3,
        lstm_units=7,
        head_bias=True,
        segments="random",
        learning_rate=0.01,
        stop_on="loss",
        patience=3,
        alpha=0.5,
        dataset_sha256="a" * 64,
    )
    found = planned({**other.to_dict(), "data": "d"})
    assert {name: found[name] for name in FIELDS} == other.to_dict()


def test_the_paper_s_file_is_what_happens_without_one(planned):
    paper = yaml.safe_load((pathlib.Path(__file__).parents[2] / "configs" / "paper.yaml").read_text())
    assert planned({**paper, "data": "d"}) == planned({"data": "d"})


def test_what_a_file_takes_from_a_systems_own_paper_is_said(planned, capture_said):
    """MDRE has batches of 128 and gradients clipped at 10 (Yoon, Byun and Jung 2018)."""
    found = planned({"data": "d", "batch_size": 64, "clip_value": None, "patience": 7}, "--system", "mdre")
    assert found["batch_size"] == 64 and found["clip_value"] is None
    assert capture_said == [
        "mdre by the --config file: batch_size 64 rather than 128, clip_value null rather than 10.0"
    ]


def test_of_what_was_typed_and_of_the_papers_own_system_nothing_is_said(planned, capture_said):
    planned({"data": "d"}, "--system", "mdre", "--batch-size", "64")
    planned({**Config(batch_size=8).to_dict(), "data": "d"})
    assert capture_said == []


def test_null_means_the_default(planned, prepared):
    assert planned({"data": "d", "run": None, "epochs": None})["epochs"] == Config().epochs
    assert prepared({"emotions": None, "merge": None})["emotions"] == ("neutral", "happiness", "sadness", "anger")


@pytest.mark.parametrize(
    ("content", "merge"),
    [
        ({}, {"excitement": "happiness"}),
        ({"emotions": ["neutral", "happiness", "excitement"]}, {}),  # a class of its own
        ({"emotions": ["neutral", "anger"]}, {}),  # nothing to join
        ({"merge": {"frustration": "anger"}}, {"frustration": "anger"}),
    ],
)
def test_emotions_are_merged_as_they_make_sense(prepared, content, merge):
    assert prepared(content)["merge"] == merge


@pytest.mark.parametrize(
    "emotions",
    [None, "neutral,happiness,sadness,anger", ["neutral", "happiness", "sadness", "anger"]],
    ids=["null", "names", "list"],
)
def test_one_file_serves_both_commands(workspace, tfcr, tmp_path, monkeypatch, emotions):
    monkeypatch.chdir(workspace.folder)
    content = {**yaml.safe_load(workspace.config.read_text()), "emotions": emotions, "merge": None, "fold": 3}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(content))
    for command in ("prepare-tfrecords", "train"):
        outcome = tfcr(command, "--config", tmp_path / "c.yaml")
        assert outcome.code == 0, outcome


def test_of_several_files_the_later_wins_and_the_rest_of_the_earlier_stays(planned, tmp_path):
    (tmp_path / "later.yaml").write_text("epochs: 3\nlstm-units: 5\n")
    found = planned({"data": "d", "epochs": 7, "seed": 9, "lstm_units": 4}, "--config", tmp_path / "later.yaml")
    assert (found["epochs"], found["seed"], found["lstm_units"]) == (3, 9, 5)


# ---- a file that stands for a protocol ------------------------------------------------------------------------------


def test_a_split_stands_for_a_protocol_and_what_is_typed_wins(planned, tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text(f"id,part\n{name},train\n")
    one, two = (split_file.read(tmp_path / f"{name}.csv") for name in ("one", "two"))

    data = {"data": "d1"}

    def by_file(asked):
        return asked["protocol"], asked["split"], asked["split_sha256"]

    assert by_file(planned(data, "--split", one.path)) == ("file", one.path, one.sha256)
    assert by_file(planned({**data, "split": one.path})) == ("file", one.path, one.sha256)
    assert by_file(planned({**data, "split": one.path, "protocol": "speaker"})) == ("file", one.path, one.sha256)
    assert by_file(planned({**data, "split": one.path}, "--split", two.path)) == ("file", two.path, two.sha256)
    assert by_file(planned({**data, "split": one.path}, "--protocol", "speaker")) == ("speaker", None, None)
    of_run = {**data, "split": one.path, "protocol": "file", "split_sha256": one.sha256}
    assert by_file(planned(of_run)) == ("file", one.path, one.sha256)
    assert by_file(planned(of_run, "--protocol", "random")) == ("random", None, None)
    assert by_file(planned(of_run, "--split", two.path)) == ("file", two.path, two.sha256)
    assert planned({**data, "subset": "improvised"})["subset"] == "improvised"


@pytest.mark.parametrize("command", ["train", "sweep", "cross-validate"])
def test_a_split_and_a_protocol_contradict_each_other(fails, tmp_path, command):
    (tmp_path / "one.csv").write_text("id,part\n")
    (tmp_path / "run.yaml").write_text(
        yaml.safe_dump({"split": "one.csv", "protocol": "file", "split_sha256": "ab" * 32})
    )
    line = fails(command, "--split", "one.csv", "--protocol", "random", code=2)
    assert "--split stands for a protocol; leave out --protocol random, or --split" in line
    assert "--split none.csv does not exist; expected a CSV file" in fails(command, "--split", "none.csv", code=1)
    assert "need each other (--split FILE.csv); received protocol 'file'" in fails(
        command, "--protocol", "file", code=2
    )
    assert "subset must be improvised, scripted, or speaker=" in fails(command, "--subset", "improv", code=2)
    line = fails(command, "--config", "run.yaml", code=2)
    assert "the configuration names abababababab…; on the command line it stands for itself" in line


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"systems": ["audio", "text"]}, "systems audio, text, and cross-validate takes one; name it by --system"),
        ({"alphas": "0,0.1"}, "alphas 0.0, 0.1, and cross-validate takes one; name it by --alpha, or type tfcr sweep"),
    ],
)
def test_of_several_systems_or_alphas_in_a_file_one_has_to_be_named(fails, workspace, tmp_path, content, said):
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(content))
    data = workspace.folder / "data" / "synthetic"
    assert f"the configuration has {said}" in fails("cross-validate", "--config", "sweep.yaml", "--data", data, code=2)


@pytest.mark.parametrize(
    ("content", "typed"),
    [
        ({"systems": ["audio", "text"], "alphas": "0,0.1"}, ["--system", "text"]),  # which has no alpha
        ({"systems": ["fusion", "text"], "alphas": "0,0.1"}, ["--system", "fusion", "--alpha", "0"]),
        ({"systems": "text", "alphas": "0"}, []),
    ],
)
def test_what_is_named_or_alone_is_trained(tfcr, workspace, tmp_path, monkeypatch, content, typed):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(content))
    data = workspace.folder / "data" / "synthetic"
    ended = tfcr("cross-validate", "--config", "sweep.yaml", "--data", data, "--folds", 0, "--dry-run", *typed)
    assert ended.code == 0, ended.err
    system = typed[1] if typed else "text"
    assert ended.out.split() == ["missing", f"sweeps/synthetic/random-{system}-a0-f0-s0"]


def test_the_main_job_prepares_as_a_file_says_and_trains_by_the_rest(tfcr, tiny_corpus, tmp_path, monkeypatch):
    from tfcr.experiments import reproduce as experiments

    def train(datasets, *_):
        trained.extend(datasets)
        raise TfcrError("here it trains")

    trained = []
    monkeypatch.setattr(experiments, "reproduce", train)
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"emotions": ["sadness", "anger"], "workers": 2, "batch_size": 8}))
    (tmp_path / "name.yaml").write_text("name: mine")
    arguments = ["--corpus", "manifest", "--root", str(tiny_corpus), "--config", str(tmp_path / "a.yaml")]
    with pytest.raises(TfcrError, match="here it trains"):
        reproduce.command.main([*arguments, "--out", str(tmp_path / "out")], standalone_mode=False)
    [(dataset, config)] = trained
    assert dataset.emotions == ["sadness", "anger"] and config.batch_size == 8

    with h5py.File(tmp_path / "hubert.h5", "w") as file:
        for number in range(16):
            file[f"u{number:02d}"] = np.zeros(3, np.float32)
    prepare = ["prepare-tfrecords", *arguments, "--out", tmp_path / "out" / "data" / "tiny"]
    assert tfcr(*prepare, "--audio-features", tmp_path / "hubert.h5").code == 0
    (tmp_path / "own.yaml").write_text("audio_features: hubert")  # which names a file to a preparation
    with pytest.raises(TfcrError, match="here it trains"):
        own = [*arguments, "--config", str(tmp_path / "own.yaml"), "--out", str(tmp_path / "out")]
        reproduce.command.main(own, standalone_mode=False)
    assert trained[-1][1].audio_features == "hubert"
    with pytest.raises(UsageError, match="sets name itself"):
        reproduce.command.main([*arguments, "--config", str(tmp_path / "name.yaml")], standalone_mode=False)
    with pytest.raises(UsageError, match="takes no --allow-partial"):
        reproduce.command.main([*arguments, "--out", str(tmp_path / "b"), "--allow-partial"], standalone_mode=False)
