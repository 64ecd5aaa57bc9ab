"""What an export says of itself, and whether it is intact. No TensorFlow."""

import pathlib

from tfcr import files
from tfcr.errors import TfcrError

MODEL = "tfcr"  # the name that a model is served by where its folder has none that every server takes
SAVED_MODEL = "saved_model.pb"
ONNX = "model.onnx"
EXTRA = "assets.extra"  # a folder that TF Serving leaves alone
MANIFEST = pathlib.Path(EXTRA) / "tfcr.json"
_DEFAULT = "serving_default"  # the signature that takes recordings and transcripts
_OF_SPEECH = {"audio_bytes", "spectrogram", "audio_features"}
_OF_WORDS = {"transcript", "embeddings", "text_features"}


def read_manifest(version: pathlib.Path) -> dict:
    """What an export says of itself, once its files are found intact.

    Raises:
        TfcrError: no export there, or a file of it is missing or was changed.
    """
    if not (version / MANIFEST).is_file():
        raise TfcrError(f"{version} is no export of tfcr: it has no {MANIFEST}; make one with `tfcr export`")
    content = files.read_json(version / MANIFEST)
    if not isinstance(content, dict) or not {"emotions", "run", "files"} <= set(content):
        raise TfcrError(f"{version / MANIFEST} is not what tfcr wrote; export the run again")
    for name, digest in content["files"].items():
        path = version / name
        if not path.is_file():
            raise TfcrError(f"{path} is missing; export the run again")
        if files.sha256_of_file(path) != digest:
            raise TfcrError(f"{path} was changed since it was exported (its SHA-256 differs); export the run again")
    return content


def takes_recordings(described: dict) -> bool:
    """Whether an export takes recordings and transcripts themselves, rather than features of them.

    Args:
        described: what it says of itself (`read_manifest`), as for the functions below.
    """
    return _DEFAULT in described.get("signatures", {})


def inputs_of(described: dict) -> list[str]:
    """What an export takes of a recording: `audio_bytes` and `transcript`, or features by name."""
    signatures = described.get("signatures", {})
    return signatures.get(_DEFAULT) or signatures.get("features", [])


def hears(described: dict) -> bool:
    """Whether an export has a network of speech."""
    return not _OF_SPEECH.isdisjoint(inputs_of(described))


def reads(described: dict) -> bool:
    """Whether an export has a network of words."""
    return not _OF_WORDS.isdisjoint(inputs_of(described))


def latest_version(folder: pathlib.Path) -> pathlib.Path:
    """The version that a folder is, or the newest one in it.

    Raises:
        TfcrError: neither.
    """
    files.refuse_undecodable(folder)
    if (folder / MANIFEST).is_file():
        return folder
    versions = [path for path in folder.glob("*") if path.name.isdecimal() and (path / MANIFEST).is_file()]
    if not versions:
        what = "has no version of an export" if folder.is_dir() else "does not exist"
        raise TfcrError(f"{folder} {what}; make one with `tfcr export`")
    return max(versions, key=lambda path: int(path.name))
