"""A disk that is full during a training: one line, whole files, and the same call goes on to the same weights."""

import dataclasses
import errno
import io
import os
import resource

import keras
import pytest

from tfcr import files, runs
from tfcr.files import NoRoomError
from tfcr.training.checkpoint import Checkpoint, save_weights
from tfcr.training.experiment import plan
from tfcr.training.train import train_fold


def units(number: int) -> keras.Model:
    """A model of `number` weights and as many biases, with Adam's two moments of each."""
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(number)(inputs))
    model.compile("adam")
    model.optimizer.build(model.trainable_variables)
    return model


def test_weights_that_do_not_fit_leave_the_earlier_ones(tensorflow, small_disk):
    disk, _ = small_disk  # 1 MB
    path = disk / "last.weights.h5"
    save_weights(units(1_000), path)
    before = path.read_bytes()
    with pytest.raises(NoRoomError, match=rf"^{disk} cannot take {path.name} \(No space left on device\); make room"):
        save_weights(units(100_000), path)
    assert [each.name for each in disk.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_weights_larger_than_a_file_may_be_leave_the_earlier_ones(tensorflow, tmp_path):
    path = tmp_path / "last.weights.h5"
    save_weights(units(1_000), path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(
            NoRoomError, match=r"\(File too large\); raise the limit on the size of a file \(ulimit -f\)"
        ):
            save_weights(units(100_000), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_what_an_error_holds_of_the_weights_can_be_collected(tensorflow, small_disk):
    """Python 3.12 ends in a segmentation fault, 3.13 in a remark, where a view of them is in its traceback."""
    disk, _ = small_disk
    with pytest.raises(NoRoomError) as raised:
        save_weights(units(100_000), disk / "last.weights.h5")
    traceback, views = raised.value.__context__.__traceback__, []
    while traceback is not None:
        views += [each for each in traceback.tb_frame.f_locals.values() if isinstance(each, memoryview)]
        traceback = traceback.tb_next
    assert views and not any(isinstance(each.obj, io.BytesIO) for each in views)


def test_equal_weights_are_equal_bytes_and_load(tensorflow, tmp_path):
    model = units(50)
    for name in ("one", "two"):
        save_weights(model, tmp_path / f"{name}.weights.h5")
    assert (tmp_path / "one.weights.h5").read_bytes() == (tmp_path / "two.weights.h5").read_bytes()
    other = units(50)
    other.load_weights(tmp_path / "one.weights.h5")
    for found, expected in zip(other.variables, model.variables, strict=True):
        assert (found.numpy() == expected.numpy()).all()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_known_by_what_the_system_said_whoever_passes_it_on(tensorflow, number, tmp_path):
    from tensorflow import errors

    said = os.strerror(number)
    for error in (
        OSError(number, said),
        OSError(f"[Errno {number}] Can't write data (file write failed: errno = {number}, error message = '{said}')"),
        errors.ResourceExhaustedError(None, None, f"variables.data-00000-of-00001.tempstate; {said}"),
        errors.OutOfRangeError(None, None, f"{tmp_path}; {said}"),
        RuntimeError(f"Unable to flush file ({said})"),
    ):
        with (
            pytest.raises(NoRoomError, match=rf"^{tmp_path} cannot take run \({said}\); "),
            files.full_disk_named(tmp_path / "run"),
        ):
            raise error
    for error in (OSError(errno.ENOENT, "none"), MemoryError(), errors.ResourceExhaustedError(None, None, "OOM")):
        with pytest.raises(type(error)), files.full_disk_named(tmp_path / "run"):
            raise error


@pytest.mark.full
def test_a_training_that_fills_the_disk_goes_on_once_there_is_room(small_dataset, small_config, small_disk, tmp_path):
    config = dataclasses.replace(small_config, system="text", epochs=3)
    experiment = plan(config, small_dataset.folder)
    expected = train_fold(experiment, tmp_path / "elsewhere")
    size = sum(path.stat().st_size for path in expected.folder.rglob("*") if path.is_file())
    disk, resize = small_disk
    run = disk / "run"
    sizes = [1 << 13, size // 4, size // 2, size * 3 // 4, size, size * 5 // 4, size * 3 // 2]
    failures = 0
    for room in sizes:
        resize(room)
        try:
            train_fold(experiment, run)
        except NoRoomError as error:
            failures += 1
            assert "\n" not in str(error) and "No space left on device); make room" in str(error)
            assert not list(disk.rglob("*.tmp*"))
            if (run / "checkpoints").exists():
                Checkpoint(run).load()
        else:
            break
    assert failures >= 2
    resize(1 << 26)
    found = train_fold(experiment, run)
    assert found.history[-1]["val_loss"] == expected.history[-1]["val_loss"]
    for name in (runs.WEIGHTS, runs.PREDICTIONS):
        assert files.sha256_of_file(found.folder / name) == files.sha256_of_file(expected.folder / name)
