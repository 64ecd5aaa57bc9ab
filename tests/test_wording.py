"""Counts and durations in words."""

import pytest

from tfcr.wording import duration


@pytest.mark.parametrize(("seconds", "said"), [
    (0.4, "0 s"), (59.4, "59 s"), (59.7, "1 min"), (60, "1 min"), (3569, "59 min"), (3571, "1 h 0 min"),
])  # fmt: skip
def test_a_duration_is_said_in_the_unit_that_it_is_rounded_to(seconds, said):
    assert duration(seconds) == said
