"""What the growth benchmark makes and concludes, without the time it takes."""

import growth
import pytest

from tfcr.corpora import synthetic


def test_a_corpus_has_as_many_utterances_as_its_size_says(tmp_path):
    count = growth.utterances(1 / 30)
    assert count == 40  # of 1,200
    folder = growth.write_corpus(tmp_path, count)
    assert synthetic.is_written(folder, utterances=count)
    assert len(synthetic.read(folder, utterances=count).utterances) >= count


def test_sizes_are_sixteen_times_as_large_from_end_to_end():
    for name, sizes in growth.SIZES.items():
        assert list(sizes) == sorted(sizes)
        if name != "quick":
            assert sizes[-1] == 16 * sizes[0]
    assert [growth.printed(size) for size in (1 / 8, 1, 16)] == ["1/8×", "1×", "16×"]


def _found(seconds, megabytes):
    return {size: {stage: (seconds(size), 1e6 * megabytes(size)) for stage in growth.STAGES} for size in (1, 4, 16)}


def test_linear_time_after_any_start_and_flat_memory_reach_their_goals():
    rows = growth.rows(_found(lambda size: 7 + 3 * size, lambda size: 800 if size > 1 else 500), with_goals=True)
    assert len(rows) == len(growth.STAGES) * 6
    reads = [row.reads for row in rows if row.ratio is not None]
    assert reads == ["the time for a further utterance", "the memory"] * len(growth.STAGES)
    ratios = [row.ratio for row in rows if row.wanted is not None]
    # time: (55 - 19) / (19 - 10) is 4, for 4 times as many further utterances; memory: 800 / 800
    assert ratios == pytest.approx([1.0] * len(ratios))
    assert all(row.met for row in rows if row.wanted is not None)


def test_square_time_and_growing_memory_miss_them():
    rows = growth.rows(_found(lambda size: size**2, lambda size: 500 + 100 * size), with_goals=True)
    time, memory = [row for row in rows if row.wanted is not None][:2]
    assert time.ratio == pytest.approx((256 - 16) / 12 / ((16 - 1) / 3))  # 4
    assert memory.ratio == pytest.approx(2100 / 900)
    assert not time.met
    assert not memory.met


def test_growth_that_the_start_of_a_command_hides_has_no_ratio():
    rows = growth.rows(_found(lambda size: 10 + 0.01 * size, lambda size: 500), with_goals=True)
    assert [row.ratio for row in rows if "seconds" in row.what] == [None] * (3 * len(growth.STAGES))
