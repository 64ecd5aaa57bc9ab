"""What the growth benchmark makes and concludes, without the time it takes."""

import growth
import pytest

from tfcr import schema
from tfcr.corpora import manifest, synthetic
from tfcr.corpora.audio import read_audio


def test_a_corpus_has_as_many_utterances_as_its_size_says(tmp_path):
    count = growth.SYNTHETIC.utterances(1 / 30)
    assert count == 40  # of 1,200
    assert growth.SHORT.utterances(16) == 100_000
    growth.SYNTHETIC.write(tmp_path / "corpus", count)
    assert synthetic.is_written(tmp_path / "corpus", utterances=count)
    assert len(synthetic.read(tmp_path / "corpus", utterances=count).utterances) >= count


def test_short_utterances_are_a_manifest_of_recordings_below_a_second(tmp_path):
    assert growth.SHORT.write(tmp_path / "corpus", 40) == ["--corpus", "manifest", "--root", tmp_path / "corpus"]
    utterances = manifest.read(tmp_path / "corpus").utterances
    assert len({utterance.id for utterance in utterances}) == 40
    assert {utterance.emotion for utterance in utterances} == set(schema.EMOTIONS)
    seconds = [len(read_audio(utterance.audio)) / schema.SAMPLE_RATE for utterance in utterances]
    assert 0.29 < min(seconds) < 0.5 and 0.8 < max(seconds) < 1
    words = [len(utterance.transcript.split()) for utterance in utterances]
    assert (min(words), max(words)) == (1, 6)


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
    assert len(rows) == len(growth.STAGES) * 6 - 3  # the stages of a training have one memory
    reads = [row.reads for row in rows if row.ratio is not None]
    assert reads.count("the time for a further utterance") == len(growth.STAGES)
    assert reads.count("the memory") == len(growth.STAGES) - 1
    ratios = [row.ratio for row in rows if row.wanted is not None]
    # time: (55 - 19) / (19 - 10) is 4, for 4 times as many further utterances; memory: 800 / 800
    assert ratios == pytest.approx([1.0] * len(ratios))
    assert all(row.met for row in rows if row.wanted is not None)


def test_square_time_and_growing_memory_miss_them():
    rows = growth.rows(_found(lambda size: size**2, lambda size: 500 + 100 * size), with_goals=True)
    time, memory = [row for row in rows if row.wanted is not None][:2]  # of the preparation
    assert time.ratio == pytest.approx((256 - 16) / 12 / ((16 - 1) / 3))  # 4
    assert memory.ratio == pytest.approx(2100 / 900)
    assert not time.met
    assert not memory.met


def test_the_table_says_of_what_kind_the_utterances_are():
    found = _found(lambda size: 7 + 3 * size, lambda size: 800)
    assert {row.section for row in growth.rows(found, True)} == {"Growth, 1×, 4×, 16× of 1,200 utterances"}
    named = {row.section for row in growth.rows(found, True, growth.SHORT)}
    assert named == {"Growth, 1×, 4×, 16× of 6,250 short utterances"}


def test_growth_that_the_start_of_a_command_hides_has_no_ratio():
    rows = growth.rows(_found(lambda size: 10 + 0.01 * size, lambda size: 500), with_goals=True)
    assert [row.ratio for row in rows if "seconds" in row.what] == [None] * (3 * len(growth.STAGES))
