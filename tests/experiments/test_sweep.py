"""A sweep: which trainings it lists, and that nothing keeps it from ending with the bits of an undisturbed one."""

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import random
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcr import protocols, runs
from tfcr.errors import TfcrError, UsageError
from tfcr.experiments import progress
from tfcr.experiments.cells import Cell, Pace
from tfcr.experiments.sweep import Sweep, part, run_sweep, states
from tfcr.models.systems import resolve

WORDS = {"systems": ("text",), "folds": (0, 1)}  # the system that trains fastest


@pytest.fixture
def grid(small_dataset, small_config, tmp_path):
    """`grid(**axes)`: a sweep of the small model over the small dataset, into a folder of the test."""
    config = dataclasses.replace(small_config, threads=1)
    return lambda out=tmp_path / "sweeps", **axes: Sweep(small_dataset, config.to_dict(), out, **axes)


# ---- which trainings ------------------------------------------------------------------------------------------------


def test_a_fold_is_complete_before_the_next_one_and_a_seed_before_the_next_one(grid):
    cells = grid(systems=("fusion", "audio"), alphas=(0, 0.1), folds=(0, 2), seeds=(0, 1)).cells()
    told = [(cell.config.seed, cell.config.fold, cell.config.system, cell.config.alpha) for cell in cells]
    of_a_fold = [("fusion", 0.0), ("fusion", 0.1), ("audio", 0.0)]
    assert told == [(seed, fold, *each) for seed in (0, 1) for fold in (0, 2) for each in of_a_fold]


def test_a_system_without_a_regulariser_is_trained_once_whatever_the_alphas(grid):
    cells = grid(systems=("text", "audio"), alphas=(0.1, 0.2), folds=(3,)).cells()
    assert [(cell.config.system, cell.config.alpha) for cell in cells] == [("text", 0.0), ("audio", 0.0)]


def test_the_defaults_are_baseline_and_proposed_method_on_every_fold(grid):
    cells = grid().cells()
    assert len(cells) == 2 * 10
    assert {(cell.config.system, cell.config.alpha) for cell in cells} == {("fusion", 0.0), ("fusion", 0.1)}


def test_what_stands_twice_is_trained_once_in_a_folder_of_its_own(grid, tmp_path):
    cells = grid(systems=("text", "text"), folds=(1, 1), seeds=(0, 5, 0)).cells()
    assert [cell.run for cell in cells] == [tmp_path / "sweeps" / f"random-text-a0-f1-s{seed}" for seed in (0, 5)]


def test_ones_own_features_that_no_system_of_a_sweep_takes_are_wrong_usage(small_dataset, tmp_path):
    own = {"audio_features": "hubert"}
    with pytest.raises(UsageError, match="system 'text' takes no audio_features; those that do are audio, fusion"):
        Sweep(small_dataset, own, tmp_path, systems=("text", "mdre"))
    with pytest.raises(TfcrError, match="without the features hubert"):  # `audio` takes them, so they are looked for
        Sweep(small_dataset, own, tmp_path, systems=("text", "audio"))


def test_cells_share_everything_but_the_axes(grid):
    cells = grid(systems=("fusion", "text"), seeds=(0, 1)).cells()
    # `resolve` leaves what means nothing without a regulariser to the preset
    shared = {resolve(dataclasses.replace(cell.config, system="fusion", alpha=0.0, fold=0, seed=0)) for cell in cells}
    assert len(shared) == 1
    assert len({cell.run for cell in cells}) == len(cells) == 2 * 10 * 3


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"systems": ("fusoin",)}, "no system 'fusoin'"),
        ({"alphas": (0.1, 1.5)}, "alpha must be from 0 to 1; received 1.5"),
        ({"folds": (0, 10)}, "fold must be from 0 to 9 for protocol 'random'; received 10"),
        ({"seeds": (2**31,)}, "seed must be"),
        ({"seeds": ()}, "empty: it has no seeds"),
        ({"systems": ()}, "empty: it has no systems"),
        ({"alphas": ()}, "empty: it has no alphas"),
        ({"folds": ()}, "empty: it has no folds"),
    ],
)
def test_what_does_not_exist_is_wrong_usage(grid, axes, message):
    with pytest.raises(UsageError, match=message):
        grid(**axes)


def test_a_configuration_that_contradicts_the_dataset_is_wrong_usage(small_dataset, small_config, tmp_path):
    for name, value in (("preset", "authors"), ("dataset_sha256", "0" * 64)):
        with pytest.raises(UsageError, match="dataset"):
            Sweep(small_dataset, {**small_config.to_dict(), name: value}, tmp_path)


def test_too_few_groups_are_said_before_anything_is_trained(small_dataset, small_config, tmp_path):
    labelled = small_dataset.labelled
    silent = dataclasses.replace(small_dataset)
    silent.__dict__["labelled"] = dataclasses.replace(labelled, sessions=[""] * len(labelled.ids))
    with pytest.raises(TfcrError, match="needs a session for every utterance"):
        Sweep(silent, {**small_config.to_dict(), "protocol": "session"}, tmp_path)


@given(st.integers(0, 200), st.integers(1, 60))
def test_shards_are_disjoint_cover_everything_in_order_and_are_even(count, shards):
    parts = [part(range(count), number, shards) for number in range(1, shards + 1)]
    assert [cell for each in parts for cell in each] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_shard_beyond_the_last_is_wrong_usage():
    with pytest.raises(UsageError, match="received 5/4"):
        part(range(8), 5, 4)


# ---- the trainings --------------------------------------------------------------------------------------------------

RESULTS = (runs.PREDICTIONS, runs.METRICS, runs.WEIGHTS)


def results(out: pathlib.Path) -> dict[str, tuple]:
    """Of every finished run below: the bytes of its predictions, and its metrics without time and environment."""
    found = {}
    for folder in sorted(out.iterdir()):
        if (folder / runs.METRICS).is_file():
            metrics = json.loads((folder / runs.METRICS).read_text())
            del metrics["seconds"], metrics["environments"]  # Ray sets OMP_NUM_THREADS in its workers
            found[folder.name] = ((folder / runs.PREDICTIONS).read_bytes(), metrics)
    return found


def stamps(out: pathlib.Path) -> dict[pathlib.Path, tuple[int, int]]:
    """What changes when a result of a finished run is written again: its inode and the time."""
    finished = [path.parent for path in out.glob(f"*/{runs.METRICS}")]
    paths = [folder / name for folder in finished for name in RESULTS]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


@pytest.fixture(scope="module")
def undisturbed(small_dataset, small_config, tmp_path_factory) -> pathlib.Path:
    """Where words on two folds were trained by one worker. Not to be changed."""
    out = tmp_path_factory.mktemp("undisturbed")
    swept = run_sweep(Sweep(small_dataset, {**small_config.to_dict(), "threads": 1}, out, **WORDS), workers=1)
    assert not swept.failures and not swept.missing
    assert len(results(out)) == 2
    return out


@pytest.mark.usefixtures("unforeseen")
def test_one_thread_gives_the_bits_of_two(small_dataset, small_config, trained_run, tmp_path):
    config = dataclasses.replace(small_config, alpha=0.1, epochs=1)
    axes = {"alphas": (0.1,), "folds": (0,)}
    sweep = Sweep(small_dataset, {**config.to_dict(), "threads": 1}, tmp_path / "sweep", **axes)
    assert not run_sweep(sweep, workers=1).missing
    one = runs.open_run(sweep.cells()[0].run)
    two = trained_run
    assert (one.metrics["threads"], two.metrics["threads"]) == (1, 2)
    assert one.metrics["weights_sha256"] == two.metrics["weights_sha256"]
    np.testing.assert_array_equal(one.predictions.logits, two.predictions.logits)


def test_shards_in_any_order_and_workers_in_any_number_give_the_same_bytes(grid, undisturbed, tmp_path):
    sweep, said = grid(**WORDS), []
    report = tmp_path / "report"
    one = run_sweep(sweep, workers=2, shard=(2, 2), report=report, say=said.append)
    assert (one.missing, one.report) == (1, None) and not report.exists()
    assert [state for _, state in states(sweep)] == ["missing", "done"]
    assert said[0].startswith("1 training: at most ") and said[1].startswith("1 of 1 trained: random-text-a0-f1-s0")
    before = stamps(sweep.out)

    all_of_it = run_sweep(sweep, workers=2, report=report)
    assert all_of_it.missing == 0 and all_of_it.report.page.is_file()
    assert results(sweep.out) == results(undisturbed)
    assert {path: stamp for path, stamp in stamps(sweep.out).items() if path in before} == before

    finished = stamps(sweep.out)
    again = run_sweep(sweep, workers=1, say=said.append)
    assert said[-2:] == [f"{n} of 2 was trained before: random-text-a0-f{n - 1}-s0" for n in (1, 2)]
    assert (again.missing, again.report) == (0, None)
    assert stamps(sweep.out) == finished


def test_workers_that_stayed_follow_into_the_folder_of_the_next_call(grid, tmp_path, monkeypatch):
    from tfcr.experiments.backends import local
    from tfcr.experiments.cells import nothing

    [cell] = grid(systems=("text",), folds=(0,)).cells()
    found = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)  # paths of cells may be relative to it
        with local._Workers(1, [cell], nothing) as pool:
            found.append((local._submit(pool, os.getpid).result(), local._submit(pool, os.getcwd).result()))
    (first, one), (second, other) = found
    assert first == second  # else this test shows nothing
    assert (one, other) == (str(tmp_path / "one"), str(tmp_path / "other"))


@pytest.mark.usefixtures("unforeseen")
def test_a_failing_cell_stops_no_other_and_is_named(grid, undisturbed, tmp_path):
    sweep = grid(**WORDS)
    first = sweep.cells()[0]
    first.run.mkdir(parents=True)
    (first.run / "thesis.tex").write_text("years of work")
    said = []
    swept = run_sweep(sweep, workers=1, report=tmp_path / "report", say=said.append)
    assert swept.failures == {first.run: "is not empty and is no run; choose another folder for the runs"}
    assert (swept.missing, swept.report) == (1, None)
    assert said[1].startswith(f"1 of 2 failed: {first.run}: ") and said[2].startswith("2 of 2 trained")
    assert results(sweep.out).items() <= results(undisturbed).items()


def test_a_fold_without_utterances_fails_alone_and_all_such_folds_at_once(grid, monkeypatch):
    split = protocols.split

    def small(protocol, fold, *arguments):
        if fold in too_small:
            raise TfcrError(f"fold {fold} has no test utterances")
        return split(protocol, fold, *arguments)

    monkeypatch.setattr(protocols, "split", small)
    too_small = {1}
    assert len(grid(**WORDS).cells()) == 2
    too_small = {0, 1}
    with pytest.raises(TfcrError, match="fold 0 has no test utterances"):
        grid(**WORDS)


def test_a_run_of_another_configuration_is_refused_before_anything_is_trained(grid, undisturbed):
    sweep = grid(undisturbed, systems=("text",), folds=(2, 1))
    other = dataclasses.replace(sweep, fields={**sweep.fields, "epochs": 3})
    with pytest.raises(TfcrError, match=r"its epochs is 2, not 3; remove it, or choose another --out"):
        run_sweep(other)
    assert not (undisturbed / "random-text-a0-f2-s0").exists()


@pytest.fixture
def unforeseen(monkeypatch):
    """Saves the timed steps of a forecast."""
    monkeypatch.setattr(progress, "forecast", lambda *arguments: ("a forecast", {}))


def test_the_slowest_of_what_is_missing_come_first(grid, tmp_path, monkeypatch):
    sweep = grid(tmp_path / "out", systems=("text", "audio", "fusion"), alphas=(0.1,), folds=(0,))
    handed = []
    (tmp_path / "out" / "random-text-a0-f0-s0").mkdir(parents=True)
    monkeypatch.setattr(Cell, "is_done", property(lambda cell: cell.config.system == "text"))
    paces = {"audio": Pace(1, 1), "fusion": Pace(1, 2)}
    monkeypatch.setattr(progress, "forecast", lambda *arguments: ("a forecast", paces))
    monkeypatch.setattr(progress, "train_cells", lambda cells, *arguments: handed.extend(cells) or ())
    run_sweep(sweep)
    assert [cell.config.system for cell in handed] == ["text", "fusion", "audio"]


@contextlib.contextmanager
def held(folder: pathlib.Path):
    """Holds a run's folder as a training of another process does."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@pytest.mark.usefixtures("unforeseen")
def test_a_cell_that_another_process_trains_is_passed_over_and_taken_again_when_it_is_free(grid, undisturbed, tmp_path):
    sweep = grid(**WORDS)
    first, second = sweep.cells()
    shutil.copytree(undisturbed / second.run.name, second.run)
    with held(first.run):
        swept = run_sweep(sweep, workers=1, report=tmp_path / "report")
    assert swept.elsewhere == [first.run] and not swept.failures
    assert (swept.missing, swept.report) == (1, None)
    assert not (first.run / runs.CONFIG).exists()
    swept = run_sweep(sweep, workers=1)
    assert not swept.elsewhere and results(sweep.out) == results(undisturbed)


# ---- kill -9 --------------------------------------------------------------------------------------------------------

PATIENCE = 180.0  # seconds that a moment may take to come
_COMMAND = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that a shell runs in the background ignore Ctrl-C
from tfcr.cli import main
main()
"""


class Typed:
    """A real `tfcr sweep` in processes that are known again by their environment."""

    def __init__(self, *arguments):
        self.mark = f"TFCR_TEST_MARK={secrets.token_hex(8)}"
        name, value = self.mark.split("=")
        self.process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, *map(str, arguments)],
            env={**os.environ, name: value},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.communicate()

    def wait_for(self, moment) -> None:
        """Returns when `moment()` has come; the sweep may not end before."""
        until = time.monotonic() + PATIENCE
        while not moment():
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.005)

    def left(self) -> list[int]:
        """Its processes that still live, workers included."""
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self.mark.encode() in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        return found

    def leaves_nothing(self, seconds: float = 30) -> None:
        until = time.monotonic() + seconds
        while left := self.left():
            assert time.monotonic() < until, f"outlived their sweep: {[*map(_command, left)]}"
            time.sleep(0.1)


def _command(process: int) -> str:
    """What a process was called by."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return "?"


def histories(out: pathlib.Path) -> dict[str, list[dict]]:
    """The epochs that every run has had, of those that the checkpoint of a run that was cut off knows."""
    return {
        path.parents[1].name: json.loads(path.read_text())["history"] for path in out.glob("*/checkpoints/state.json")
    }


def check_goes_on(out: pathlib.Path, sweep_again, undisturbed: pathlib.Path) -> None:
    """Sweeps again: the results are those of an undisturbed sweep, and no finished epoch was trained twice."""
    finished, begun = stamps(out), histories(out)
    sweep_again()
    assert results(out) == results(undisturbed)
    assert {path: stamp for path, stamp in stamps(out).items() if path in finished} == finished
    for name, epochs in begun.items():  # the seconds that an epoch took tell it from the same epoch trained again
        assert runs.open_run(out / name).history[: len(epochs)] == epochs
    assert not [path for path in out.rglob("*") if ".tmp" in path.name]


@pytest.mark.usefixtures("unforeseen")
def test_a_killed_sweep_goes_on_and_ends_with_the_bits_of_an_undisturbed_one(grid, line, undisturbed, tmp_path):
    out, draw = tmp_path / "sweeps", random.Random(7)
    with Typed(*line(out, "--systems", "text", "--folds", "0-1", "--workers", 1)) as killed:
        killed.wait_for(lambda: histories(out))
        time.sleep(draw.uniform(0, 1))
        os.kill(killed.process.pid, signal.SIGKILL)
        check_goes_on(out, lambda: run_sweep(grid(**WORDS), workers=1), undisturbed)
        killed.leaves_nothing()


FOUR = ("--systems", "fusion,text", "--alphas", "0.1", "--folds", "0", "--seeds", "0-1")
GRID = {"systems": ("fusion", "text"), "alphas": (0.1,), "folds": (0,), "seeds": (0, 1)}


@pytest.fixture(scope="module")
def pace(line, tmp_path_factory) -> tuple[pathlib.Path, float]:
    """Where both systems were trained with two seeds by an undisturbed command, and the seconds that it took."""
    out, began = tmp_path_factory.mktemp("pace"), time.monotonic()
    with Typed(*line(out, *FOUR)) as typed:
        _, err = typed.process.communicate()
        assert typed.process.returncode == 0, err
        seconds = time.monotonic() - began
        typed.leaves_nothing()
    return out, seconds


@pytest.mark.full
@pytest.mark.parametrize("tenth", range(10))
def test_a_sweep_that_is_killed_at_any_moment_goes_on_at_once(line, pace, tmp_path, tenth):
    undisturbed, seconds = pace
    out, draw = tmp_path / "sweeps", random.Random(tenth)
    command = line(out, *FOUR, "--workers", 2)
    out.mkdir()
    with Typed(*command) as killed:
        time.sleep(draw.uniform(tenth, tenth + 1) / 10 * seconds)
        os.kill(killed.process.pid, signal.SIGKILL)

        def again():
            with Typed(*command) as typed:
                _, err = typed.process.communicate()
                assert typed.process.returncode == 0, err
                assert "elsewhere" not in err
                typed.leaves_nothing()

        check_goes_on(out, again, undisturbed)
        killed.leaves_nothing()


@pytest.mark.full
def test_ctrl_c_is_one_line_and_leaves_no_process(line, pace, grid, tmp_path):
    out = tmp_path / "sweeps"
    with Typed(*line(out, *FOUR, "--workers", 2)) as typed:
        typed.wait_for(lambda: histories(out))
        os.killpg(typed.process.pid, signal.SIGINT)  # a terminal tells the workers as well
        printed, err = typed.process.communicate(timeout=PATIENCE)
        assert (typed.process.returncode, printed) == (1, "")
        assert "Traceback" not in err
        assert err.splitlines()[-1] == "Error: interrupted; the same command goes on where it stopped"
        typed.leaves_nothing()
    check_goes_on(out, lambda: run_sweep(grid(**GRID), workers=2), pace[0])


@pytest.mark.full
def test_a_worker_that_is_killed_costs_no_cell(grid, pace, tmp_path):
    sweep, killed = grid(**GRID), []

    def kill():
        until = time.monotonic() + PATIENCE
        while not histories(sweep.out) and time.monotonic() < until:
            time.sleep(0.02)
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == os.getpid() and b"popen_loky" in (process / "cmdline").read_bytes():
                    killed.append(int(process.name))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    swept = run_sweep(sweep, workers=2)
    killer.join()
    assert killed and not swept.failures and not swept.missing
    assert results(sweep.out) == results(pace[0])


@pytest.mark.full
def test_two_sweeps_on_one_folder_share_the_work(line, pace, tmp_path):
    out = tmp_path / "sweeps"
    command = line(out, *FOUR, "--workers", 1)
    with Typed(*command) as one, Typed(*command) as other:
        for typed in (one, other):
            _, err = typed.process.communicate()
            assert typed.process.returncode == 0 and "failed" not in err, err
    assert results(out) == results(pace[0])
