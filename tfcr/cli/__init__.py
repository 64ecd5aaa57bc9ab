"""The command line: a command parses, calls one function of the library and prints what comes of it."""

import importlib
import sys

import click

from tfcr import __version__
from tfcr.errors import TfcrError, UsageError

# The help lines stand here so that `tfcr --help` imports no command; a test compares them with the commands' own.
_COMMANDS = {
    "prepare-tfrecords": ("prepare", "Read a corpus, compute its features and write verified TFRecords."),
    "train": ("train", "Train and test one fold."),
    "evaluate": ("evaluate", "Test a trained run again, on its own test fold or on another dataset."),
    "report": ("report", "Compare runs with each other and with the paper: HTML, figures, CSV and Markdown."),
    "export": ("export", "Write a trained run as a SavedModel for TF Serving."),
    "inspect": ("inspect", "Say what a dataset, run or export holds, and whether it is intact."),
}


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
    try:
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
        code = _fail("the memory is full; close other programs, or lower shuffle_buffer or batch_size", 1)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        where = f": {error.filename}" if error.filename else ""
        code = _fail(
            f"{error.strerror or error}{where}; finished work is kept, and the same command goes on with it", 1
        )
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message, code: int) -> int:
    click.echo("Error: " + " ".join(str(message).split()), err=True)
    return code
