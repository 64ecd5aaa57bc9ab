"""The page on one's own encoders works as it stands: its code is taken from it and run."""

import pathlib
import re

import numpy as np
import pytest

_PAGE = (pathlib.Path(__file__).parents[1] / "docs" / "encoders.md").read_text(encoding="utf-8")
_CODE = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)


def test_the_example_fits_evaluates_saves_and_loads(tensorflow, tmp_path, monkeypatch, capsys):
    import keras

    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)  # the tests' TensorFlow is deterministic, and wants one
    (code,) = _CODE
    names = {}
    exec(compile(code, "encoders.md", "exec"), names)
    assert "contrastive_loss" in capsys.readouterr().out
    assert (tmp_path / "model.keras").is_file()
    assert (tmp_path / "best.keras").is_file()
    expected = names["model"].predict(names["x"], verbose=0)["logits"]
    np.testing.assert_array_equal(names["scores"], expected)
    assert expected.shape == (64, 4)


def test_every_setting_on_the_page_is_one():
    import inspect

    from tfcr.models.contrastive import ContrastiveModel

    settings = {name for row in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", _PAGE, re.MULTILINE)
                for name in re.findall(r"`(\w+)`", row)}  # fmt: skip
    known = set(inspect.signature(ContrastiveModel).parameters)
    known |= set(inspect.signature(ContrastiveModel.from_encoders).parameters)
    assert settings
    assert settings <= known
    assert pytest.approx(0.1) == inspect.signature(ContrastiveModel).parameters["alpha"].default
