"""The corpus that input and sweeps are timed on is a dataset like any other, with IEMOCAP's sizes."""

import numpy as np
import pytest

from tfcr.verification import verify


@pytest.fixture(scope="module")
def made_up(tensorflow, tmp_path_factory):
    import made_up_dataset

    return made_up_dataset.write(tmp_path_factory.mktemp("made-up"), utterances=100)


def test_it_is_intact_and_its_records_are_as_the_index_says(made_up, tensorflow):
    from tfcr.data import records

    verify(made_up)
    paths = [str(made_up.folder / shard.name) for shard in made_up.shards]
    found = [records.to_record(records.parse(record)) for record in tensorflow.data.TFRecordDataset(paths)]
    rows = [made_up.index[position] for position in made_up.order]
    assert [record.id for record in found] == [row.id for row in rows]
    for record, row in zip(found, rows, strict=True):
        assert (len(record.spectrogram), record.num_frames) == (row.num_segments, row.num_frames)
        assert not record.embeddings[row.num_tokens :].any() and record.embeddings[0].any()


def test_its_utterances_are_as_long_as_iemocaps():
    import made_up_dataset

    # 27,279 segments of 5,531 utterances: 4.93 each
    rows = made_up_dataset._rows(made_up_dataset.UTTERANCES, np.random.default_rng(0))
    assert np.mean([row.num_segments for row in rows]) == pytest.approx(4.93, abs=0.1)


def test_a_cells_cost_is_continued_as_a_straight_line(monkeypatch):
    import made_up_dataset
    import sweep

    monkeypatch.setattr(made_up_dataset, "UTTERANCES", 5000)
    # 3 s and 1 s more for every 100 utterances
    assert sweep.continued({200: 5.0, 800: 11.0}) == pytest.approx(53.0)
