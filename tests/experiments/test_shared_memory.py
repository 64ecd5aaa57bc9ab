"""A sweep's processes where the locks that they share cannot be had."""

import errno
import os
import subprocess
import sys

import pytest

from tfcr.errors import TfcrError
from tfcr.experiments.backends import local

_IN_ITS_OWN_SHM = """
mount -t tmpfs -o {options} tmpfs /dev/shm || exit 77
head -c 65536 /dev/zero > /dev/shm/full 2> /dev/null
exec "$0" -c "$1"
"""
_ASKS_FOR_WORKERS = """
from tfcr.errors import TfcrError
from tfcr.experiments.backends.local import _Workers
try:
    _Workers(2, [], print)
except TfcrError as error:
    print(error)
"""
SENTENCE = (
    "the processes of a sweep need locks in /dev/shm, which cannot be had ({}); make room there, or let it be written "
    "to (in a container: --shm-size); the same command goes on"
)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_locks_that_cannot_be_had_are_said_with_their_place(monkeypatch, number):
    def refuses(**options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(local, "get_reusable_executor", refuses)
    with pytest.raises(TfcrError) as raised:
        local._Workers(2, [], print)
    assert str(raised.value) == SENTENCE.format(os.strerror(number))


@pytest.mark.full
@pytest.mark.parametrize(("options", "reason"), [
    ("size=4k", "No space left on device"), ("size=4k,ro", "Read-only file system"),
])  # fmt: skip
def test_a_small_or_a_read_only_shared_memory(options, reason):
    command = ["unshare", "-m", "sh", "-c", _IN_ITS_OWN_SHM.format(options=options), sys.executable, _ASKS_FOR_WORKERS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except FileNotFoundError:
        pytest.skip("needs unshare")
    if done.returncode == 77 or "Operation not permitted" in done.stderr:
        pytest.skip("a shared memory of one's own needs the right to mount one")
    assert done.stdout.strip() == SENTENCE.format(reason), done.stderr
