"""A training says when input is what holds it back, once, and what to do."""

import types

from tfcr.cli import display


def _row(epoch: int, waiting: float) -> dict:
    """An epoch of 20 seconds."""
    return {
        "epoch": epoch,
        **dict.fromkeys(("loss", "val_loss", "val_wa", "val_ua"), 0.5),
        "seconds": 20.0,
        "seconds_waiting": waiting,
    }


def _told(capsys, rows, before=()) -> list[str]:
    """The lines of a training that goes on after the rows `before`."""
    progress = display.TrainingProgress()
    progress.epochs = len(rows)
    for number, row in enumerate(rows, start=1):
        history = [*before, *rows[:number]]
        progress.epoch(row, types.SimpleNamespace(history=history, epochs=len(history), best_epoch=1))
    return [line for line in capsys.readouterr().err.splitlines() if "input" in line]


def test_a_training_that_waits_for_data_says_so_once_with_the_remedy(capsys):
    [line] = _told(capsys, [_row(1, 0.5), _row(2, 9.0), _row(3, 9.0)])
    assert line == (
        "input holds this training back: in epoch 2 it waited 9.0 of 20.0 s for data; a faster disk helps, or "
        "more --threads"
    )


def test_a_run_that_goes_on_does_not_say_it_again(capsys):
    assert _told(capsys, [_row(3, 9.0)], before=[_row(1, 0.5), _row(2, 9.0)]) == []
    assert len(_told(capsys, [_row(2, 9.0)], before=[_row(1, 0.5)])) == 1


def test_a_fifth_of_an_epoch_and_a_second_are_granted(capsys):
    assert _told(capsys, [_row(1, 4.0)]) == []
    assert len(_told(capsys, [_row(1, 4.1)])) == 1
    assert _told(capsys, [{**_row(1, 0.9), "seconds": 1.0}]) == []  # the shuffle of a small corpus fills


def test_an_epoch_of_an_earlier_version_says_nothing(capsys):
    earlier = _row(1, 0.0)
    del earlier["seconds_waiting"]
    assert _told(capsys, [earlier]) == []


def test_one_of_several_trainings_says_it_once_too(capsys, tmp_path):
    cell = types.SimpleNamespace(run=tmp_path / "cell")
    history = [_row(epoch, 9.0 if epoch > 2 else 0.5) for epoch in range(1, 11)]
    for epochs in range(1, 11):
        display.cell_epoch(cell, history[:epochs], 1)
    said = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in said if "val UA" in line] == ["cell: epoch 5", "cell: epoch 10"]
    [line] = [line for line in said if "input" in line]
    assert line.startswith("cell: input holds this training back: in epoch 3 ")
