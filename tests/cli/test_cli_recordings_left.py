"""The time that is left of many recordings, in a log."""

import types

import pytest

from tfcr.cli import display
from tfcr.cli.display import RecordingsProgress


@pytest.fixture
def clock(monkeypatch):
    """The seconds that this process has run for, moved by hand."""
    clock = types.SimpleNamespace(now=100.0)
    monkeypatch.setattr(display, "time", types.SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_what_the_first_answer_waited_for_is_not_expected_of_the_others(clock, monkeypatch):
    said = []
    monkeypatch.setattr(display, "say", said.append)
    progress = RecordingsProgress(339, to_screen=True)
    clock.now += 30  # importing and tracing
    progress.advance()
    for _ in range(169):
        clock.now += 0.1
        progress.advance()
    assert said[0] == "1 of 339 recordings"
    assert said[1:] == ["102 of 339 recordings, 24 s left"]
