"""The command line: a command parses, calls one function of the library and prints what comes of it.

One file per command, and beside them what commands share. Nothing imports from here.
"""

import codecs
import importlib
import os
import re
import sys

import click

from tfcr import __version__, keras_settings
from tfcr.errors import TfcrError, UsageError

# The help lines stand here so that `tfcr --help` imports no command; a test compares them with the commands' own.
_COMMANDS = {
    "prepare-tfrecords": ("prepare", "Read a corpus, compute its features and write verified TFRecords."),
    "extract": (
        "extract",
        "Write features of recordings or transcripts, by a pretrained model or by openSMILE, to HDF5.",
    ),
    "train": ("train", "Train and test one fold."),
    "evaluate": (
        "evaluate",
        "Test a trained run again, on its own test fold, on a released part or on another dataset.",
    ),
    "cross-validate": ("cross_validate", "Train and test every fold of a protocol for one system and alpha."),
    "sweep": ("sweep", "Train and test systems × alphas × folds × seeds, and report."),
    "report": ("report", "Compare runs with each other and with the paper: HTML, figures, CSV, Markdown and LaTeX."),
    "export": ("export", "Write a trained run as a SavedModel for TF Serving, or as an ONNX model."),
    "predict": (
        "predict",
        "Answer recordings with emotions, by an export: files, folders and manifests to CSV or JSON lines.",
    ),
    "serve": ("serve", "Serve an export: TF Serving's REST interface for one model, and a page to try it on."),
    "inspect": ("inspect", "Say what a dataset, run or export holds, and whether it is intact."),
}


_MEMORY_IS_FULL = "the memory is full; close other programs, or lower shuffle_buffer or batch_size"
_CIRCUMSTANCES = re.compile(r"\s|$|Graph execution error|Detected at node|<stack|Hint:")  # in a message of TensorFlow


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx):
        return list(_COMMANDS)

    def get_command(self, ctx, name):
        if name not in _COMMANDS:
            return None
        return importlib.import_module(f"tfcr.cli.{_COMMANDS[name][0]}").command

    def format_commands(self, ctx, formatter):
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.group("tfcr", cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="tfcr")
def cli():
    """Contrastive regularization for multimodal emotion recognition using audio and text (Qian and Han, 2021).

    In an empty folder, `tfcr prepare-tfrecords` and then `tfcr train --fold 3 --alpha 0.1` work as they stand.
    """


def main(arguments: list[str] | None = None) -> None:
    """The `tfcr` command."""
    run(cli, arguments)


def run(command: click.Command, arguments: list[str] | None = None) -> None:
    """Runs a command line; what is a user's to mend becomes one line on the error stream, a bug keeps its traceback.

    Exit codes: 0 done, 1 a failure at run time, 2 wrong usage.
    """
    _replace_what_cannot_be_encoded()
    os.environ["MPLBACKEND"] = "agg"  # figures are files; a notebook says a backend that may not be installed here
    try:
        with keras_settings.variables_kept():
            code = command.main(arguments, prog_name=command.name, standalone_mode=False)
    except UsageError as error:
        code = _fail(error, 2)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = 2
    except click.ClickException as error:
        code = _fail(error.format_message(), error.exit_code)
    except TfcrError as error:
        code = _fail(error, 1)
    except (KeyboardInterrupt, click.Abort):
        code = _fail("interrupted; the same command goes on where it stopped", 1)
    except MemoryError:
        code = _fail(_MEMORY_IS_FULL, 1)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        where = f": {error.filename}" if error.filename else ""
        code = _fail(
            f"{error.strerror or error}{where}; finished work is kept, and the same command goes on with it", 1
        )
    except Exception as error:
        from tfcr import files

        if (lacking := files.room_lacking(error)) is not None:
            code = _fail(f"a disk has no room ({lacking[0]}); {lacking[1]}, and the same command goes on", 1)
        elif _is_tensorflows(error):
            code = _fail(_of_tensorflow(error), 1)
        else:
            raise
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message, code: int) -> int:
    from tfcr.wording import printable

    click.echo("Error: " + printable(" ".join(str(message).split())), err=True)
    return code


def _replace_what_cannot_be_encoded() -> None:
    """A terminal or a log without an alpha gets a question mark instead, and a path keeps the bytes that it has."""
    codecs.register_error("tfcr", _encoded)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="tfcr")


def _encoded(error: UnicodeEncodeError) -> tuple[bytes, int]:
    text = error.object[error.start : error.end]
    encoded = (
        each.encode(error.encoding, "surrogateescape") if "\udc80" <= each <= "\udcff" else b"?" for each in text
    )
    return b"".join(encoded), error.end


_FROM_OUTSIDE = ("ResourceExhaustedError", "DataLossError", "NotFoundError", "PermissionDeniedError")


def _is_tensorflows(error: Exception) -> bool:
    """Whether it is a tf.errors.OpError that memory, disk or data caused; others are bugs and keep their traceback."""
    kinds = [kind.__name__ for kind in type(error).__mro__]  # by name: TensorFlow may not be imported
    return "OpError" in kinds and kinds[0] in _FROM_OUTSIDE


def _of_tensorflow(error: Exception) -> str:
    """The line of its message that says what happened, without the places in the graph around it."""
    lines = [line for line in str(error.message).splitlines() if not _CIRCUMSTANCES.match(line)]
    reason = re.sub(r"^\{\{.*?\}\}\s*", "", lines[0]) if lines else "no reason given"
    if "Too many open files" in reason:
        return f"this process may open no more files ({reason}); raise the limit by `ulimit -n`"
    if type(error).__name__ == "ResourceExhaustedError":
        return f"{_MEMORY_IS_FULL} ({reason})"
    return f"TensorFlow stopped with {type(error).__name__}: {reason}"
