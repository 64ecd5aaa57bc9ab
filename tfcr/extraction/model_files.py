"""A Hugging Face model's files: a folder, or what the Hub has under a name. Pickled weights and code are not read."""

import hashlib
import json
import os
import pathlib
from collections.abc import Callable
from dataclasses import dataclass

from tfcr import files
from tfcr.errors import TfcrError

WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_CONFIG = "config.json"
FRONT_ENDS = "preprocessor_config.json", "processor_config.json"
_TOKENIZERS_OWN = "*.bpe", "*.codes", "*.model", "*.spm", "*.tiktoken", "*.tokenizer", "*.vocab"
_VOCABULARIES = "tokenizer.json", "vocab.json", "vocab.txt", *_TOKENIZERS_OWN  # one of which most tokenizers have
OF_TOKENIZERS = *_VOCABULARIES, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt"
_SETTINGS = "*.json", "*.txt", *_TOKENIZERS_OWN  # tokenizers read files of many names, such as word_shape.json
_NO_SETTINGS = (  # no feature depends on them
    *("*.index.json", "generation_config.json", "chat_template.json", "*_results.json", "trainer_state.json"),
    *("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json", "data_config.json"),
    *("LICENSE*", "NOTICE*", "README*", "requirements*.txt"),
)
_OF_SAVING = "_name_or_path", "architectures", "dtype", "name_or_path", "torch_dtype", "transformers_version"
_WANTED = [*_SETTINGS, WEIGHTS, "model-*-of-*.safetensors"]  # of what lies on the Hub


@dataclass(frozen=True)
class ModelFiles:
    """Where a model lies, and what identifies it.

    Attributes:
        name: on the Hub, or the folder as it was named.
        folder: with its files.
        revision: the Hub's commit; None of a folder.
        sha256: of the weights; where they lie in several files, of these files' digests.
        settings_sha256: of what else decides the features: configuration, front end and tokenizer.
    """

    name: str
    folder: pathlib.Path
    revision: str | None
    sha256: str
    settings_sha256: str


def find_model(
    model: str, revision: str | None = None, say: Callable[[str], None] = lambda sentence: None
) -> ModelFiles:
    """Finds a model's files; what is not on the disk yet is downloaded.

    Args:
        model: a folder, or a name on the Hub.
        revision: the Hub's branch, tag or commit.

    Raises:
        TfcrError: no such folder or name, no network, or no weights as safetensors.
    """
    if os.path.isdir(model):
        folder, name, commit = pathlib.Path(model), os.path.normpath(model), None
    elif model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise TfcrError(f"--model {model} is no folder; expected one with config.json and {WEIGHTS}, or a Hub's name")
    else:
        folder, name = _of_hub(model, revision, say), model
        commit = folder.name
    return ModelFiles(name, folder, commit, _sha256(name, folder), _settings_sha256(folder))


def _of_hub(model: str, revision: str | None, say: Callable[[str], None]) -> pathlib.Path:
    """The folder with a snapshot of it."""
    from huggingface_hub import snapshot_download

    def snapshot(local_files_only: bool) -> pathlib.Path:
        return pathlib.Path(
            snapshot_download(model, revision=revision, allow_patterns=_WANTED, local_files_only=local_files_only)
        )

    try:
        try:
            folder = snapshot(local_files_only=True)
            if _is_whole(folder):
                return folder
        except FileNotFoundError:  # nothing of it is on the disk
            pass
        say(f"Fetching {model} from the Hugging Face Hub")
        return snapshot(local_files_only=False)
    except Exception as error:  # of several libraries, which have no class in common
        why = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
        raise TfcrError(
            f"--model {model} is no folder here, and cannot be had from the Hugging Face Hub ({why}); name a folder "
            f"with config.json and {WEIGHTS}, or try again where there is a network"
        ) from None


def _sha256(name: str, folder: pathlib.Path) -> str:
    digests = [files.sha256_of_file(path) for path in _weights(folder)]
    if not digests:
        raise TfcrError(
            f"--model {name} has no {WEIGHTS}; pickled weights are not loaded, for they can run code: save it again by "
            "save_pretrained where you trust it, or on the Hub look for a --revision that has it, such as a pull "
            "request's (refs/pr/1)"
        )
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _settings_sha256(folder: pathlib.Path) -> str:
    """Of the settings' files by name, of JSON the content; of a configuration not what says how it was saved."""
    digest = hashlib.sha256()
    for path in sorted({path for name in _SETTINGS for path in folder.glob(name)}):
        if not any(map(path.match, _NO_SETTINGS)):
            digest.update(json.dumps([path.name, hashlib.sha256(_content(path)).hexdigest()]).encode())
    return digest.hexdigest()


def _content(path: pathlib.Path) -> bytes:
    is_config = path.match("*config.json")  # in a vocabulary a name is a word
    try:
        found = json.loads(path.read_bytes(), object_hook=_unsaved if is_config else None)
    except ValueError:  # no JSON
        return path.read_bytes()
    return json.dumps(found, sort_keys=True).encode()


def _unsaved(config: dict) -> dict:
    """A configuration, or one inside it, without what says how it was saved."""
    return {name: value for name, value in config.items() if name not in _OF_SAVING}


def _is_whole(folder: pathlib.Path) -> bool:
    """Whether a snapshot that may be of a broken download has a file of each kind that a model needs."""
    input_files = [path for name in (*FRONT_ENDS, *_VOCABULARIES) for path in folder.glob(name)]
    return bool(_weights(folder) and (folder / _CONFIG).is_file() and input_files)


def _weights(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files of the weights, as the library would read them; none where there are none, or not all."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        paths = [folder / name for name in sorted(set(index["weight_map"].values()))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return paths if all(path.is_file() for path in paths) else []
