"""A disk that is full at any moment: one line names the folder, nothing is half-written, the same command goes on.

Root can mount a small file system in memory and so has a real full disk; for others it is one of the calls that write.
"""

import contextlib
import errno
import functools
import hashlib
import io
import os
import pathlib
import random
import shutil

import pytest

from tfcr.corpora import synthetic
from tfcr.dataset_info import INDEX, INFO
from tfcr.errors import TfcrError

pytestmark = pytest.mark.usefixtures("tensorflow")

UTTERANCES = 120
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
PAGE = os.sysconf("SC_PAGE_SIZE")  # what a file system in memory counts in


def typed(corpus: pathlib.Path, out: pathlib.Path, workers: int) -> tuple[int, list[str]]:
    """Types the command line in this process; returns exit code and the lines on the error stream that say `Error`."""
    from tfcr.cli import main

    line = ["prepare-tfrecords", "--root", corpus, "--utterances", UTTERANCES, "--name", "small", "--out", out]
    line += ["--features", "spectrogram"]
    err = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in (*line, "--workers", workers)])
    return ended.value.code, [line for line in err.getvalue().splitlines() if line.startswith("Error")]


def digests(out: pathlib.Path) -> dict[str, str]:
    """The SHA-256 of every file, hidden ones included, but the lock and what a verification remembers."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.iterdir())
        if path.name not in (".lock", ".verified.json")
    }


def prepare_tiny(root: pathlib.Path, out: pathlib.Path):
    from tfcr.preparation.options import Preparation
    from tfcr.preparation.prepare import prepare

    return prepare(Preparation("manifest", root, out, "tiny"), 1)


def check_says_so(error: TfcrError, out: pathlib.Path, when: str) -> None:
    """One line that names the folder and says to make room."""
    message = str(error)
    assert "\n" not in message, when
    assert message.startswith((f"{out} cannot take ", f"{out.parent} cannot take {out.name} (")), when
    assert message.endswith("; make room, and the same command goes on"), when


# ---- a disk that is full --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_a_corpus_larger_than_the_disk_is_prepared_once_there_is_room(small_dataset, small_corpus, small_disk, workers):
    complete = digests(small_dataset.folder)
    size = sum(shard.bytes for shard in small_dataset.shards)
    disk, resize = small_disk
    resize(size * 6 // 10)  # four shards of eight, and half of the fifth
    out = disk / "out"
    code, lines = typed(small_corpus, out, workers)
    assert code == 1
    (line,) = lines
    assert f"{out} cannot take small-" in line and "make room, and the same command goes on" in line
    left = digests(out)
    finished = [name for name in left if name.endswith(".tfrecord")]
    assert len(finished) >= 4 - workers
    assert all(left[name] == complete[name] for name in finished)
    assert not (out / INFO).exists() and not (out / INDEX).exists()
    assert not list(out.glob(".*.tmp"))
    resize(2 * size)
    before = {name: (out / name).stat().st_ino for name in finished}
    assert typed(small_corpus, out, workers) == (0, [])
    assert digests(out) == complete
    assert {name: (out / name).stat().st_ino for name in finished} == before


def test_a_disk_without_room_for_anything(small_dataset, small_corpus, small_disk):
    disk, resize = small_disk
    resize(PAGE)
    (disk / "full").write_bytes(b"x" * PAGE)
    code, (line,) = typed(small_corpus, disk / "out", 1)
    assert code == 1
    assert f"{disk / 'out'} cannot take .preparation.json (No space left on device); make room" in line
    resize(1 << 27)
    assert typed(small_corpus, disk / "out", 1) == (0, [])
    assert digests(disk / "out") == digests(small_dataset.folder)


def test_a_disk_without_room_for_the_synthetic_corpus(small_corpus, small_disk):
    disk, resize = small_disk  # 1 MB, of which the corpus takes nine
    with pytest.raises(TfcrError) as raised:
        synthetic.read(disk / "corpus", utterances=UTTERANCES)
    check_says_so(raised.value, disk / "corpus", "writing recordings")
    resize(1 << 27)
    synthetic.read(disk / "corpus", utterances=UTTERANCES)
    found, expected = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")}
        for root in (disk / "corpus", small_corpus)
    )
    assert found == expected


@pytest.mark.full
def test_a_disk_of_any_size(tiny_corpus, tmp_path, small_disk):
    """Too small by one to a dozen pages, where the receipts, the index and the info file are written, or by more."""
    complete = digests(prepare_tiny(tiny_corpus, tmp_path / "complete").folder)
    disk, resize = small_disk
    pages = sum(-(-path.stat().st_size // PAGE) for path in (tmp_path / "complete").iterdir())
    draw = random.Random(0)
    for lacking in [*range(1, 13), *(draw.randrange(13, pages) for _ in range(12))]:
        out = disk / f"{lacking}"
        resize((pages - lacking) * PAGE)
        with pytest.raises(TfcrError) as raised:
            prepare_tiny(tiny_corpus, out)
        check_says_so(raised.value, out, f"{lacking} pages are lacking")
        assert not list(out.glob(".*.tmp"))
        left = digests(out)
        assert all(left[name] == complete[name] for name in left if name.endswith(".tfrecord"))
        resize(2 * pages * PAGE)
        assert digests(prepare_tiny(tiny_corpus, out).folder) == complete, f"{lacking} pages were lacking"
        shutil.rmtree(out)


# ---- a disk that is full at one call --------------------------------------------------------------------------------


class Calls:
    """Stands for a function that writes; its call number `fatal` finds the disk full."""

    def __init__(self, function, fatal: int | None = None):
        self.function, self.fatal, self.count = function, fatal, 0

    def __get__(self, path, _):  # as a method of `pathlib.Path`
        return functools.partial(self, path)

    def __call__(self, *arguments, **options):
        self.count += 1
        if self.count - 1 == self.fatal:
            code = NO_ROOM[self.fatal % 2]
            raise OSError(code, os.strerror(code))
        return self.function(*arguments, **options)


WRITING = [(os, "open"), (os, "fsync"), (os, "replace"), (pathlib.Path, "write_text")]


def check_calls(corpus, folder, monkeypatch, owner, name, choose):
    """Prepares once to count the calls of the function, then again and again on a disk that is full at a chosen one."""
    original = getattr(owner, name)
    counted = Calls(original)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, counted)
        complete = digests(prepare_tiny(corpus, folder / "complete").folder)
    # Eight receipts, the mark twice and the info file; all but `write_text` also see eight shards and the index.
    assert counted.count >= 8 + 2 + 1 + (0 if name == "write_text" else 8 + 1)
    for fatal in choose(range(counted.count)):
        out = folder / f"{fatal}"
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, Calls(original, fatal))
            with pytest.raises(TfcrError) as raised:
                prepare_tiny(corpus, out)
        check_says_so(raised.value, out, f"call {fatal} of {name}")
        assert not list(out.glob(".*.tmp"))
        assert digests(prepare_tiny(corpus, out).folder) == complete, f"call {fatal} of {name}"


@pytest.mark.parametrize(("owner", "name"), WRITING, ids=[name for _, name in WRITING])
def test_a_disk_that_is_full_at_one_call(tiny_corpus, tmp_path, monkeypatch, owner, name):
    draw = random.Random(name)
    check_calls(tiny_corpus, tmp_path, monkeypatch, owner, name, lambda calls: draw.sample(calls, 1))


@pytest.mark.full
@pytest.mark.parametrize(("owner", "name"), WRITING, ids=[name for _, name in WRITING])
def test_a_disk_that_is_full_at_every_call_in_turn(tiny_corpus, tmp_path, monkeypatch, owner, name):
    check_calls(tiny_corpus, tmp_path, monkeypatch, owner, name, lambda calls: calls)
