"""HDF5 files with a digest: whole or not there, and never read otherwise than as written."""

import hashlib
import os
import tracemalloc

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcr import checked_hdf5

ROWS = np.arange(6, dtype=np.float32).reshape(2, 3)


def write(path, rows=ROWS):
    with checked_hdf5.written(path, "tfcr rows 1") as file:
        file["rows"] = rows
        file.attrs["source"] = "é"


def read(path, kind="tfcr rows 1", **options):
    with checked_hdf5.opened(path, kind, **options) as file:
        return file["rows"][()].tolist(), file.attrs["source"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A file. Not to be changed."""
    path = tmp_path_factory.mktemp("written") / "rows.h5"
    write(path)
    return path


def test_what_was_written_is_read_by_us_and_by_any_other_reader(written):
    assert read(written) == (ROWS.tolist(), "é")
    with h5py.File(written) as file:  # a user block is nothing to HDF5
        assert file["rows"][()].tolist() == ROWS.tolist()


def test_the_file_says_what_it_is_and_the_sha256_of_what_follows(written):
    content = written.read_bytes()
    kind, digest, rest = content[:512].split(b"\n")
    assert (kind, digest.decode()) == (b"tfcr rows 1", hashlib.sha256(content[512:]).hexdigest())
    assert not rest.strip(b"\0")


def test_equal_content_gives_equal_bytes(written, tmp_path):
    write(tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == written.read_bytes()


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_file_with_any_other_byte_or_end_is_refused(written, tmp_path_factory, data):
    content = bytearray(written.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
    else:
        del content[place:]
    path = tmp_path_factory.getbasetemp() / "damaged.h5"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="digest"):
        read(path)


def test_another_kind_is_refused_and_a_missing_file_is_an_os_error(written, tmp_path):
    with pytest.raises(ValueError, match="digest"):
        read(written, "tfcr rows 2")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.h5")


def test_a_plain_hdf5_file_is_read_only_where_that_is_allowed(tmp_path):
    path = tmp_path / "plain.h5"
    with h5py.File(path, "w") as file:
        file["rows"], file.attrs["source"] = ROWS, "old"
    with pytest.raises(ValueError, match="digest"):
        read(path)
    assert read(path, may_lack_digest=True) == (ROWS.tolist(), "old")


def test_a_block_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "rows.h5"
    write(path)
    before = path.read_bytes()
    with pytest.raises(RuntimeError), checked_hdf5.written(path, "tfcr rows 1") as file:
        file["rows"] = ROWS + 1
        raise RuntimeError
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["rows.h5"]


def test_a_large_file_is_checked_and_read_without_holding_all_of_it(tmp_path):
    with checked_hdf5.written(tmp_path / "large.h5", "tfcr rows 1") as file:
        file["ballast"], file["rows"], file.attrs["source"] = np.zeros(2_000_000), ROWS, "é"  # 16 MB
    tracemalloc.start()
    assert read(tmp_path / "large.h5") == (ROWS.tolist(), "é")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def cut(path):
    os.truncate(path, 100_000)


def overwrite(path):
    with open(path, "r+b") as file:
        file.seek(100_000)
        file.write(bytes(100_000))
    os.utime(path, ns=(1, 1))  # whatever the clock says by now


@pytest.mark.parametrize("names", [["rows"], ["rows", "none"]])
@pytest.mark.parametrize("change", [cut, overwrite])
def test_a_file_that_is_changed_while_it_is_read_is_refused(tmp_path, change, names):
    path = tmp_path / "rows.h5"
    write(path, np.arange(500_000, dtype=np.float32))
    with pytest.raises(ValueError, match="changed while it was read"), checked_hdf5.opened(path, "tfcr rows 1") as file:
        change(path)
        for name in names:  # what is read may be missing, or zeros
            file[name][()]
