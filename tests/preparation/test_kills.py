"""A preparation that is killed, interrupted or doubled at any moment: the same command makes the dataset of it."""

import contextlib
import io
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

from tfcr.dataset_info import INDEX, INFO, open_dataset
from tfcr.verification import verify

pytestmark = pytest.mark.usefixtures("tensorflow")

UTTERANCES = 120
SHARDS = 8
PATIENCE = 120.0  # seconds that a moment may take to come
_COMMAND = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that a shell runs in the background ignore Ctrl-C
from tfcr.cli import main
main()
"""


def arguments(
    corpus: pathlib.Path, out: pathlib.Path, workers: int | None = None, features: str = "spectrogram"
) -> list[str]:
    line = ["prepare-tfrecords", "--root", corpus, "--utterances", UTTERANCES, "--out", out, "--name", "small"]
    line += ["--features", features]
    return [str(argument) for argument in (line if workers is None else [*line, "--workers", workers])]


def typed_here(*line: str) -> tuple[int, str]:
    """Types a command line in this process, which has TensorFlow already; returns exit code and error stream."""
    from tfcr.cli import main

    err = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(list(line))
    return ended.value.code, err.getvalue()


@contextlib.contextmanager
def typed(*line: str):
    """A real `tfcr` process, which does not outlive the block."""
    with subprocess.Popen(
        [sys.executable, "-c", _COMMAND, *line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen, moment) -> None:
    """Returns when `moment()` has come; the process may not end before."""
    until = time.monotonic() + PATIENCE
    while not moment():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.001)


def half_written(out: pathlib.Path) -> list[pathlib.Path]:
    return [path for path in out.glob(".*.tmp") if path.suffixes[0] == ".tfrecord"]


def shards(out: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.glob("*.tfrecord"))}


def stamps(out: pathlib.Path) -> dict[str, tuple[int, int]]:
    """What changes when a shard is written: its inode and the time."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.glob("*.tfrecord")}


def contents(out: pathlib.Path) -> dict[str, bytes]:
    """Every file of a finished dataset, hidden ones included, but the lock and what a verification remembers."""
    return {
        path.name: path.read_bytes() for path in sorted(out.iterdir()) if path.name not in (".lock", ".verified.json")
    }


@pytest.fixture(scope="module")
def undisturbed(small_corpus, tmp_path_factory) -> dict[str, bytes]:
    """Every file of the dataset as one worker writes it when nobody interferes."""
    out = tmp_path_factory.mktemp("undisturbed")
    code, err = typed_here(*arguments(small_corpus, out, workers=1))
    assert code == 0, err
    assert sum(name.endswith(".tfrecord") for name in contents(out)) == SHARDS
    return contents(out)


def check_goes_on(corpus: pathlib.Path, out: pathlib.Path, undisturbed: dict[str, bytes], *, again=typed_here) -> None:
    """Types the command again: what was finished stays, and nothing tells the dataset from an undisturbed one."""
    finished = stamps(out)
    for name in finished:
        assert (out / name).read_bytes() == undisturbed[name]
    code, err = again(*arguments(corpus, out))
    assert code == 0, err
    assert contents(out) == undisturbed  # no file more, so no temporary
    assert {name: stamp for name, stamp in stamps(out).items() if name in finished} == finished
    verify(open_dataset(out), thoroughly=True)


# ---- kill -9 --------------------------------------------------------------------------------------------------------


def test_a_kill_while_shards_are_written_costs_only_the_shards_under_way(small_corpus, tmp_path, undisturbed):
    out = tmp_path / "out"
    number = random.Random(5).randrange(1, SHARDS)
    with typed(*arguments(small_corpus, out, workers=1)) as process:
        wait_for(process, lambda: len(stamps(out)) >= number and half_written(out))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert number <= len(stamps(out)) < SHARDS
    assert not (out / INFO).exists()
    check_goes_on(small_corpus, out, undisturbed)


def test_a_kill_while_features_are_added_costs_only_the_shards_under_way(small_corpus, tmp_path, full_dataset):
    out, line = tmp_path / "out", arguments(small_corpus, tmp_path / "out", workers=1, features="all")
    number = random.Random(6).randrange(1, SHARDS)
    with typed(*line) as process:
        wait_for(process, lambda: len(list(out.glob("small.mfcc-*.tfrecord"))) >= number)
        process.send_signal(signal.SIGKILL)
        process.wait()
    killed = open_dataset(out)  # what was finished before is a dataset
    verify(killed, thoroughly=True)
    assert "mel" not in killed.features
    finished = stamps(out)
    assert SHARDS + number <= len(finished) < 5 * SHARDS
    code, err = typed_here(*line)
    assert code == 0, err
    assert contents(out) == contents(full_dataset.folder)
    assert {name: stamp for name, stamp in stamps(out).items() if name in finished} == finished


@pytest.fixture(scope="module")
def pace(small_corpus, tmp_path_factory) -> float:
    """Seconds from the first shard's temporary file to the last shard, undisturbed."""
    out = tmp_path_factory.mktemp("pace")
    with typed(*arguments(small_corpus, out)) as process:
        wait_for(process, lambda: half_written(out))
        began = time.monotonic()
        wait_for(process, lambda: len(stamps(out)) == SHARDS)
        return time.monotonic() - began


def typed_anew(*line: str) -> tuple[int, str]:
    with typed(*line) as process:
        _, err = process.communicate()
        return process.returncode, err


# Where each kill falls, as a share of the time in which shards are written: below 0 before the first of them, above 1
# after the last one, while the index and the info file are written.
MOMENTS = [-2, -1, 0.02, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 2]


@pytest.mark.full
@pytest.mark.parametrize("seed", range(len(MOMENTS)))
def test_a_kill_at_any_moment(small_corpus, tmp_path, undisturbed, pace, seed):
    out, draw = tmp_path / "out", random.Random(seed)
    share = MOMENTS[seed] + draw.uniform(0, 0.1)
    with typed(*arguments(small_corpus, out)) as process:
        if share < -1:
            time.sleep(draw.uniform(0, 1))  # while Python starts
        elif share < 0:
            wait_for(process, out.exists)
        elif share < 1:
            wait_for(process, lambda: half_written(out))
            time.sleep(share * pace)
        else:
            wait_for(process, lambda: len(stamps(out)) == SHARDS)
            time.sleep(draw.uniform(0, 0.01))
        process.send_signal(signal.SIGKILL)
        process.wait()
    # One of them goes on in a process of its own, as a user would; the others save its start.
    check_goes_on(small_corpus, out, undisturbed, again=typed_anew if seed == 5 else typed_here)


def replaced_and_killed(monkeypatch, name: str) -> None:
    """The process would end right before the file of that name appears: here, an exception that nobody catches."""

    def replace(source, target, replace=os.replace):
        if pathlib.Path(target).name == name:
            raise KilledError
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(pathlib.Path, "unlink", lambda path, missing_ok=False: None)  # the dead clean nothing up


class KilledError(BaseException):
    """Nothing in the package knows it."""


@pytest.mark.parametrize("name", [".preparation.json", ".small-00003-of-00008.tfrecord.json", INDEX, INFO])
def test_a_kill_right_before_a_file_gets_its_name(small_corpus, tmp_path, undisturbed, monkeypatch, name):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        replaced_and_killed(patch, name)
        with pytest.raises(KilledError):
            from tfcr.cli import main

            main(arguments(small_corpus, out, workers=1))
    assert list(out.glob(f".{name}.*.tmp")) and not (out / name).exists()
    check_goes_on(small_corpus, out, undisturbed)


# ---- Ctrl-C ---------------------------------------------------------------------------------------------------------


def check_interrupted(process: subprocess.Popen) -> None:
    """Presses Ctrl-C."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (1, "")
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line and not line.startswith(("No --embeddings", "Reading "))]
    assert lines == ["Error: interrupted; the same command goes on where it stopped"]


def test_ctrl_c_is_one_line_and_the_second_of_two_preparations_says_so(small_corpus, tmp_path, undisturbed):
    out = tmp_path / "out"
    with typed(*arguments(small_corpus, out, workers=2)) as process:
        wait_for(process, lambda: half_written(out))
        process.send_signal(signal.SIGSTOP)  # it holds the folder for as long as this takes
        os.waitpid(process.pid, os.WUNTRACED)
        before = sorted(out.iterdir())
        code, err = typed_here(*arguments(small_corpus, out))
        assert code == 1
        assert err.splitlines()[-1] == (
            f"Error: another process is preparing {out}; wait for it, or name another folder"
        )
        assert sorted(out.iterdir()) == before
        process.send_signal(signal.SIGCONT)
        check_interrupted(process)
    assert not half_written(out) and not (out / INFO).exists()
    check_goes_on(small_corpus, out, undisturbed)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(4))
def test_ctrl_c_at_any_moment(small_corpus, tmp_path, undisturbed, seed):
    out, number = tmp_path / "out", random.Random(seed).randrange(SHARDS - 2)
    with typed(*arguments(small_corpus, out)) as process:
        wait_for(process, lambda: len(stamps(out)) >= number and half_written(out))  # no clock: machines differ
        check_interrupted(process)
    assert not list(out.glob(".*.tmp"))
    check_goes_on(small_corpus, out, undisturbed)


@pytest.mark.full
def test_two_preparations_that_start_together_make_one_dataset(small_corpus, tmp_path, undisturbed):
    out = tmp_path / "out"
    line = arguments(small_corpus, out)
    with typed(*line) as one, typed(*line) as other:
        errors = {process: process.communicate(timeout=PATIENCE)[1] for process in (one, other)}
    for process in (one, other):
        assert process.returncode in (0, 1)
        assert "Traceback" not in errors[process]
        if process.returncode == 1:
            assert "another process is preparing" in errors[process].splitlines()[-1]
    assert 0 in (one.returncode, other.returncode)
    assert contents(out) == undisturbed


# ---- workers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [2, 5])
def test_several_workers_write_the_bytes_that_one_writes(small_corpus, tmp_path, undisturbed, workers):
    code, err = typed_here(*arguments(small_corpus, tmp_path / "out", workers))
    assert code == 0, err
    assert contents(tmp_path / "out") == undisturbed
