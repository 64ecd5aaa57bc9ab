"""Several threads call a function of every argument: results in order, failures at once, little held of what waits."""

import threading
import tracemalloc

import pytest

pytestmark = pytest.mark.usefixtures("tensorflow")


@pytest.fixture
def in_threads():
    from tfcr.preparation.shards import in_threads

    return in_threads


@pytest.mark.parametrize("count", [0, 1, 7, 2000, 2001, 5999, 6000])
@pytest.mark.parametrize("workers", [1, 3])
def test_results_stand_in_the_order_of_the_arguments(in_threads, count, workers):
    assert in_threads(lambda number: -number, iter(range(count)), workers) == [-number for number in range(count)]


@pytest.mark.parametrize("count", [20, 20_000])
def test_after_a_failure_no_call_begins(in_threads, count):
    began, stop = [], threading.Event()

    def wait_for_the_failure(number):
        began.append(number)
        if number == 0:
            raise ValueError("the first")
        stop.wait(60)

    with pytest.raises(ValueError, match="the first"):
        in_threads(wait_for_the_failure, range(count), 2, stop)
    assert stop.is_set()
    assert len(began) <= 3  # the one that failed, one beside it, and the next one of its thread


def test_a_hundred_thousand_arguments_wait_in_little_memory(in_threads):
    tracemalloc.start()
    in_threads(lambda _: None, range(100_000), 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * 100_000  # a call that waits by itself takes some 1,500 bytes
