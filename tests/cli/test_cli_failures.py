"""What ends a command: whose fault it is decides between one line and a traceback."""

import os
import subprocess
import sys

import click
import pytest

from tfcr.cli import run

_PRINTS_ALPHA = """
import click
from tfcr.cli import run
def show():
    click.echo("α = 0.1")
    click.echo("α is no number", err=True)
run(click.Command("tfcr", callback=show), [])
"""


def ended(capsys, error: BaseException) -> tuple[int, str]:
    """Exit code and error stream of a command that raises."""

    def fail():
        raise error

    with pytest.raises(SystemExit) as left:
        run(click.Command("tfcr", callback=fail), [])
    return left.value.code, capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_a_stream_without_greek_letters_gets_a_question_mark(encoding):
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", _PRINTS_ALPHA], capture_output=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"? = 0.1\n", b"? is no number\n")


def test_a_path_keeps_its_bytes_on_a_stream():
    code = "from tfcr import cli; cli._replace_what_cannot_be_encoded(); print('M\\udce4rz \u03b1 \\ud800')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "utf-8"}
    )
    assert done.stdout == b"M\xe4rz \xce\xb1 ?\n"


def test_a_full_memory_in_tensorflow_is_said_in_one_line(tensorflow, capsys):
    from tensorflow import errors

    message = (
        "Graph execution error:\n\nDetected at node convolution defined at (most recent call last):\n"
        "<stack traces unavailable>\nOOM when allocating tensor with shape[64,128]\n\t [[{{node convolution}}]]\n"
        "Hint: If you want to see a list of allocated tensors ... [Op:__inference_train_1]"
    )
    assert ended(capsys, errors.ResourceExhaustedError(None, None, message)) == (
        1,
        "Error: the memory is full; close other programs, or lower shuffle_buffer or batch_size "
        "(OOM when allocating tensor with shape[64,128])\n",
    )


def test_a_full_disk_is_not_called_a_full_memory(tensorflow, capsys):
    from tensorflow import errors

    message = "serving/tfcr/1/variables/variables.data-00000-of-00001.tempstate; No space left on device"
    assert ended(capsys, errors.ResourceExhaustedError(None, None, message)) == (
        1,
        "Error: a disk has no room (No space left on device); make room, and the same command goes on\n",
    )
    assert ended(capsys, errors.OutOfRangeError(None, None, "events.out.tfevents; File too large")) == (
        1,
        "Error: a disk has no room (File too large); raise the limit on the size of a file (ulimit -f), and the same "
        "command goes on\n",
    )


def test_too_many_open_files_are_not_called_a_full_memory(tensorflow, capsys):
    from tensorflow import errors

    message = "data/tiny-00007-of-01048.tfrecord; Too many open files [Op:IteratorGetNext]"
    assert ended(capsys, errors.ResourceExhaustedError(None, None, message)) == (
        1,
        "Error: this process may open no more files (data/tiny-00007-of-01048.tfrecord; Too many open files "
        "[Op:IteratorGetNext]); raise the limit by `ulimit -n`\n",
    )


def test_another_failure_of_tensorflow_is_said_in_one_line(tensorflow, capsys):
    from tensorflow import errors

    message = "{{function_node __wrapped__IteratorGetNext_device_/job:x}} truncated record at 7 [Op:IteratorGetNext]"
    assert ended(capsys, errors.DataLossError(None, None, message)) == (
        1,
        "Error: TensorFlow stopped with DataLossError: truncated record at 7 [Op:IteratorGetNext]\n",
    )


def test_a_bug_that_tensorflow_notices_keeps_its_traceback(tensorflow):
    from tensorflow import errors

    def fail():
        raise errors.InvalidArgumentError(None, None, "shapes do not match")

    with pytest.raises(errors.InvalidArgumentError):
        run(click.Command("tfcr", callback=fail), [])


def test_a_bug_keeps_its_traceback():
    def fail():
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        run(click.Command("tfcr", callback=fail), [])
