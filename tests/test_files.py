"""Files appear whole or not at all, and a folder has one holder."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from types import SimpleNamespace

import pytest

from tfcr import files
from tfcr.errors import TfcrError


def test_a_file_is_there_whole_once_the_block_has_ended(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with files.written_whole(path) as temporary:
        temporary.write_bytes(b"first ")
        assert not path.exists()
        with open(temporary, "ab") as file:
            file.write(b"second")
        assert temporary.parent == path.parent  # a rename over file systems is none
    assert path.read_bytes() == b"first second"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    "error", [ValueError("no"), OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(error)), files.written_whole(path) as temporary:
        temporary.write_text("half of the ne")
        raise error
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_has_the_permissions_that_the_umask_gives(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_text(tmp_path / "a.txt", "x")
    finally:
        os.umask(before)
    # 0o666 without 0o027
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("name", ["elsewhere/a.txt", None])
def test_another_full_disk_than_the_runs_is_named(tmp_path, monkeypatch, name):
    runs, elsewhere = tmp_path / "runs", tmp_path / "elsewhere"
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    free = {runs: 1 << 30, elsewhere: 0}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[folder]))
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *([] if name is None else [str(tmp_path / name)]))
    wanted = r"elsewhere has no room \(No space left on device\); make room, and the same command goes on$"
    with pytest.raises(files.NoRoomError, match=wanted), files.full_disk_named(runs / "run"):
        raise error
    elsewhere.mkdir()
    free[elsewhere] = 1 << 30  # what was written there has been removed again, and the library's words still name it
    for said in (
        f"{elsewhere}/variables.tempstate; {os.strerror(errno.ENOSPC)}",
        f"Can't write (filename = '{elsewhere}/a.h5', error message = '{os.strerror(errno.ENOSPC)}')",
    ):
        with pytest.raises(files.NoRoomError, match=wanted), files.full_disk_named(runs / "run"):
            raise OSError(said)
    free[elsewhere] = 0
    free[runs] = 0  # where both are full, it is what was to be written
    with pytest.raises(files.NoRoomError, match="cannot take run"), files.full_disk_named(runs / "run"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_word_behind_a_stroke_is_no_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_has_room", lambda folder: True)
    full = os.strerror(errno.ENOSPC)
    for said in (f"assign /weights; {full}", f"while reading /none/a.h5; {full}"):
        wanted = rf"^{tmp_path} cannot take run \({full}\)"
        with pytest.raises(files.NoRoomError, match=wanted), files.full_disk_named(tmp_path / "run"):
            raise OSError(said)
    (tmp_path / "full").mkdir()
    wanted = rf"^{tmp_path}/full has no room"  # a folder itself, not the one that it lies in
    with pytest.raises(files.NoRoomError, match=wanted), files.full_disk_named(tmp_path / "runs" / "run"):
        raise OSError(f"{tmp_path}/full; {full}")


def test_json_comes_back_as_it_was_written(tmp_path):
    content = {"grün": [1, 2.5, None, True, "ß"]}
    files.write_json(tmp_path / "a.json", content)
    assert files.read_json(tmp_path / "a.json") == content


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_refuses_what_is_no_number_and_keeps_the_old_file(tmp_path, number):
    files.write_json(tmp_path / "a.json", 1)
    with pytest.raises(ValueError):
        files.write_json(tmp_path / "a.json", number)
    assert files.read_json(tmp_path / "a.json") == 1


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe"])
def test_json_that_is_missing_or_broken_is_named(tmp_path, content):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TfcrError, match=r"a.json"):
        files.read_json(path)


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    for name in (".a.txt.x1y2.tmp", ".lock", "a.txt", "b.tmp"):
        (tmp_path / name).write_text("")
    files.remove_temporaries(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "a.txt", "b.tmp"]


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.sha256_of_file(tmp_path / "a") == expected


_HOLD = """
import sys, time
from tfcr.files import locked
with locked(sys.argv[1], "training"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_has_one_holder_and_is_free_once_that_was_killed(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(TfcrError, match="another process is exporting to"), files.locked(tmp_path, "exporting to"):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        with files.locked(tmp_path, "exporting to"):
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_a_folder_is_free_again_after_its_holder_let_go(tmp_path):
    for _ in range(2):
        with files.locked(tmp_path / "new", "training"):
            pass


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def refused(lock, how):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refused)
    expected = rf"{tmp_path} cannot be locked \(Function not implemented\); name a folder on another file system"
    with pytest.raises(TfcrError, match=expected), files.locked(tmp_path, "training"):
        pass


def test_what_a_killed_writer_of_one_file_left_is_removed_and_nothing_of_others(tmp_path):
    out = tmp_path / "a[1].h5"
    mine, others = (
        f".{out.name}.{'0a' * 6}.tmp",
        [".a1.h5.0a0a0a0a0a0a.tmp", f".{out.name}.parts", f".{out.name}.x.tmp"],
    )
    for name in (mine, *others):
        (tmp_path / name).touch()
    files.remove_temporaries_of(out)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)
