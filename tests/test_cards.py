"""Which cards a machine has, and how workers of a sweep share them; a test's machine has none."""

import dataclasses
import errno
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tfcr import cards
from tfcr.experiments.backends import local
from tfcr.experiments.cells import Cell, nothing, train_cell
from tfcr.experiments.progress import report_ends


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """`machine(cards, seen)`: so many cards, of which TensorFlow sees so many."""
    monkeypatch.setattr(cards, "_DEVICES", tmp_path)
    monkeypatch.delenv(cards.VISIBLE, raising=False)

    def make(count, seen=None):
        for number in range(count):
            (tmp_path / f"nvidia{number}").touch()
        (tmp_path / "nvidiactl").touch()
        monkeypatch.setattr(cards, "_asked", lambda visible: count if seen is None else seen)

    return make


def test_without_cards_tensorflow_is_not_asked(machine, monkeypatch):
    machine(0)
    monkeypatch.setattr(cards, "_asked", lambda visible: pytest.fail("it was asked"))
    assert not cards.there_are_cards() and cards.num_cards() == 0
    assert local._room() == local.cores()


def test_tensorflow_is_asked_how_many_it_sees():
    assert cards._asked(None) == 0  # in a process, on a machine that has none


@pytest.mark.parametrize("hidden", ["", "-1", "NoDevFiles"])
def test_hidden_cards_are_none(machine, monkeypatch, hidden):
    machine(2)
    assert cards.num_cards() == 2
    monkeypatch.setenv(cards.VISIBLE, hidden)
    assert cards.num_cards() == 0


@pytest.mark.parametrize(("seen", "cores", "room"), [(1, 16, 4), (4, 64, 16), (1, 2, 2), (0, 16, 16)])
def test_a_card_trains_so_many_at_a_time(machine, monkeypatch, seen, cores, room):
    machine(4, seen)
    monkeypatch.setattr(local, "cores", lambda: cores)
    assert local._room() == room


def test_one_training_at_a_time_and_mirrored_ones_keep_every_card(machine):
    machine(2)

    def cell(distribution):
        return SimpleNamespace(config=SimpleNamespace(distribution=distribution))

    assert local._to_divide(2, [cell("none")] * 3) == 2
    assert local._to_divide(1, [cell("none")]) == 0
    assert local._to_divide(2, [cell("none"), cell("mirrored")]) == 0


def test_workers_are_told_how_many_cards_they_divide(machine, monkeypatch):
    machine(2)
    started = {}
    monkeypatch.setattr(local, "get_reusable_executor", lambda **named: started.update(named))
    for distribution, told in (("none", 2), ("mirrored", 0)):
        config = SimpleNamespace(threads=1, op_threads=1, distribution=distribution)
        local._Workers(2, [SimpleNamespace(config=config)] * 2, nothing)
        assert started["initializer"] is local._begin and started["initargs"][-1] == told


def test_where_names_cannot_be_had_a_worker_takes_a_card_by_its_own_number(monkeypatch):
    def refused(*arguments):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(cards.socket, "socket", refused)
    monkeypatch.setenv(cards.VISIBLE, "5,7")
    cards.take_card(os.getpid(), 2)
    assert os.environ[cards.VISIBLE] == ("5", "7")[os.getpid() % 2]


_WORKER = """
import os, sys
from tfcr import cards
cards.take_card(int(sys.argv[1]), 2)
print(os.environ[cards.VISIBLE], flush=True)
input()
"""


@pytest.mark.parametrize(("visible", "names"), [("", ["0", "1", "0"]), ("5,GPU-7", ["5", "GPU-7", "5"])])
def test_workers_take_turns_and_one_that_ended_leaves_its_place(visible, names):
    def worker():
        command = [sys.executable, "-c", _WORKER, str(os.getpid())]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env={**os.environ, cards.VISIBLE: visible}, **pipes)

    def card(process):
        return process.stdout.readline().strip()

    workers = []
    try:
        for name in names:
            workers.append(worker())
            assert card(workers[-1]) == name
        workers[1].kill()
        workers[1].wait()
        workers.append(worker())
        assert card(workers[-1]) == names[1]
    finally:
        for process in workers:
            process.kill()
            process.communicate()


def test_a_sweep_says_once_what_its_trainings_found_out_about_the_machine(
    machine, small_config, small_dataset, tmp_path
):
    machine(1)
    cell = Cell(dataclasses.replace(small_config, system="text", alpha=0.0, epochs=1), small_dataset.folder, tmp_path)
    ended, said = train_cell(dataclasses.replace(cell, run=tmp_path / "run")), []
    [remark] = ended.remarks
    assert "an NVIDIA card that TensorFlow does not see" in remark
    other = dataclasses.replace(ended, remarks=(remark, "cosine 0.9991"))
    report_ends([ended, other, dataclasses.replace(ended, remarks=("cosine 0.9993",))], [cell] * 3, said.append)
    assert (said[0], said[2]) == (remark, "cosine 0.9991") and len(said) == 5
    assert all("trained: run" in line for line in (said[1], said[3], said[4]))
