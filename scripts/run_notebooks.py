"""Runs the notebooks of docs/notebooks and keeps what they print and draw: `.venv/bin/python scripts/run_notebooks.py`.

With `--out FOLDER` the results go there and the notebooks stay as they are.
"""

import argparse
import os
import pathlib
import sys
import tempfile

import nbclient
import nbformat

NOTEBOOKS = pathlib.Path(__file__).resolve().parents[1] / "docs" / "notebooks"


def run(path: pathlib.Path) -> nbformat.NotebookNode:
    """The notebook with the results of its cells, without what only this machine or this hour has to say.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        nbclient.NotebookClient(
            notebook, timeout=3600, record_timing=False, coalesce_streams=True, resources=resources
        ).execute()
    for cell in notebook.cells:
        cell.metadata.clear()
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=NOTEBOOKS)
    parser.add_argument("notebooks", nargs="*", type=pathlib.Path, default=sorted(NOTEBOOKS.glob("*.ipynb")))
    arguments = parser.parse_args()
    os.environ["PATH"] = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # `!tfcr` is ours
    os.environ.pop("MPLBACKEND", None)  # pictures belong into the notebook
    for path in arguments.notebooks:
        nbformat.write(run(path), arguments.out / path.name)


if __name__ == "__main__":
    main()
