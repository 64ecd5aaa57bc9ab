"""Settings that a user keeps for Keras, in `keras.json`, the environment or a program: none changes a result."""

import json
import os
import subprocess
import sys

import click
import pytest

import tfcr
from tfcr import cli, keras_settings
from tfcr.cli.tensorflow import import_quietly
from tfcr.errors import TfcrError

HOSTILE = {"floatx": "float64", "epsilon": 0.1, "backend": "torch", "image_data_format": "channels_first"}


@pytest.fixture
def environment(monkeypatch):
    """Sets variables as they stand when a command begins, Keras not being imported."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    for name in ("KERAS_HOME", "KERAS_BACKEND"):
        monkeypatch.setenv(name, "")

    def make(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return make


@pytest.mark.parametrize(("name", "value", "message"), [
    ("KERAS_BACKEND", "torch", "Keras is to run on 'torch'; tfcr needs its backend 'tensorflow'; unset KERAS_BACKEND"),
    ("KERAS_BACKEND", "tensorflow2", "Keras is to run on 'tensorflow2'; tfcr needs"),
    ("KERAS_MAX_EPOCHS", "1", "KERAS_MAX_EPOCHS is set to '1', with which Keras cuts trainings short; unset it"),
    ("KERAS_MAX_EPOCHS", "many", "KERAS_MAX_EPOCHS is set to 'many'"),
    ("KERAS_MAX_STEPS_PER_EPOCH", "3", "KERAS_MAX_STEPS_PER_EPOCH is set to '3'"),
])  # fmt: skip
def test_what_cannot_be_pinned_is_refused_in_one_line(environment, name, value, message):
    environment(**{name: value})
    with pytest.raises(TfcrError, match=f"^{message}") as raised:
        import_quietly()
    assert "\n" not in str(raised.value)


def test_a_command_within_a_program_leaves_kerass_variables_as_they_were(environment, monkeypatch):
    environment(KERAS_HOME="mine", KERAS_NNX_ENABLED="1")
    monkeypatch.delenv("KERAS_BACKEND")
    during = {}

    @click.command("command")
    def command():
        keras_settings.before_import()
        during.update({name: os.environ.get(name) for name in ("KERAS_HOME", "KERAS_BACKEND", "KERAS_NNX_ENABLED")})

    with pytest.raises(SystemExit):
        cli.run(command, [])
    assert during == {"KERAS_HOME": os.devnull, "KERAS_BACKEND": "tensorflow", "KERAS_NNX_ENABLED": None}
    assert (os.environ["KERAS_HOME"], os.environ["KERAS_NNX_ENABLED"]) == ("mine", "1")
    assert "KERAS_BACKEND" not in os.environ


def test_the_model_is_not_had_on_another_backend(environment):
    environment(KERAS_BACKEND="jax")
    with pytest.raises(TfcrError, match="Keras is to run on 'jax'"):
        tfcr.ContrastiveModel  # noqa: B018


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({**HOSTILE, "nnx_enabled": True}),
        pytest.param('{"floatx": "float8"}', marks=pytest.mark.full),  # would be refused, if it were read
        "[]",
    ],
)
def test_a_command_reads_no_settings_file(tmp_path, content):
    (tmp_path / "keras.json").write_text(content)
    code = (
        "from tfcr.cli.tensorflow import import_quietly; import_quietly(); from keras import config;"
        "print(config.floatx(), config.epsilon(), config.backend(), config.image_data_format())"
    )
    environment = {**os.environ, "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "", "KERAS_NNX_ENABLED": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["float32", "1e-07", "tensorflow", "channels_last"], done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["keras.json"]
