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
    [line] = _told(capsys, [_row(1, 0.5), *(_row(epoch, 9.0) for epoch in range(2, 20))])
    assert line == (  # 6 * 9 s are less than a minute, 7 * 9 s are more
        "input holds this training back: 7 epochs waited 63 of their 140 s for data; a faster disk helps, or more "
        "--threads"
    )


def test_a_run_that_goes_on_does_not_say_it_again(capsys):
    told = [_row(1, 0.5), *(_row(epoch, 15.0) for epoch in range(2, 7))]
    assert _told(capsys, [_row(7, 15.0)], before=told) == []
    assert len(_told(capsys, [_row(5, 16.0)], before=told[:4])) == 1  # 3 * 15 s + 16 s


def test_a_fifth_of_an_epoch_and_a_minute_are_granted(capsys):
    assert _told(capsys, [_row(epoch, 4.0) for epoch in range(1, 100)]) == []
    assert len(_told(capsys, [_row(epoch, 4.1) for epoch in range(1, 100)])) == 1
    fill = {"seconds": 1.0, "seconds_waiting": 0.5}  # the shuffle of a small corpus fills
    assert _told(capsys, [{**_row(epoch, 0.0), **fill} for epoch in range(1, 101)]) == []
    assert len(_told(capsys, [{**_row(1, 700.0), "seconds": 3600.0}])) == 0
    assert len(_told(capsys, [{**_row(1, 800.0), "seconds": 3600.0}])) == 1


def test_an_epoch_of_an_earlier_version_says_nothing(capsys):
    earlier = _row(1, 0.0)
    del earlier["seconds_waiting"]
    assert _told(capsys, [earlier]) == []


def test_one_of_several_trainings_says_it_once_too(capsys, tmp_path):
    cell = types.SimpleNamespace(run=tmp_path / "cell")
    history = [_row(epoch, 11.0 if epoch > 2 else 0.5) for epoch in range(1, 11)]
    for epochs in range(1, 11):
        display.cell_epoch(cell, history[:epochs], 1)
    said = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in said if "val UA" in line] == ["cell: epoch 5", "cell: epoch 10"]
    [line] = [line for line in said if "input" in line]
    assert line.startswith("cell: input holds this training back: 6 epochs waited 66 of their 120 s ")
