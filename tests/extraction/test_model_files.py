"""What identifies a model, and what of it has to be on the disk. Needs no torch."""

import json
import pathlib

import pytest

from tfcr.extraction.model_files import find_model

FILES = {
    "config.json": '{"model_type": "bert", "hidden_size": 2}',
    "tokenizer.json": '{"model": {"vocab": {"i": 0}}}',
    "tokenizer_config.json": '{"do_lower_case": true}',
    "model.safetensors": "weights",
}


def save(folder: pathlib.Path, **changed) -> str:
    """Writes a model's files, of which some are changed, or left out where they are None."""
    folder.mkdir(parents=True)
    for name, content in (FILES | changed).items():
        if content is not None:
            (folder / name).write_text(content)
    return str(folder)


@pytest.mark.parametrize(
    "changed",
    [
        {"tokenizer_config.json": '{"do_lower_case": false}'},
        {"tokenizer.json": '{"model": {"vocab": {"you": 0}}}'},
        {"config.json": '{"model_type": "bert", "hidden_size": 2, "hidden_act": "relu"}'},
        {"preprocessor_config.json": '{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": false}'},
        {"merges.txt": "a b"},
        {"tokenizer_config.json": None},
    ],
)
def test_models_of_the_same_weights_and_other_settings_are_two(tmp_path, changed):
    one, other = find_model(save(tmp_path / "one")), find_model(save(tmp_path / "other", **changed))
    assert one.sha256 == other.sha256 and one.settings_sha256 != other.settings_sha256


def test_a_model_that_was_moved_or_saved_again_is_the_same(tmp_path):
    again = json.dumps(
        {"transformers_version": "9", "hidden_size": 2, "dtype": "float32", "model_type": "bert"}, indent=2
    )
    one = find_model(save(tmp_path / "one"))
    moved = find_model(save(tmp_path / "moved", **{"config.json": again, "README.md": "about it"}))
    assert (one.sha256, one.settings_sha256) == (moved.sha256, moved.settings_sha256)


@pytest.mark.parametrize("lacking", ["model.safetensors", "tokenizer.json", "config.json"])
def test_of_a_broken_download_the_rest_is_fetched(tmp_path, monkeypatch, lacking):
    huggingface_hub = pytest.importorskip("huggingface_hub")
    whole = save(tmp_path / "whole")
    folders = {True: save(tmp_path / "cache", **{lacking: None}), False: whole}
    asked, said = [], []

    def snapshot_download(model, local_files_only, **options):
        asked.append(local_files_only)
        return folders[local_files_only]

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert find_model("somebody/model", say=said.append).folder == pathlib.Path(whole)
    assert asked == [True, False] and said == ["Fetching somebody/model from the Hugging Face Hub"]
    folders[True] = whole
    assert find_model("somebody/model").folder == pathlib.Path(whole) and asked == [True, False, True]
