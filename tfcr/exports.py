"""What an export says of itself, and whether it is intact. No TensorFlow."""

import pathlib

from tfcr import files
from tfcr.errors import TfcrError

MODEL = "tfcr"  # the name that a model is served by where its folder has none that every server takes
SAVED_MODEL = "saved_model.pb"
ONNX = "model.onnx"
MANIFEST = pathlib.Path("assets.extra") / "tfcr.json"  # TF Serving leaves assets.extra alone


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
