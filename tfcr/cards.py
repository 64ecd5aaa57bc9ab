"""The NVIDIA cards of this machine and how a sweep's workers share them. No TensorFlow in this process."""

import errno
import functools
import os
import pathlib
import re
import socket
import subprocess
import sys

PER_CARD = 4  # trainings at a time where nobody says how many; one keeps a card busy for a fifth of its time
VISIBLE = "CUDA_VISIBLE_DEVICES"  # CUDA's environment variable
_HIDDEN = ("", "-1", "NoDevFiles")  # what hides all cards by it
_DEVICES = pathlib.Path("/dev")
_CARD = re.compile(r"nvidia\d+|dxg")  # the second within Windows, where there is no other
_ASK = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"


def there_are_cards() -> bool:
    """Whether this machine has a card that this process may use; TensorFlow may lack what it needs for it."""
    hidden = os.environ.get(VISIBLE, "0").strip() in _HIDDEN
    return not hidden and any(_CARD.fullmatch(path.name) for path in _DEVICES.glob("*"))


def num_cards() -> int:
    """How many cards TensorFlow sees; it is asked only where there are any."""
    return seen_by_tensorflow() if there_are_cards() else 0


def seen_by_tensorflow() -> int:
    """How many GPUs TensorFlow sees; asked in a process that ends, so that this one need not import it."""
    return _asked(os.environ.get(VISIBLE))


@functools.cache
def _asked(visible: str | None) -> int:
    """The answer where the environment variable is what it is now."""
    ended = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True)
    said = ended.stdout.strip()
    return int(said) if said.isdecimal() else 0


def take_card(parent: int, cards: int) -> None:
    """Gives this process, a worker of another, one of so many cards, the next one in turn. Before TensorFlow."""
    visible = os.environ.get(VISIBLE, "")
    names = [name for name in visible.split(",") if name] or [str(number) for number in range(cards)]
    os.environ[VISIBLE] = names[_place(parent) % cards]


def _place(parent: int) -> int:
    """The first number that no other worker of the process has, held until this one ends.

    Where a system has no such names, it is this process's own number, by which cards are shared less evenly.
    """
    number = 0
    while True:
        try:
            mark = socket.socket(socket.AF_UNIX)
            mark.bind(f"\0tfcr-worker-{parent}-{number}")  # an abstract name, which leaves no file
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return os.getpid()
            mark.close()
            number += 1
        else:
            _held.append(mark)
            return number


_held: list[socket.socket] = []
