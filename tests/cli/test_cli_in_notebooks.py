"""What a kernel of Jupyter says to the commands that a cell calls, by variables of the environment."""

import io
import os
import subprocess
import sys

from rich.table import Table

from tfcr.cli import display, tables


def test_a_pipe_gets_plain_lines_though_a_kernel_sets_force_color(monkeypatch):
    # A bar is one endless line: a kernel stopped reading it, and the training waited for ever to write more.
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("sys.stderr", io.StringIO())
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert not display.console().is_terminal
    tables.print_table(Table("system"))
    assert "system" in sys.stdout.getvalue() and "\x1b" not in sys.stdout.getvalue()


def test_a_figure_is_drawn_though_a_kernel_names_a_backend_that_is_not_installed_here(small_dataset, tmp_path):
    program = "import sys; from tfcr.cli import main; main(sys.argv[1:])"
    arguments = ["inspect", small_dataset.folder, "--figure", tmp_path / "picture.svg"]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "MPLBACKEND": "module://a_notebook_of_elsewhere"},
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "picture.svg").is_file()
