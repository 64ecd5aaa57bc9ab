"""Shards by Apache Beam: the files of the local writer, whatever happens to the workers.

DirectRunner works in one process here; tests with two are long.
"""

import contextlib
import importlib.util
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from tfcr.dataset_info import INFO, open_dataset
from tfcr.features.own import write_features
from tfcr.verification import verify

pytestmark = pytest.mark.usefixtures("tensorflow")
needs_beam = pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None, reason="Apache Beam is not installed: pip install '.[beam]'"
)

HERE = ("--runner", "DirectRunner")
TWO_PROCESSES = (*HERE, "--direct_num_workers", "2", "--direct_running_mode", "multi_processing")
PATIENCE = 600.0  # seconds that a moment may take to come
_COMMAND = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that a shell runs in the background ignore Ctrl-C
from tfcr.cli import main
main()
"""


def typed(*line) -> tuple[int, str]:
    """Types `tfcr prepare-tfrecords …` in this process; returns exit code and error stream."""
    from tfcr.cli import main

    err = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(["prepare-tfrecords", *map(str, line)])
    return ended.value.code, err.getvalue()


def done(*line) -> str:
    code, err = typed(*line)
    assert code == 0, err
    return err


def contents(out: pathlib.Path) -> dict[str, bytes]:
    """Every file of a finished dataset, hidden ones included, but the lock and what a verification remembers."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name not in (".lock", ".verified.json")
    }


def records(out: pathlib.Path) -> dict[bytes, bytes]:
    """Utterance id → its serialised record."""
    import tensorflow as tf

    found = {}
    for path in sorted(out.glob("*-of-*.tfrecord")):
        if path.name.count(".") == 1:  # not a feature set's
            for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
                example = tf.train.Example.FromString(record)
                found[example.features.feature["id"].bytes_list.value[0]] = record
    return found


def stamps(out: pathlib.Path) -> dict[str, tuple[int, int]]:
    """What changes when a shard is written: its inode and the time."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.glob("*.tfrecord")}


def manifest(root: pathlib.Path) -> list:
    return ["--corpus", "manifest", "--root", root, "--name", "tiny"]


# ---- what is asked for ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["typed", "in a file"])
def test_without_the_extra_the_option_names_it(tiny_corpus, tmp_path, monkeypatch, where):
    (tmp_path / "beam.yaml").write_text("runner: DirectRunner\n")
    asked = HERE if where == "typed" else ("--config", tmp_path / "beam.yaml")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "apache_beam" else find(name))
    assert typed(*manifest(tiny_corpus), "--out", tmp_path / "out", *asked) == (
        1,
        "Error: --runner needs a package that is not installed (apache_beam); in tfcr's clone, pip install '.[beam]'\n",
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--worker", "2"], "No such option '--worker'"),
        (["--direct_num_workers", "2"], "No such option '--direct_num_workers'"),
        (["stray"], "unexpected extra argument (stray)"),
        (
            ["--out", "gs://bucket/folder"],
            "--out gs://bucket/folder is no path; Apache Beam writes to URLs, by --runner",
        ),
    ],
)
def test_without_a_runner_nobody_takes_what_is_beams(tiny_corpus, tmp_path, line, message):
    code, err = typed(*manifest(tiny_corpus), "--out", tmp_path / "out", *line)
    assert code == 2 and message in err and err.count("\n") == 1


@needs_beam
@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (["--runner", "Foo"], 2, "--runner Foo is none of Apache Beam's; expected one of "),
        (["--runner", "os.getcwd"], 2, "--runner os.getcwd is none of Apache Beam's"),
        (["--runner", "os.abort"], 2, "--runner os.abort is none of Apache Beam's"),
        (["--runner", "no_such_package.Runner"], 1, "--runner no_such_package.Runner cannot be had: No module named"),
        (["--runner", "DataflowRunner"], 2, "Missing required option: project."),
        ([*HERE, "--direct_num_workers", "x"], 2, "argument --direct_num_workers: invalid int value: 'x'"),
        ([*HERE, "--direct_running_mode=x"], 2, "argument --direct_running_mode: invalid choice: 'x'"),
        ([*HERE, "--worker", "2"], 2, "--worker is an option neither of tfcr prepare-tfrecords nor of Apache Beam"),
        ([*HERE, "--", "stray"], 2, "stray is an option neither of"),
        ([*HERE, "--beam_plugin", "no_such_module"], 2, "--beam_plugin no_such_module cannot be imported"),
        (
            [*HERE, "--out", "nosuch://bucket/folder"],
            1,
            "nosuch://bucket/folder cannot be used: Unable to get filesystem",
        ),
    ],
)
def test_what_beam_does_not_know_is_one_line(tiny_corpus, tmp_path, monkeypatch, line, code, message):
    monkeypatch.chdir(tmp_path)
    ended, err = typed(*manifest(tiny_corpus), *line)
    assert (ended, err.count("\n")) == (code, 1), err
    assert message in err
    assert not (tmp_path / "data").exists()


@needs_beam
def test_a_file_names_no_class_to_import(tiny_corpus, tmp_path):
    (tmp_path / "beam.yaml").write_text("runner: apache_beam.runners.direct.DirectRunner\n")
    code, err = typed(*manifest(tiny_corpus), "--out", tmp_path / "out", "--config", tmp_path / "beam.yaml")
    assert code == 2 and "names a class, which a file may not; type it, or name one of " in err
    assert not (tmp_path / "out").exists()


# ---- one process ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def driver():
    """A process that runs pipelines: to import Beam takes it seconds."""
    from tfcr.preparation.beam.driver import Driver

    driver = Driver(lambda sentence: None, "DirectRunner")
    yield driver
    driver.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(driver.process.pid, 0)


@pytest.fixture
def one_driver(driver, monkeypatch):
    """What runs the pipelines of a test's one command by Beam, which begins and ends it; it goes on for other tests."""
    from tfcr.preparation.beam import writer

    calls = []
    with monkeypatch.context() as patch:
        patch.setattr(writer, "Driver", lambda say, runner: calls.append("begun") or driver)
        patch.setattr(driver, "stop", lambda: calls.append("ended"))
        yield
    assert calls == ["begun", "ended"]


@needs_beam
@pytest.mark.usefixtures("one_driver")
def test_beam_writes_the_files_of_the_local_writer(tiny_corpus, tmp_path):
    own = tmp_path / "hubert.h5"
    write_features(own, [(f"u{number:02d}", np.full((3, 4), number, np.float32)) for number in range(16)])
    line = [*manifest(tiny_corpus), "--features", "all", "--audio-features", own]
    done(*line, "--out", tmp_path / "local")
    done(*line, "--out", tmp_path / "beam", *HERE)
    assert contents(tmp_path / "beam") == contents(tmp_path / "local")
    assert len(records(tmp_path / "beam")) == 16
    dataset = open_dataset(tmp_path / "beam")
    verify(dataset, dataset.features, thoroughly=True)


@pytest.fixture
def by_url(tiny_corpus, tmp_path, monkeypatch):
    """A command line but for `--out`, what makes Beam write to store://bucket/set, and where that is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OBJECT_STORE", str(tmp_path / "store"))
    monkeypatch.syspath_prepend(pathlib.Path(__file__).parent)
    words = tmp_path / "words.csv"
    words.write_text("id,transcript\n" + "".join(f"u{number:02d},Said {number % 4}\n" for number in range(16)))
    line = [*manifest(tiny_corpus), "--preset", "authors", "--emotions", "anger,sadness", "--transcripts", words]
    there = tmp_path / "store" / "bucket" / "set"
    return line, ["--out", "store://bucket/set", *HERE, "--beam_plugin", "object_store"], there


@needs_beam
@pytest.mark.full
def test_by_url_the_dataset_is_the_same_too_and_is_found_again_and_mended(by_url, tmp_path):
    line, url, there = by_url
    done(*line, "--out", tmp_path / "local")
    assert "next: copy store://bucket/set to a path of this machine" in done(*line, *url)
    whole, left = contents(there), stamps(there)
    assert whole == contents(tmp_path / "local")
    assert not (tmp_path / "data").exists()

    (there / "tiny-00003-of-00008.tfrecord").write_bytes(b"cut")
    (there / ".tiny-00003-of-00008.tfrecord.0123456789ab.tmp").write_bytes(b"of a killed worker")
    assert "store://bucket/set was prepared before from the same input" in done(*line, *url)
    assert contents(there) == whole
    now = stamps(there)
    assert {name for name in now if now[name] != left[name]} == {"tiny-00003-of-00008.tfrecord"}

    code, err = typed(*line, *url, "--emotions", "anger,neutral")
    assert code == 1 and "Error: store://bucket/set holds a dataset prepared with emotions ['anger', 'sadness']" in err


@needs_beam
def test_a_shard_that_a_repeated_worker_lost_keeps_the_dataset_from_being_called_finished(tmp_path, monkeypatch):
    from tfcr.errors import TfcrError
    from tfcr.preparation.beam.folder import Folder
    from tfcr.preparation.beam.staging import Staging

    (tmp_path / "local").mkdir()
    shards = [{"name": f"tiny-{number}.tfrecord", "bytes": 3} for number in range(3)]
    info = {"shards": shards[:2], "features": {"mfcc": {"shards": shards[2:]}}}
    (tmp_path / "local" / INFO).write_text(json.dumps(info))
    there = {"tiny-0.tfrecord": 3, "tiny-1.tfrecord": 2}  # one of them cut, and that of a feature set gone
    monkeypatch.setattr(Folder, "sizes", lambda folder: there)
    with pytest.raises(
        TfcrError, match=r"^tiny-1\.tfrecord is no longer at store://set as it was written, one of 2 sh"
    ):
        Staging(Folder("store://set"), tmp_path / "local").publish()


@needs_beam
def test_what_a_killed_launcher_left_is_removed_by_the_local_writer_too(tiny_corpus, tmp_path):
    (tmp_path / "out" / ".beam" / "0123456789ab" / "results").mkdir(parents=True)
    done(*manifest(tiny_corpus), "--out", tmp_path / "out")
    assert not (tmp_path / "out" / ".beam").exists()


@needs_beam
@pytest.mark.usefixtures("one_driver")
def test_results_that_a_file_server_shows_late_are_waited_for(tiny_corpus, tmp_path, monkeypatch):
    from tfcr.preparation.beam import writer as beam
    from tfcr.preparation.beam.folder import Folder

    names, looks = Folder.names, []

    def late(folder):
        if not folder.place.endswith("results"):
            return names(folder)
        looks.append(folder)
        return [] if len(looks) < 3 else names(folder)

    monkeypatch.setattr(Folder, "names", late)
    refresh = beam._Results.refresh
    monkeypatch.setattr(beam._Results, "refresh", lambda self, now=False: now and refresh(self, now))
    done(*manifest(tiny_corpus), "--out", tmp_path / "out", *HERE)
    assert len(looks) == 3


@needs_beam
@pytest.mark.usefixtures("one_driver")
def test_a_broken_recording_costs_its_own_shard_and_is_one_line(tiny_corpus, tmp_path):
    recording = tiny_corpus / "wav" / "u05.wav"
    whole = recording.read_bytes()
    samples, rate = soundfile.read(recording)
    samples[7] = np.nan
    soundfile.write(recording, samples, rate, subtype="FLOAT")
    out = tmp_path / "out"
    code, err = typed(*manifest(tiny_corpus), "--out", out, *HERE)
    last = err.splitlines()[-1]
    assert code == 1
    assert last.startswith("Error: 1 of 8 shards could not be written, the first because of this: ")
    assert "u05.wav holds samples that are not finite numbers" in last
    assert last.endswith("; the others are kept, and the same command goes on")
    finished = stamps(out)
    assert len(finished) == 7 and not (out / INFO).exists() and not (out / ".beam").exists()

    recording.write_bytes(whole)
    done(*manifest(tiny_corpus), "--out", out)  # by whatever writer
    assert {name: stamp for name, stamp in stamps(out).items() if name in finished} == finished
    done(*manifest(tiny_corpus), "--out", tmp_path / "local")
    assert contents(out) == contents(tmp_path / "local")


# ---- two processes --------------------------------------------------------------------------------------------------

SYNTHETIC = ("--utterances", "120", "--name", "small", "--features", "spectrogram")


@contextlib.contextmanager
def running(*line):
    """A real `tfcr prepare-tfrecords`, which does not outlive the block."""
    with subprocess.Popen(
        [sys.executable, "-c", _COMMAND, "prepare-tfrecords", *map(str, line)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def descendants(pid: int) -> dict[int, str]:
    """Process id → command line of all that a process has started, by /proc."""
    parents, lines = {}, {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            lines[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    found = {pid}
    while more := {each for each, parent in parents.items() if parent in found} - found:
        found |= more
    return {each: lines[each] for each in found - {pid} if each in lines}


def workers(process: subprocess.Popen) -> list[int]:
    """The Python processes of Beam's that compute."""
    lines = descendants(process.pid).items()
    return [pid for pid, line in lines if "sdk_worker_main" in line and not line.startswith("/bin/sh")]


def wait_for(moment, process: subprocess.Popen | None = None) -> None:
    until = time.monotonic() + PATIENCE
    while not moment():
        assert process is None or process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture(scope="module")
def undisturbed(small_corpus, tmp_path_factory) -> pathlib.Path:
    """The small corpus as the local writer leaves it."""
    out = tmp_path_factory.mktemp("undisturbed")
    done("--root", small_corpus, *SYNTHETIC, "--out", out)
    return out


@needs_beam
@pytest.mark.full
def test_two_processes_write_the_records_of_the_local_writer(small_corpus, undisturbed, tmp_path):
    out = tmp_path / "out"
    done("--root", small_corpus, *SYNTHETIC, "--out", out, *TWO_PROCESSES)
    assert records(out) == records(undisturbed)
    assert contents(out) == contents(undisturbed)
    verify(open_dataset(out), thoroughly=True)


@needs_beam
@pytest.mark.full
def test_two_processes_write_the_records_of_the_local_writer_for_real_speech(real_corpus, tmp_path):
    line = ["--corpus", "manifest", "--root", real_corpus, "--features", "all"]
    done(*line, "--out", tmp_path / "local")
    assert "lost" not in done(*line, "--out", tmp_path / "beam", *TWO_PROCESSES)
    assert records(tmp_path / "beam") == records(tmp_path / "local")
    assert contents(tmp_path / "beam") == contents(tmp_path / "local")


@needs_beam
@pytest.mark.full
def test_a_worker_that_is_killed_halfway_is_replaced_and_the_job_ends_complete(small_corpus, undisturbed, tmp_path):
    out = tmp_path / "out"
    with running("--root", small_corpus, *SYNTHETIC, "--out", out, *TWO_PROCESSES) as process:
        wait_for(lambda: len(stamps(out)) >= 2, process)
        before = stamps(out)
        first = workers(process)
        assert len(first) == 2 and len(before) < 8
        os.kill(first[0], signal.SIGKILL)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "A worker of DirectRunner was lost (Worker subprocess exited with return code 137)" in err
    assert contents(out) == contents(undisturbed)
    assert {name: stamp for name, stamp in stamps(out).items() if name in before} == before
    wait_for(lambda: all(map(is_gone, first)))


@needs_beam
@pytest.mark.full
def test_workers_that_are_always_lost_end_the_job_in_one_line_and_the_command_goes_on(
    small_corpus, undisturbed, tmp_path
):
    out, line = tmp_path / "out", ["--root", small_corpus, *SYNTHETIC]
    with running(*line, "--out", out, *TWO_PROCESSES) as process:
        while process.poll() is None:  # before they can do anything
            for pid in workers(process):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        err = process.stderr.read()
    assert process.returncode == 1
    assert "Error: a worker of DirectRunner was lost 4 times without a shard between" in err.splitlines()[-1]
    done(*line, "--out", out)  # by whatever writer
    assert contents(out) == contents(undisturbed)


@needs_beam
@pytest.mark.full
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_launcher_that_is_ended_leaves_no_process_and_the_same_command_goes_on(
    small_corpus, undisturbed, tmp_path, sent
):
    out, line = tmp_path / "out", ["--root", small_corpus, *SYNTHETIC, *TWO_PROCESSES, "--out", tmp_path / "out"]
    with running(*line) as process:
        wait_for(lambda: stamps(out), process)
        started = descendants(process.pid)
        assert len(started) >= 3  # what drives the pipeline, and two workers
        process.send_signal(sent)
        _, err = process.communicate(timeout=PATIENCE)
    if sent is signal.SIGINT:
        assert process.returncode == 1
        assert err.splitlines()[-1] == "Error: interrupted; the same command goes on where it stopped"
    wait_for(lambda: all(map(is_gone, started)))
    finished = stamps(out)
    assert not (out / INFO).exists()
    done(*line)
    assert contents(out) == contents(undisturbed)
    assert {name: stamp for name, stamp in stamps(out).items() if name in finished} == finished
