"""What identifies a model, and what of it has to be on the disk. Needs no torch."""

import importlib.util
import json
import pathlib
import re

import pytest

from tfcr.errors import TfcrError, UsageError
from tfcr.extraction.extractor import modality_of
from tfcr.extraction.model_files import ModelFiles, find_model

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
        {"config.json": '{"model_type": "bert", "hidden_size": 2, "text_config": {"hidden_act": "relu"}}'},
        {"merges.txt": "a b"},
        {"bpe.codes": "a b"},
        {"spm.model": "a b"},
        {"source.spm": "a b"},
        {"any.vocab": "a b"},
        {"word_shape.json": '{"a": 0}'},
        {"vocab.json": '{"dtype": 0}'},  # a word
        {"tokenizer_config.json": None},
    ],
)
def test_models_of_the_same_weights_and_other_settings_are_two(tmp_path, changed):
    one, other = find_model(save(tmp_path / "one")), find_model(save(tmp_path / "other", **changed))
    assert one.sha256 == other.sha256 and one.settings_sha256 != other.settings_sha256


def test_a_model_that_was_moved_or_saved_again_is_the_same(tmp_path):
    config = {"hidden_size": 2, "model_type": "bert", "text_config": {"hidden_size": 3}}
    again = {"transformers_version": "9", "dtype": "float32", **config}
    again["text_config"] = {"hidden_size": 3, "torch_dtype": "float16", "_name_or_path": "elsewhere"}
    beside = dict.fromkeys(("README.md", "LICENSE.txt", "generation_config.json", "model.safetensors.index.json"), "{}")
    one = find_model(save(tmp_path / "one", **{"config.json": json.dumps(config)}))
    moved = find_model(save(tmp_path / "moved", **{"config.json": json.dumps(again, indent=2)}, **beside))
    assert (one.sha256, one.settings_sha256) == (moved.sha256, moved.settings_sha256)


def test_a_vocabulary_of_any_tokenizer_of_the_library_counts(tmp_path):
    library = importlib.util.find_spec("transformers")
    if library is None:
        pytest.skip("the extra is not installed: pip install '.[pretrained]'")
    sources = pathlib.Path(library.submodule_search_locations[0]).glob("models/*/tokenization_*.py")
    tables = re.findall(r"^VOCAB_FILES_NAMES = {(.*?)}", "\n".join(map(pathlib.Path.read_text, sources)), re.S | re.M)
    names = sorted({name for table in tables for name in re.findall(r': "(\S+)"', table)})
    assert len(names) > 20
    model = save(tmp_path / "model")
    identities = {find_model(model).settings_sha256}
    for name in names:
        (tmp_path / "model" / name).write_text("other")
        identities.add(find_model(model).settings_sha256)
    assert len(identities) == len(names) + 1


def test_a_model_without_a_tokenizer_is_named_as_it_was_typed(tmp_path):
    lacking = dict.fromkeys(("tokenizer.json", "tokenizer_config.json"))
    folder = pathlib.Path(save(tmp_path / "models--somebody--bare" / "abc", **lacking))
    for revision, name, remedy in (
        (None, str(folder), "; put there what"),
        (
            "abc",
            "somebody/bare",
            "; fetch it by `hf download somebody/bare --revision abc --local-dir my-model`, put there",
        ),
    ):
        with pytest.raises(TfcrError) as error:
            modality_of(ModelFiles(name, folder, revision, "", ""))
        assert str(error.value).startswith(f"--model {name} has neither preprocessor_config.json, as a speech model")
        assert remedy in str(error.value)
    (folder / "preprocessor_config.json").write_text('{"image_processor_type": "ViTImageProcessor"}')
    with pytest.raises(UsageError, match=r"^--model somebody/bare is no model of speech or text alone"):
        modality_of(ModelFiles("somebody/bare", folder, "abc", "", ""))


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


@pytest.mark.parametrize("said", ["connection reset\nby peer", ""])
def test_a_download_that_breaks_is_one_line_whatever_library_says_it(monkeypatch, said):
    huggingface_hub = pytest.importorskip("huggingface_hub")

    class ReadError(Exception):
        """Of a library for HTTP, which is no OSError."""

    def snapshot_download(model, local_files_only, **options):
        raise FileNotFoundError if local_files_only else ReadError(said)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    why = said.partition("\n")[0] or "ReadError"
    with pytest.raises(TfcrError, match=rf"cannot be had from the Hugging Face Hub \({why}\); name a folder"):
        find_model("somebody/model")
