"""The integer counts give back every figure the paper prints."""

import pytest
from scipy.stats import binomtest

from tfcr import published


def test_counts_over_the_test_set_round_to_the_printed_wa():
    # 826/1107 = 74.616 %, 842/1107 = 76.061 %
    total = sum(published.TEST_SIZES.values())
    assert total == published.SPLIT_SIZES["test"] == 1107
    assert round(100 * published.BASELINE_CORRECT / total, 2) == published.table_1_row("fusion", 0.0).wa == 74.62
    assert round(100 * published.PROPOSED_CORRECT / total, 2) == published.table_1_row("fusion", 0.1).wa == 76.06


@pytest.mark.parametrize("cell", published.FIGURE_2, ids=lambda cell: f"{cell.true}-{cell.predicted}")
def test_cells_of_figure_2_round_to_the_printed_percentages(cell):
    # for instance 53/365 = 14.52 %, 60/365 = 16.44 %
    size = published.TEST_SIZES[cell.true]
    assert (round(100 * cell.baseline / size, 2), round(100 * cell.proposed / size, 2)) == cell.printed


def test_the_split_covers_the_corpus():
    assert sum(published.SPLIT_SIZES.values()) == sum(published.CORPUS_SIZES.values()) == 5531


def test_a_net_gain_of_16_is_significant_only_up_to_58_changes():
    # Exact McNemar: with n changes and a net of 16, (n + 16) / 2 of them are gains.
    def p_value(changes):
        return binomtest((changes + published.GAIN) // 2, changes).pvalue

    assert published.GAIN == 16
    assert (
        p_value(published.MOST_CHANGES_FOR_SIGNIFICANCE) < 0.05 <= p_value(published.MOST_CHANGES_FOR_SIGNIFICANCE + 2)
    )


def test_a_system_without_a_row_has_none():
    assert published.table_1_row("fusion", 0.3) is None
    assert published.table_1_row("mdre", 0.0).ua is None
