"""What computes features of recordings or transcripts, and how a file of features names it."""

import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from tfcr.errors import TfcrError, UsageError, missing_extra
from tfcr.extraction.model_files import FRONT_ENDS, OF_TOKENIZERS, ModelFiles, find_model
from tfcr.extraction.settings import Pool, Precision, Settings

_PACKAGES = {"pretrained": ("torch", "transformers"), "opensmile": ("opensmile",)}  # of each extra


class Extractor(Protocol):
    """A pretrained model or openSMILE, with everything set.

    Attributes:
        modality: what it takes: `audio` or `text`.
        longest: samples of a recording that `features_of` takes; None where any length will do.
        description: by which `extractor_of` makes it again; can be written as JSON.
    """

    modality: str

    @property
    def longest(self) -> int | None: ...

    @property
    def description(self) -> dict[str, Any]: ...

    def features(self, audio_or_text: Any) -> np.ndarray:
        """Features of one recording or transcript, float32.

        Args:
            audio_or_text: float32 [samples] at 16 kHz, or the words, as `modality` says.

        Returns:
            [time, dim], or [dim] for one vector; of all layers [layers, time, dim], pooled [layers, 1, dim].

        Raises:
            TfcrError: it has none, say because it is too short.
        """
        ...

    def features_of(self, batch: Sequence) -> list[np.ndarray]:
        """As `features`, of several at once."""
        ...


def extractor_of(description: dict) -> Extractor:
    """Makes the extractor that a file of features names; nothing is fetched that is on the disk already.

    Args:
        description: the JSON object in the attribute `extractor` of the file's root.

    Raises:
        TfcrError: its extra is not installed, or the model is not there, or it is another one.
    """
    try:
        kind, model = description["kind"], description["model"]
        if kind == "opensmile":
            return open_smile(model, description["layer"], description["pool"])
        if kind != "transformers":
            raise TfcrError(f"an extractor of the kind {kind!r} is not known; expected transformers or opensmile")
        is_text = description["modality"] == "text"  # whose windows are the model's own
        windows = {} if is_text else {name: description[name] for name in ("window", "overlap")}
        precision: Precision | None = (
            "float32" if description["precision"] == "float32" else None
        )  # half is what the machine has of it
        settings = Settings(layer=description["layer"], pool=description["pool"], precision=precision, **windows)
        revision, sha256 = description["revision"], description["sha256"]
    except KeyError as error:
        raise TfcrError(f"the features do not say by which extractor they were made: {error} is missing") from None
    if revision is None and not os.path.isdir(model):
        raise TfcrError(
            f"the features were made with the model in the folder {model}, which is not here; put it there, or work "
            "where it lies"
        )
    made = pretrained(model, settings, revision)
    if made.description["sha256"] != sha256:
        raise TfcrError(
            f"model {model} has other weights than those that the features were made with (SHA-256 "
            f"{made.description['sha256'][:12]}…, not {sha256[:12]}…); put the former ones there"
        )
    rest = description.get("settings_sha256")  # which the first files did not say
    if rest is not None and made.description["settings_sha256"] != rest:
        raise TfcrError(
            f"model {model} has another configuration, tokenizer or feature extractor than the one that the features "
            "were made with; put the former files there"
        )
    return made


def open_smile(name: str, level: str = "functionals", pool: Pool = "none") -> Extractor:
    """openSMILE's feature set `name`.

    Raises:
        TfcrError: the extra is not installed.
        UsageError: there is no such set.
    """
    _refuse_without("opensmile", f"--opensmile {name}")
    if "tensorflow" in sys.modules:
        from tfcr.extraction.own_process import OpenSmileInOwnProcess

        return OpenSmileInOwnProcess(name, level, pool)
    from tfcr.extraction.open_smile import OpenSmile

    return OpenSmile(name, level, pool)


def pretrained(
    model: str,
    settings: Settings | None = None,
    revision: str | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> Extractor:
    """A Hugging Face model, of speech where it has a front end for recordings, else of text.

    Args:
        model: a folder, or a name on the Hub.
        revision: the Hub's branch, tag or commit.

    Raises:
        TfcrError: the extra is not installed, or the model cannot be had or loaded.
    """
    _refuse_without("pretrained", f"--model {model}")
    found = find_model(model, revision, say)
    if modality_of(found) == "audio":
        from tfcr.extraction.speech_model import SpeechModel

        return SpeechModel(found, settings or Settings())
    from tfcr.extraction.text_model import TextModel

    return TextModel(found, settings or Settings())


def modality_of(files: ModelFiles) -> str:
    """What a model takes, as its files say it."""
    contents = [(files.folder / name).read_bytes() for name in FRONT_ENDS if (files.folder / name).is_file()]
    if any(b'"feature_extractor_type"' in content for content in contents):
        return "audio"
    if contents:
        raise UsageError(
            f"--model {files.name} is no model of speech or text alone: it has a front end of another kind"
        )
    if not any(any(files.folder.glob(name)) for name in OF_TOKENIZERS):
        remedy = "put there what its feature extractor's or its tokenizer's save_pretrained writes"
        if files.revision is not None:  # of the Hub
            fetch = f"hf download {files.name} --revision {files.revision} --local-dir my-model"
            remedy = f"fetch it by `{fetch}`, {remedy}, and name --model my-model"
        raise TfcrError(
            f"--model {files.name} has neither {FRONT_ENDS[0]}, as a speech model, nor a tokenizer's files, as a text "
            f"model; {remedy}"
        )
    return "text"


def _refuse_without(extra: str, what: str) -> None:
    for package in _PACKAGES[extra]:
        if importlib.util.find_spec(package) is None:
            raise missing_extra(what, package, extra)
