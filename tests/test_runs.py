"""A run folder comes back as it was written, and a broken one is named."""

import dataclasses
import pathlib
import re

import numpy as np
import pytest
import yaml

from tfcr import files, runs
from tfcr.config import Config
from tfcr.errors import TfcrError
from tfcr.runs import Predictions, find_runs, open_run, read_predictions, write_predictions


def predictions(count=3, classes=4, seed=0, fusion=True) -> Predictions:
    random = np.random.default_rng(seed)

    def scores(width=classes):
        return random.normal(size=(count, width)).astype(np.float32)

    return Predictions(
        id=np.array([f"ü{number}" for number in range(count)]),
        speaker=np.array(["Ann"] * count),
        session=np.array([""] * count),
        script=np.array([f"{number} said" for number in range(count)]),
        label=np.arange(count, dtype=np.int64),
        logits=scores(),
        **({"audio_logits": scores(), "text_logits": scores(), "text_embedding": scores(8)} if fusion else {}),
    )


@pytest.fixture
def make_run(tmp_path):
    def make(name="run", finished=True) -> pathlib.Path:
        folder = tmp_path / name
        files.write_text(folder / runs.CONFIG, yaml.safe_dump({"fold": 3, "data": "data/x"}))
        if finished:
            content = {"schema": 1, "emotions": ["neutral", "anger"], "test": {}, "validation": {}}
            files.write_json(folder / runs.METRICS, content)
        return folder

    return make


@pytest.mark.parametrize("fusion", [True, False])
def test_predictions_come_back_as_they_were_written(tmp_path, fusion):
    written = predictions(fusion=fusion)
    write_predictions(tmp_path / "p.h5", written)
    read = read_predictions(tmp_path / "p.h5")
    for field in dataclasses.fields(Predictions):
        one, other = getattr(written, field.name), getattr(read, field.name)
        if one is None:
            assert other is None
        else:
            np.testing.assert_array_equal(other, one)
            assert other.dtype.kind == one.dtype.kind


def test_embeddings_are_left_in_the_file_on_request(tmp_path):
    written = predictions()
    write_predictions(tmp_path / "p.h5", written)
    wanted = ["text_embedding"], ["audio_embedding"], ()
    chosen, other, none = (read_predictions(tmp_path / "p.h5", embeddings) for embeddings in wanted)
    np.testing.assert_array_equal(chosen.text_embedding, written.text_embedding)
    assert other.text_embedding is None and none.text_embedding is None
    np.testing.assert_array_equal(none.text_logits, written.text_logits)


def test_equal_predictions_are_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_predictions(tmp_path / name, predictions())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("damage", ["missing", "cut", "text"])
def test_broken_predictions_are_named(tmp_path, damage):
    path = tmp_path / "p.h5"
    if damage != "missing":
        write_predictions(path, predictions())
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"no predictions")
    with pytest.raises(TfcrError, match=r"p.h5 is missing or broken"):
        read_predictions(path)


def test_predictions_that_lack_what_every_system_has_are_named(tmp_path):
    import h5py

    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["label"] = [1]
    with pytest.raises(TfcrError, match=r"p.h5"):
        read_predictions(tmp_path / "p.h5")


def test_history_comes_back_with_all_its_digits(make_run):
    folder = make_run()
    epochs = [{"epoch": 1.0, "loss": 0.1 + 0.2, "val_ua": 1 / 3}, {"epoch": 2.0, "loss": 1e-30, "val_ua": 1.0}]
    runs.write_history(folder, epochs)
    assert open_run(folder).history == epochs


def test_a_finished_run_opens(make_run):
    run = open_run(make_run())
    assert run.config == {"fold": 3, "data": "data/x"}
    assert run.emotions == ["neutral", "anger"]


def test_an_unfinished_run_says_how_to_finish_it(make_run):
    with pytest.raises(TfcrError, match="not finished; the same `tfcr train` command resumes it"):
        open_run(make_run(finished=False))


def test_a_folder_that_is_no_run_is_named(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(TfcrError, match=f"{folder} is not a run: it has no config.yaml"):
            open_run(folder)


@pytest.mark.parametrize("content", ["{}", "{", '{"schema": 99}', ""])
def test_metrics_of_another_kind_are_named(make_run, content):
    folder = make_run()
    (folder / runs.METRICS).write_text(content)
    with pytest.raises(TfcrError, match=r"metrics.json"):
        open_run(folder)


@pytest.mark.parametrize("content", [b"- 1\n", b"", b"a: [", b"\xff"])
def test_a_broken_config_is_named(make_run, content):
    folder = make_run()
    (folder / runs.CONFIG).write_bytes(content)
    with pytest.raises(TfcrError, match=r"config.yaml"):
        runs.read_config(folder)


def test_runs_are_found_below_folders_once_each_and_sorted(make_run, tmp_path):
    folders = [make_run(name) for name in ("b/x", "a/y", "a/deep/er/z")]
    make_run("a/unfinished", finished=False)
    found = find_runs([tmp_path, tmp_path / "b", folders[1]])
    assert [run.folder for run in found] == sorted(folders)


def test_a_folder_without_a_finished_run_is_named(make_run, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "none"):
        with pytest.raises(TfcrError, match=f"{folder} holds no finished run"):
            find_runs([folder])
    with pytest.raises(TfcrError, match="not finished"):
        find_runs([make_run("u", finished=False)])


def test_the_default_folder_says_what_was_trained():
    folder = runs.folder_of("synthetic", Config(alpha=0.1, fold=3))
    assert folder == pathlib.Path("runs/synthetic/random-fusion-a0.1-f3-s0")
    words = Config(protocol="authors", system="text", alpha=0.0, seed=7)
    assert runs.folder_of("x", words).name == "authors-text-a0-f0-s7"
    own = Config(alpha=0.0, audio_features="hubert", text_features="bert")
    assert runs.folder_of("x", own).name == "random-fusion-hubert-bert-a0-f0-s0"
    pooled = Config(alpha=0.0, audio_features="hubert", pooling="attention", class_weights="balanced")
    assert runs.folder_of("x", pooled).name == "random-fusion-hubert-a0-f0-s0-attended-balanced"
    assert runs.folder_of("x", Config(alpha=0.0, pooling="attention")).name == "random-fusion-a0-f0-s0"
    both = Config(alpha=0.0, class_weights="balanced", noise={}, start="baseline")
    assert runs.folder_of("x", both).name == "random-fusion-a0-f0-s0-balanced-noise-continued"


def test_runs_under_different_noises_have_different_folders():
    default, louder, same = (
        runs.folder_of("x", Config(alpha=0.0, noise=noise)).name
        for noise in ({"share": 0.5}, {"share": 1, "kinds": ["pink", "white"]}, {"share": 1.0})
    )
    assert default == "random-fusion-a0-f0-s0-noise" and louder == same
    assert re.fullmatch(r"random-fusion-a0-f0-s0-noise-[0-9a-f]{8}", louder)


@pytest.mark.parametrize(("alpha", "other"), [(0.1, 0.2), (0.0, 1e-9)])
def test_runs_of_different_alphas_have_different_folders(alpha, other):
    one, two = (runs.folder_of("x", Config(alpha=value)) for value in (alpha, other))
    assert one != two


def test_however_many_speakers_a_subset_names_its_folder_can_be_made():
    names = [f"speaker number {number}" for number in range(45)]
    folders = {
        runs.folder_of("d", Config(subset=f"speaker={','.join(some)}", alpha=0.1)).name
        for some in (names, names[1:], names[::-1])
    }
    assert len(folders) == 2  # the order says nothing
    assert all(len(name) < 100 and " " not in name for name in folders)
