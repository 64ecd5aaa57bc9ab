"""A training may hold more files open than a shell allows by default, and fewer than the machine refuses."""

import resource

import pytest

from tfcr.data import open_files
from tfcr.errors import TfcrError


@pytest.fixture
def limits(monkeypatch):
    """The limits, soft and hard, of a process that has those of this list."""
    found = [1024, 4096]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: tuple(found))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, both: found.__setitem__(slice(None), both))
    return found


def test_the_limit_is_raised_to_what_is_needed_and_no_further(limits):
    open_files.allow(896)  # and 128 others
    assert limits == [1024, 4096]
    open_files.allow(2000)
    assert limits == [2128, 4096]
    open_files.allow(10)
    assert limits == [2128, 4096]


def test_a_machine_that_allows_fewer_is_named_before_anything_is_opened(limits):
    with pytest.raises(TfcrError, match=r"holds 4096 shards open, .* of 4224 open files; this machine allows 4096 \("):
        open_files.allow(4096)
    assert limits == [1024, 4096]
