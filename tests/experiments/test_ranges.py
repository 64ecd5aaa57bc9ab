"""Numbers as users write them."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tfcr.errors import UsageError
from tfcr.experiments.ranges import decimals, shard, whole_numbers


@pytest.mark.parametrize("digits", [19, 5000])  # Python reads no more than 4,300
def test_a_number_of_too_many_digits_is_refused(digits):
    for read in (lambda: whole_numbers("seeds", "1" * digits), lambda: shard(f"1/{'1' * digits}")):
        with pytest.raises(UsageError):
            read()


def test_a_range_of_decimals_is_exact_and_holds_its_end():
    # 0.1 + 0.1 + 0.1 is 0.30000000000000004 in binary
    assert decimals("alphas", "0:1:0.1") == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    assert decimals("alphas", "0:1:0.3") == (0.0, 0.3, 0.6, 0.9)  # 1.2 is beyond


@given(st.integers(1, 400), st.integers(0, 3))
def test_every_number_of_a_range_is_the_one_that_a_user_would_type(count, places):
    step = f"{1 / 10**places:.{places}f}"
    last = f"{count / 10**places:.{places}f}"
    typed = tuple(float(f"{number / 10**places:.{places}f}") for number in range(count + 1))
    assert decimals("alphas", f"0:{last}:{step}") == typed


def test_lists_ranges_numbers_and_yaml_lists_mean_the_same():
    assert decimals("alphas", "0, 0.1,0.10,1e-1") == decimals("alphas", [0, 0.1]) == (0.0, 0.1)
    assert decimals("alphas", 0.5) == decimals("alphas", ["0.5"]) == (0.5,)
    assert str(decimals("alphas", "-0")[0]) == "0.0"
    assert whole_numbers("folds", "0-2,1,5") == whole_numbers("folds", [0, "1-2", 5]) == (0, 1, 2, 5)
    assert whole_numbers("seeds", 3) == (3,)


@given(st.lists(st.integers(0, 10**6), min_size=1, unique=True))
def test_whole_numbers_are_read_as_they_are_written(numbers):
    assert whole_numbers("seeds", ",".join(map(str, numbers))) == tuple(numbers)


@pytest.mark.parametrize("value", ["", ",", "0,,1", "a", "0:1", "0:1:0", "1:0:0.1", "0:1:-0.1", "nan", "0:inf:1"])
def test_what_is_no_list_of_decimals_is_wrong_usage(value):
    with pytest.raises(UsageError, match="alphas"):
        decimals("alphas", value)


@pytest.mark.parametrize(
    "value", ["", "0,", "-1", "2-1", "1-2-3", "1.5", 1.5, True, None, [], {"a": 1}, "²", "0-99999"]
)
def test_what_is_no_list_of_whole_numbers_is_wrong_usage(value):
    with pytest.raises(UsageError, match="folds"):
        whole_numbers("folds", value)


def test_a_range_that_yaml_takes_for_a_time_wants_quotes():
    assert yaml.safe_load("0:1:0.1") == 60.1
    with pytest.raises(UsageError, match="in quotes"):
        decimals("alphas", yaml.safe_load("0:1:0.1"))


def test_decimals_are_no_endless_range():
    with pytest.raises(UsageError, match="at most 10000"):
        decimals("alphas", "0:1:1e-9")


def test_shards():
    assert shard("1/4") == (1, 4) and shard("4/4") == (4, 4)
    for value in ("5/4", "0/4", "1/0", "1", "1/2/3", "a/b", "-1/4", "1.5/4"):
        with pytest.raises(UsageError, match="shard"):
            shard(value)
