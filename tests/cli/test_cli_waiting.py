"""A training says when input is what holds it back, once, and what to do."""

import types

import pytest

from tfcr.cli import display


def _row(epoch: int, waiting: float) -> dict:
    """An epoch of 20 seconds."""
    return {
        "epoch": epoch,
        **dict.fromkeys(("loss", "val_loss", "val_wa", "val_ua"), 0.5),
        "seconds": 20.0,
        "seconds_waiting": waiting,
    }


def _told(capsys, rows) -> list[str]:
    progress = display.TrainingProgress()
    progress.epochs = len(rows)
    for number, row in enumerate(rows, start=1):
        progress.epoch(row, types.SimpleNamespace(history=rows[:number], epochs=number, best_epoch=1))
    return [line for line in capsys.readouterr().err.splitlines() if "input" in line]


def test_a_training_that_waits_for_data_says_so_once_with_the_remedy(capsys):
    [line] = _told(capsys, [_row(1, 0.5), _row(2, 9.0), _row(3, 9.0)])
    assert line == (
        "input holds this training back: in epoch 2 it waited 9.0 of 20.0 s for data; a faster disk helps, or "
        "more --threads"
    )


def test_a_tenth_of_an_epoch_and_a_second_are_granted(capsys):
    assert _told(capsys, [_row(1, 2.0)]) == []
    assert _told(capsys, [{**_row(1, 0.9), "seconds": 1.0}]) == []  # the shuffle of a small corpus fills


def test_an_epoch_of_an_earlier_version_says_nothing(capsys):
    earlier = _row(1, 0.0)
    del earlier["seconds_waiting"]
    assert _told(capsys, [earlier]) == []


@pytest.mark.parametrize(("waiting", "lines"), [(0.5, 1), (9.0, 2)])
def test_one_of_several_trainings_says_it_with_its_sign_of_life(capsys, tmp_path, waiting, lines):
    display.cell_epoch(types.SimpleNamespace(run=tmp_path / "cell"), _row(5, waiting), 1)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == lines and all(line.startswith("cell: ") for line in said)
