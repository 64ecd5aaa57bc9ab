"""What the tests share: TensorFlow as a training has it, a small corpus, its dataset, and a model that trains fast."""

import dataclasses
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("MPLBACKEND", "agg")

import hypothesis
import numpy as np
import pytest
import soundfile
import yaml
from glove import LACKING, Glove, read_glove

from tfcr import schema
from tfcr.config import PRESETS, Config
from tfcr.dataset_info import Dataset, open_dataset
from tfcr.runs import CONFIG, Run, open_run

hypothesis.settings.register_profile("tfcr", deadline=None, derandomize=True)  # a busy machine is no bug
hypothesis.settings.load_profile("tfcr")

SMALL_UTTERANCES = 120  # 12 in every fold of `random`
SMALL = {"utterances": SMALL_UTTERANCES}


_LONG = (
    *("test_readme", "test_train", "test_sweep", "test_mirrored", "test_features_page", "test_reproduce"),
    *("test_authors_preset", "test_systems_training", "test_leak", "test_ray_sweep", "test_serving_page"),
    *("test_export", "test_splits", "test_beam", "test_precision", "test_fast_training", "test_server"),
    *("test_features_export", "test_gpu_table", "test_scaling_page", "test_evaluate_noise"),
)


def pytest_collection_modifyitems(items):
    """The longest files come first, so that no process begins one of them when the others have ended."""
    place = {name: number for number, name in enumerate(_LONG)}
    items.sort(key=lambda item: place.get(item.path.stem, len(_LONG)))


def pytest_collection_finish(session):
    """Where a test module has imported TensorFlow, its threads are fixed before any test computes something."""
    if "tensorflow" in sys.modules:
        _configure()


def _configure() -> None:
    from tfcr.cli.tensorflow import import_quietly

    import_quietly()
    from tfcr.training import runtime

    runtime.configure(Config().threads)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """What is kept of word vectors lies in a folder of the tests, never in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFCR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """`made_once(name, make)`: a folder that `make(folder)` has filled once for all processes of a run of the tests.

    Each process has a copy, so that none sees what another leaves in it.
    """
    base, run = tmp_path_factory.getbasetemp(), os.environ.get("PYTEST_XDIST_TESTRUNUID")
    shared = pathlib.Path(os.environ.setdefault("TFCR_TESTS_MADE", str(base.parent / f"made-{run}" if run else base)))
    shared.mkdir(exist_ok=True)

    def copied(name, make):
        whole, half = shared / f"{name}-made", shared / f"{name}-half-made"
        with open(shared / f"{name}.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole.exists():
                shutil.rmtree(half, ignore_errors=True)
                half.mkdir()
                make(half)
                half.rename(whole)
        return pathlib.Path(shutil.copytree(whole, tmp_path_factory.mktemp(name), dirs_exist_ok=True))

    return copied


@pytest.fixture(scope="session")
def tensorflow():
    """TensorFlow as a training configures it: two threads, deterministic. Importing it takes 4 s, so it waits."""
    _configure()
    import tensorflow

    return tensorflow


class FakeGPU:
    """A GPU that this machine seems to have.

    Attributes:
        grows: whether its memory is taken as it is needed.
        visible: whether this process may use it.
    """

    name, grows, visible = "/physical_device:GPU:0", False, True


@pytest.fixture
def gpu(tensorflow, monkeypatch) -> FakeGPU:
    """This machine looks as if it had one, which is not there to compute on."""
    config, fake = tensorflow.config, FakeGPU()

    def see(devices, kind):
        fake.visible = bool(devices) and kind == "GPU"

    def listed(kind=None):
        return [fake] if kind == "GPU" else found(kind)

    found = config.list_physical_devices
    monkeypatch.setattr(config, "list_physical_devices", listed)
    monkeypatch.setattr(config, "get_visible_devices", lambda kind=None: listed(kind) if fake.visible else [])
    monkeypatch.setattr(config, "set_visible_devices", see)
    monkeypatch.setattr(config.experimental, "get_device_details", lambda device: {"device_name": "a GPU of a test"})
    monkeypatch.setattr(config.experimental, "set_memory_growth", lambda device, on: setattr(device, "grows", on))
    return fake


_TURKISH = "TITANIC", "İSTANBUL", "I\u0307", "ÌÍĨ", "Į\u0301", "J\u0301", "i\u0307", "MAĞAZA ILIK"


@pytest.fixture(scope="session")
def fresh_process(tensorflow, made_once) -> dict:
    """What a process of its own says, on a Turkish machine: `fresh_process.py`, which takes seconds to begin."""

    def make(folder):
        import keras

        from tfcr.models.fused_adam import FusedAdam

        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.compile(FusedAdam(learning_rate=0.01, epsilon=1e-7), "mse", jit_compile=False)
        model.save(folder / "model.keras")
        undecided = os.environ.keys() - {"TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS"}
        environment = {name: os.environ[name] for name in undecided}
        environment |= {"PYTHONHASHSEED": "12345", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}
        program = pathlib.Path(__file__).with_name("fresh_process.py").read_text(encoding="utf-8")
        command = [sys.executable, "-c", program, str(folder / "model.keras"), json.dumps(_TURKISH)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        (folder / "said.json").write_text(done.stdout)

    return json.loads((made_once("fresh-process", make) / "said.json").read_text())


@pytest.fixture(scope="session")
def small_corpus(made_once) -> pathlib.Path:
    """The root of a synthetic corpus: 120 utterances of ten speakers, a few of other emotions. Not to be changed."""
    from tfcr.corpora import synthetic

    return made_once("small-corpus", lambda root: synthetic.read(root, seed=0, utterances=SMALL_UTTERANCES))


@pytest.fixture(scope="session")
def iemocap_tree(tmp_path_factory) -> pathlib.Path:
    """The root of a made-up corpus of IEMOCAP's size and counts; recordings last 0.1 s. Not to be changed."""
    from iemocap_tree import write_tree

    return write_tree(tmp_path_factory.mktemp("iemocap") / "IEMOCAP_full_release")


@pytest.fixture(scope="session")
def small_dataset(tensorflow, small_corpus, made_once) -> Dataset:
    """The small corpus, prepared. Not to be changed; a test that breaks something copies the folder."""
    from tfcr.preparation.options import Preparation
    from tfcr.preparation.prepare import prepare

    def make(out):
        prepare(Preparation("synthetic", small_corpus, out, "small", options=SMALL))

    return open_dataset(made_once("small-dataset", make))


@pytest.fixture(scope="session")
def full_dataset(tensorflow, small_corpus, made_once) -> Dataset:
    """The small corpus with the features of every system. Not to be changed."""
    from tfcr.features.sets import SETS
    from tfcr.preparation.options import Preparation
    from tfcr.preparation.prepare import prepare

    def make(out):
        prepare(Preparation("synthetic", small_corpus, out, "small", features=tuple(SETS), options=SMALL), 2)

    return open_dataset(made_once("full-dataset", make))


@pytest.fixture(scope="session")
def small_config() -> Config:
    """A model so small that an epoch over the small dataset takes a second or so."""
    return Config(
        conv_blocks=2,
        conv_filters=2,
        lstm_layers=1,
        lstm_units=8,
        discriminator_units=8,
        batch_size=32,
        epochs=2,
        shuffle_buffer=64,
    )


@pytest.fixture(scope="session")
def small_fields(small_config) -> dict:
    """What makes the network of `small_config` small, for a file that is given by --config."""
    return {name: value for name, value in vars(small_config).items() if value != getattr(Config(), name)}


@pytest.fixture(scope="session")
def authors_dataset(tensorflow, small_corpus, made_once) -> Dataset:
    """The small corpus, prepared with the preset `authors`. Not to be changed."""
    from tfcr.preparation.options import Preparation
    from tfcr.preparation.prepare import prepare

    def make(out):
        prepare(Preparation("synthetic", small_corpus, out, "small", preset="authors", options=SMALL))

    return open_dataset(made_once("authors-dataset", make))


@pytest.fixture(scope="session")
def trained_run(small_config, small_dataset, made_once) -> Run:
    """A run of the system `fusion` and the preset `paper`. Not to be changed."""
    from tfcr.training.experiment import plan
    from tfcr.training.train import train_fold

    experiment = plan(dataclasses.replace(small_config, alpha=0.1, epochs=1), small_dataset.folder)
    run = made_once("trained", lambda folder: train_fold(experiment, folder / "run")) / "run"
    return _on(run, small_dataset)


def _on(run: pathlib.Path, dataset: Dataset) -> Run:
    """A run that was trained by another process of the tests on its copy of a dataset."""
    config = yaml.safe_load((run / CONFIG).read_text()) | {"data": str(dataset.folder.resolve())}
    (run / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    return open_run(run)


@pytest.fixture(scope="session")
def single_run(small_config, small_dataset, made_once):
    """`single_run("text")`: a run of one modality and the preset `paper`, of an epoch. A test's own."""
    from tfcr.training.experiment import plan
    from tfcr.training.train import train_fold

    def run_of(system):
        experiment = plan(dataclasses.replace(small_config, system=system, epochs=1), small_dataset.folder)
        made = made_once(f"{system}-alone", lambda folder: train_fold(experiment, folder / "run"))
        return _on(made / "run", small_dataset)

    return run_of


@pytest.fixture(scope="session")
def exported(trained_run, made_once) -> pathlib.Path:
    """A version of the run's export. Not to be changed."""
    from tfcr.serving.export.saved_model import export_run

    return made_once("exported", lambda folder: export_run(trained_run, folder / "tfcr")) / "tfcr" / "1"


@pytest.fixture(scope="session")
def small_authors() -> Config:
    """The preset `authors`, small."""
    sizes = {
        "conv_blocks": 2,
        "conv_filters": 2,
        "lstm_units": 8,
        "discriminator_units": 8,
        "batch_size": 32,
        "epochs": 2,
    }
    return dataclasses.replace(PRESETS["authors"], **sizes)


@pytest.fixture(scope="session")
def real_corpus() -> pathlib.Path:
    """The folder of a manifest corpus of real speech."""
    folder = os.environ.get("TFCR_REAL_CORPUS")
    if not folder:
        pytest.skip("set TFCR_REAL_CORPUS to a folder with a manifest.csv")
    return pathlib.Path(folder).resolve()


@pytest.fixture(scope="session")
def glove() -> Glove:
    """GloVe's own vectors of 50 numbers."""
    found = read_glove()
    if found is None:
        pytest.skip(LACKING)
    return found


TINY_ROWS = 16


@pytest.fixture
def tiny_corpus(tmp_path) -> pathlib.Path:
    """A manifest corpus of 16 noises of 0.1 to 3.1 s, four of each emotion, FLAC and WAV in turn. A test's own."""
    root = tmp_path / "tiny"
    (root / "wav").mkdir(parents=True)
    random = np.random.default_rng(0)
    lines = ["id,path,transcript,emotion,speaker,session,script"]
    for number in range(TINY_ROWS):
        id = f"u{number:02d}"
        suffix = ("flac", "wav")[number % 2]
        samples = random.integers(-3000, 3000, round(16_000 * (0.1 + 0.2 * number))).astype(np.int16)
        soundfile.write(root / "wav" / f"{id}.{suffix}", samples, 16_000)
        emotion = schema.EMOTIONS[number % 4]
        lines.append(
            f"{id},wav/{id}.{suffix},Word{number % 3} of {emotion}.,{emotion},s{number % 5},{number % 2},{number % 6}"
        )
    (root / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


@pytest.fixture
def small_disk(tmp_path):
    """A file system in memory, with a function that makes it (also while it is in use) so many bytes large."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def resize(size: int) -> None:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"{'remount,' if mounted else ''}size={size}", "tmpfs", folder],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"a small disk needs the right to mount one ({done.stderr.strip()})")
        mounted.append(size)

    mounted: list[int] = []
    try:
        resize(1 << 20)
        yield folder, resize
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)
