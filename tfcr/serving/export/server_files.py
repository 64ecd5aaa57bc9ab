"""What starts the real TF Serving beside an export: its configuration and a compose file, written once."""

import pathlib
import re

import jinja2

from tfcr import files
from tfcr.exports import MODEL

FILES = ("models.config", "batching.config", "monitoring.config", "compose.yaml")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # of a service in a compose file, and of a part of an address
_TEMPLATES = pathlib.Path(__file__).parent / "templates"


def model_name(out: pathlib.Path) -> str:
    """The name that the versions below a folder are served by: the folder's own."""
    name = out.resolve().name
    return name if _NAME.fullmatch(name) else MODEL


def write_server_files(out: pathlib.Path) -> list[pathlib.Path]:
    """Writes those of the files that are not in the folder above the versions; what is there stays as it is.

    Returns:
        The files that were written.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    written = []
    for name in FILES:
        path = out / name
        if not path.exists():
            files.write_text(path, environment.get_template(name).render(model=model_name(out)))
            written.append(path)
    return written
