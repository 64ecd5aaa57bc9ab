"""What a process does with the GPUs of its machine, of which a test's has none that computes."""

import pytest

from tfcr import devices


@pytest.fixture
def begun(gpu, tensorflow, monkeypatch):
    """TensorFlow has computed something, and its devices can no longer be changed."""

    def refuse(*arguments):
        raise RuntimeError("Physical devices cannot be modified after being initialized")

    monkeypatch.setattr(tensorflow.config, "set_visible_devices", refuse)
    monkeypatch.setattr(tensorflow.config.experimental, "set_memory_growth", refuse)


def test_without_a_gpu_there_is_nothing_to_do(tensorflow):
    assert devices.gpus() == []
    devices.share_gpus()
    devices.leave_gpus()


def test_a_shared_gpu_gives_memory_as_it_is_needed(gpu):
    devices.share_gpus()
    assert devices.gpus() == [gpu]
    assert gpu.grows


def test_a_gpu_that_is_left_is_not_there_any_more(gpu):
    devices.leave_gpus()
    assert devices.gpus() == []
    devices.share_gpus()
    assert not gpu.grows


def test_what_tensorflow_has_begun_with_stays(begun, gpu):
    devices.share_gpus()
    devices.leave_gpus()
    assert (gpu.grows, devices.gpus()) == (False, [gpu])


def test_memory_that_the_user_has_limited_stays_so(gpu, tensorflow, monkeypatch):
    def refuse(*arguments):
        raise ValueError("Cannot set memory growth on device when virtual devices configured")

    monkeypatch.setattr(tensorflow.config.experimental, "set_memory_growth", refuse)
    devices.share_gpus()
    assert devices.gpus() == [gpu]


@pytest.mark.parametrize("seam", ["training", "answering", "export"])
def test_the_library_shares_it_as_the_commands_do(seam, gpu, tensorflow, tmp_path, monkeypatch):
    from tfcr.serving import loaded
    from tfcr.serving.export import saved_model
    from tfcr.training import runtime

    if seam == "training":
        runtime.configure(2)
    elif seam == "answering":
        monkeypatch.setattr(loaded, "latest_version", lambda path: path)
        described = {"format": "savedmodel", "emotions": [], "signatures": {"serving_default": []}}
        monkeypatch.setattr(loaded, "read_manifest", lambda version: described)
        shared = []
        monkeypatch.setattr(loaded, "share_cores", lambda: shared.append("cores"))
        monkeypatch.setattr(tensorflow.saved_model, "load", lambda path: shared.append("loaded"))
        loaded.LoadedExport(tmp_path)
        assert shared == ["cores", "loaded"]
    else:
        monkeypatch.setattr(saved_model, "read_run_config", lambda folder: __import__("tfcr.config").config.Config())
        monkeypatch.setattr(saved_model, "check_weights", lambda run: None)
        monkeypatch.setattr(saved_model, "restore_network", lambda *arguments, **named: None)
        run = type("Run", (), {"folder": tmp_path, "emotions": [], "embedding_dim": 300})
        saved_model.restored_network(run)
    assert gpu.grows
