"""What starts the real TF Serving beside an export: its configuration and a compose file, written once."""

import pathlib

import jinja2

from tfcr import files

MODEL = "tfcr"  # the name that the model is served by
FILES = ("models.config", "batching.config", "monitoring.config", "compose.yaml")

_TEMPLATES = pathlib.Path(__file__).parent / "templates"


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
            files.write_text(path, environment.get_template(name).render(model=MODEL))
            written.append(path)
    return written
