"""Which versions of TensorFlow and Keras tfcr trains with beside those that it is installed with."""

import os
import pathlib
import subprocess
import sysconfig
import venv

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_OLDEST = ("tensorflow==2.20.*", "keras==3.12.*")
_NEWEST = ("tensorflow", "keras")
_TESTS = (
    "tests/models/test_keras_internals.py",
    "tests/models/test_contrastive_model.py",
    "tests/training/test_train.py::test_the_history_has_a_row_an_epoch_and_the_objective_is_eq_7",
    "tests/training/test_train.py::test_a_resumed_run_has_the_bits_of_an_undisturbed_one[audio]",
)


@pytest.mark.full
@pytest.mark.parametrize("pair", [_OLDEST, _NEWEST], ids=["oldest", "newest"])
def test_the_model_and_a_training_work_with(pair, tmp_path):
    python = _environment(tmp_path / "venv")
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    installed = subprocess.run([*pip, "install", "--upgrade", *pair], capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"pip cannot install {' and '.join(pair)} here: {installed.stderr.strip().splitlines()[-1]}")
    if "Successfully installed" not in installed.stdout:
        pytest.skip("the newest TensorFlow and Keras that pip finds here are those that all other tests run with")
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *_TESTS]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{installed.stdout.strip().splitlines()[-1]}\n{done.stdout[-5000:]}"


def _environment(folder: pathlib.Path) -> str:
    """The Python of a virtual environment that has what this one has; what pip installs there goes before that."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    show = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(show, capture_output=True, text=True, check=True).stdout.strip()
    shared = sysconfig.get_path("purelib")
    pathlib.Path(packages, "shared.pth").write_text(f"import site; site.addsitedir({shared!r})\n")
    return python
