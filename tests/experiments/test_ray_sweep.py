"""Sweeps on Ray: the bits of the local backend, whatever happens to a node, and one line for what is missing."""

import contextlib
import dataclasses
import math
import os
import pathlib
import signal
import socket
import sys
import time

import pytest
from test_sweep import PATIENCE, Typed, held, histories, results, stamps

from tfcr import runs
from tfcr.errors import TfcrError, UsageError
from tfcr.experiments.backends import ray as module
from tfcr.experiments.backends.backend import train_cells
from tfcr.experiments.backends.on_node import check_node, train_on_node, versions
from tfcr.experiments.backends.ray import RayCluster
from tfcr.experiments.cells import Cell, train_cell
from tfcr.experiments.sweep import Sweep, run_sweep

# ---- without a cluster ----------------------------------------------------------------------------------------------


def test_without_ray_one_line_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        TfcrError, match=r"--backend ray needs a package .* \(ray\); in tfcr's clone, pip install '\.\[ray\]'$"
    ):
        RayCluster()


@pytest.mark.parametrize("gpus", [1.5, -0.1, math.nan, math.inf, 1e-05])
def test_gpus_are_a_fraction_or_a_whole_number(gpus):
    with pytest.raises(UsageError, match=f"from 0 to 1 or a whole number; received {gpus}"):
        RayCluster(gpus_per_cell=gpus)


@pytest.mark.parametrize("address", ["head", "ray://head:10001", "head:port", ""])
def test_an_address_has_a_host_and_a_port(address):
    with pytest.raises(UsageError, match="address must be HOST:PORT"):
        RayCluster(address)


def test_a_node_that_does_not_see_a_folder_says_which(small_dataset, tmp_path):
    marker = tmp_path / "sweeps" / ".shared-1.tmp"
    node = f"node {socket.gethostname()}"
    with pytest.raises(TfcrError, match=f"{node} does not see the dataset {tmp_path / 'data'}; expected a folder"):
        check_node(versions(), tmp_path / "data", marker)
    marker.parent.mkdir()  # a folder of that name, and not the one that the marker was written into
    with pytest.raises(TfcrError, match=f"{node} does not see the folder of the runs {marker.parent}; expected"):
        check_node(versions(), small_dataset.folder, marker)
    marker.touch()
    check_node(versions(), small_dataset.folder, marker)


@pytest.mark.parametrize("package", ["tfcr", "tensorflow", "keras", "numpy"])
def test_a_node_with_another_version_does_not_train(small_dataset, tmp_path, package):
    with pytest.raises(TfcrError, match=f"has {package} {versions()[package]}; expected 0.0.0, as here"):
        check_node(versions() | {package: "0.0.0"}, small_dataset.folder, tmp_path)


def test_no_more_cells_are_timed_beside_each_other_than_will_train(ray, monkeypatch):
    cluster, begun = RayCluster(), []
    monkeypatch.setattr(cluster, "at_a_time", lambda cells, workers: workers)
    monkeypatch.setattr(cluster, "_submit", lambda call, prepare, cell: begun.append(cell) or cell)
    monkeypatch.setattr(cluster, "_pace", lambda cell: (cell, len(begun)))
    assert cluster.paces("abcde", 2, None) == [("a", 2), ("b", 2), ("c", 4), ("d", 4), ("e", 5)]


def test_a_node_that_has_another_dataset_under_the_same_path_does_not_train(ray, small_dataset, small_config, tmp_path):
    config, sent = dataclasses.replace(small_config, system="text", alpha=0.0), []

    class Sent:
        """Takes the place of Ray's remote function."""

        def options(self, **options):
            return self

        def remote(self, *arguments):
            sent.append(arguments)

    cluster = RayCluster(gpus_per_cell=0)
    cluster._remote[train_on_node] = Sent()
    cell = Cell(config, small_dataset.folder, tmp_path / "run")
    cluster._submit(train_on_node, lambda: None, cell, cell.run)
    [(prepare, expected, marker, config, _, split_file, run)] = sent
    assert config.dataset_sha256 == small_dataset.sha256
    other = dataclasses.replace(config, dataset_sha256="0" * 64)  # what a dataset of that digest would have sent
    ended, _ = train_on_node(prepare, expected, marker, other, small_dataset.folder, split_file, run)
    assert (
        ended.failure.startswith(f"dataset {small_dataset.folder} is ") and "the configuration names" in ended.failure
    )
    assert not run.exists()


# ---- a cluster of one's own -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def ray():
    """Ray, where it is installed."""
    try:
        return module.import_ray()
    except TfcrError as error:
        pytest.skip(str(error))


def test_nobody_at_an_address_is_one_line(ray, small_dataset, small_config, tmp_path):
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        cluster = RayCluster(f"127.0.0.1:{taken.getsockname()[1]}")
        with cluster, pytest.raises(TfcrError, match=r"no Ray cluster answers at 127\.0\.0\.1:.*refused"):
            cluster.at_a_time([Cell(small_config, small_dataset.folder, tmp_path / "run")], None)


def test_two_cells_on_ray_have_the_bits_of_this_process(ray, small_dataset, small_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    configs = [dataclasses.replace(small_config, system="text", alpha=0.0, epochs=1, fold=fold) for fold in (0, 1)]
    here, there = (
        [Cell(config, small_dataset.folder, pathlib.Path(out, f"f{config.fold}")) for config in configs]
        for out in ("here", "there")
    )
    with RayCluster() as cluster:
        ended = list(train_cells(there, backend=cluster))
    assert [(each.cell, each.failure) for each in ended] == [(cell, "") for cell in there]
    assert not ray.is_initialized()  # the cluster of its own has ended
    assert {path.name for path in pathlib.Path("there").iterdir()} == {"f0", "f1"}
    for cell in here:
        assert not train_cell(cell).failure
    assert results(pathlib.Path("there")) == results(pathlib.Path("here"))


@pytest.fixture
def grid(small_dataset, small_config):
    """`grid(out, **axes)`: a sweep of the small model over the small dataset, of one thread a cell."""
    fields = dataclasses.replace(small_config, threads=1).to_dict()
    return lambda out, **axes: Sweep(small_dataset, fields, out, **axes)


@pytest.mark.full
def test_a_fraction_of_a_gpu_lets_so_many_cells_share_it_each_in_a_process_of_its_own(ray, grid, tmp_path):
    cells = grid(tmp_path, systems=("text",), folds=(0, 1, 2)).cells()
    ray.init(address="local", num_cpus=8, num_gpus=1, include_dashboard=False, object_store_memory=80 << 20)
    try:
        for gpus, at_a_time in ((None, 1), (1, 1), (0.5, 2), (0.4, 2), (0.1, 3), (0, 3)):  # of three cells
            with RayCluster(gpus_per_cell=gpus) as cluster:
                assert cluster.at_a_time(cells, None) == at_a_time
                assert cluster.at_a_time(cells, 1) == 1
        with RayCluster(gpus_per_cell=2) as cluster, pytest.raises(TfcrError, match="1 CPU and 2 GPUs of a training"):
            cluster.at_a_time(cells, None)
        with RayCluster(gpus_per_cell=0.1) as cluster:
            assert not [each.failure for each in train_cells(cells, backend=cluster) if each.failure]
        assert ray.is_initialized()  # the block leaves what it did not start
    finally:
        ray.shutdown()


@pytest.mark.full
def test_ctrl_c_ends_the_cluster_and_the_same_command_goes_on_even_when_a_process_is_killed(ray, line, grid, tmp_path):
    out, undisturbed = tmp_path / "sweeps", tmp_path / "undisturbed"
    axes = {"systems": ("text",), "folds": (0, 1, 2)}
    assert not run_sweep(grid(undisturbed, **axes)).missing
    command = line(out, "--systems", "text", "--folds", "0-2", "--backend", "ray", "--workers", 1)
    with Typed(*command) as typed:
        typed.wait_for(lambda: stamps(out) and histories(out))
        finished = stamps(out)
        os.killpg(typed.process.pid, signal.SIGINT)
        printed, err = typed.process.communicate(timeout=PATIENCE)
        assert (typed.process.returncode, printed) == (1, "")
        assert err.splitlines()[-1] == "Error: interrupted; the same command goes on where it stopped"
        assert "Traceback" not in err
        typed.leaves_nothing()
    assert not list(out.glob(".shared-*"))
    with Typed(*command) as typed:
        typed.wait_for(lambda: tasks(typed))
        os.kill(tasks(typed)[0], signal.SIGKILL)
        printed, err = typed.process.communicate(timeout=PATIENCE)
        assert (typed.process.returncode, printed) == (0, f"{out}\n"), err  # Ray's remarks go to the error stream
        assert "3 of 3 trained: " in err and "about" in err
        typed.leaves_nothing()
    assert {path: stamp for path, stamp in stamps(out).items() if path in finished} == finished
    assert results(out) == results(undisturbed)


AGENTS = 150  # seconds that Ray's agents of a node, which train nothing, may look for a head that was killed


@pytest.mark.full
@pytest.mark.parametrize("joined", [False, True])
def test_a_command_that_is_killed_leaves_nothing_at_work_and_goes_on_at_once(
    ray, request, line, grid, tmp_path, joined
):
    out, undisturbed = tmp_path / "sweeps", tmp_path / "undisturbed"
    axes = {"systems": ("text",), "folds": (0, 1)}
    assert not run_sweep(grid(undisturbed, **axes)).missing
    address = ("--address", request.getfixturevalue("nodes").address) if joined else ()
    command = line(out, "--systems", "text", "--folds", "0-1", "--backend", "ray", *address)
    with Typed(*command) as typed:
        typed.wait_for(lambda: histories(out))
        os.kill(typed.process.pid, signal.SIGKILL)
        begun = stamps(out)
        with Typed(*command) as again:
            _, err = again.process.communicate(timeout=PATIENCE)
            assert again.process.returncode == 0 and "elsewhere" not in err, err
        typed.leaves_nothing(AGENTS)
    assert {path: stamp for path, stamp in stamps(out).items() if path in begun} == begun
    assert results(out) == results(undisturbed)


# ---- a cluster of two nodes -----------------------------------------------------------------------------------------

TWELVE = {"systems": ("fusion", "text"), "folds": range(4)}  # alphas 0 and 0.1, and the text has but one


@pytest.fixture
def nodes(ray):
    """Two nodes on this host, of one core each; the second may be killed."""
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=options)
    cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def twelve(small_dataset, small_config, tmp_path_factory) -> pathlib.Path:
    """Where the local backend trained twelve cells. Not to be changed."""
    out = tmp_path_factory.mktemp("twelve")
    fields = dataclasses.replace(small_config, threads=1).to_dict()
    assert run_sweep(Sweep(small_dataset, fields, out, **TWELVE)).missing == 0
    assert len(results(out)) == 12
    return out


@pytest.mark.full
def test_twelve_cells_on_two_nodes_have_the_bits_of_the_local_backend(ray, nodes, grid, twelve, tmp_path):
    sweep, said, heard = grid(tmp_path / "sweeps", **TWELVE), [], []
    taken = sweep.cells()[3].run
    taken.mkdir(parents=True)
    (taken / "thesis.tex").write_text("years of work")
    with RayCluster(nodes.address) as cluster:
        swept = run_sweep(
            sweep,
            say=said.append,
            on_epoch=lambda cell, history, best: heard.append((cell, history[-1])),
            backend=cluster,
        )
    assert said[0].startswith("12 trainings, 2 at a time: ")
    # a failure stops no other, and is told as the local backend tells it
    assert swept.failures == {taken: "is not empty and is no run; choose another folder for the runs"}
    assert sum(" trained: " in each for each in said) == 11
    assert {cell.run.parent for cell, _ in heard} <= {sweep.out} and len(heard) == len(
        {(c, r["epoch"]) for c, r in heard}
    )

    (taken / "thesis.tex").unlink()
    finished = stamps(sweep.out)
    with RayCluster(nodes.address) as cluster:  # which is as it was
        swept = run_sweep(sweep, say=said.append, backend=cluster)
    assert (swept.failures, swept.missing) == ({}, 0)
    assert {path: stamp for path, stamp in stamps(sweep.out).items() if path in finished} == finished
    assert results(sweep.out) == results(twelve)


@pytest.mark.full
def test_a_node_that_is_killed_halfway_costs_no_cell_and_no_bit(ray, nodes, grid, twelve, tmp_path):
    [node] = nodes.worker_nodes
    raylet = node.all_processes["raylet"][0].process.pid
    sweep, killed, alive = grid(tmp_path / "sweeps", **TWELVE), [], []

    def kill_halfway(sentence):
        if sentence.startswith("6 of 12"):
            workers = [child for child in children(raylet) if trains(child)]
            for process in (raylet, *workers):
                os.kill(process, signal.SIGKILL)
            killed.extend(workers)
        if sentence.startswith("12 of 12"):
            alive.extend(node["Alive"] for node in ray.nodes())

    swept = run_sweep(sweep, say=kill_halfway, backend=RayCluster(nodes.address))
    assert killed  # it had a training
    assert sorted(alive) == [False, True]
    assert (swept.failures, swept.elsewhere, swept.missing) == ({}, [], 0)
    assert results(sweep.out) == results(twelve)


@pytest.mark.full
def test_a_cell_that_another_process_holds_is_waited_for_and_then_passed_over(ray, grid, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LEASE", 10.0)
    [cell] = grid(tmp_path, systems=("text",), folds=(0,)).cells()
    with held(cell.run), RayCluster() as cluster:
        began = time.monotonic()
        [ended] = train_cells([cell], backend=cluster)
        assert time.monotonic() - began > module.LEASE
    assert ended.elsewhere and not (cell.run / runs.CONFIG).exists()


def tasks(typed: Typed) -> list[int]:
    """Processes of Ray that work on a cell of a command, whose name they take."""
    found = []
    for process in typed.left():
        with contextlib.suppress(OSError):
            if pathlib.Path(f"/proc/{process}/cmdline").read_bytes().startswith(b"ray::random"):
                found.append(process)
    return found


def children(parent: int) -> list[int]:
    """The processes that a process has started, from the fourth field of /proc/<pid>/stat."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((process / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(process.name))
    return found


def trains(process: int) -> bool:
    """Whether it has TensorFlow loaded."""
    with contextlib.suppress(OSError):
        return "libtensorflow" in pathlib.Path(f"/proc/{process}/maps").read_text()
    return False
