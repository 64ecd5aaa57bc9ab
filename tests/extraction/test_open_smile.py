"""openSMILE's features are those that its own package gives. They need the extra `opensmile` (CONTRIBUTING.md)."""

import os
import pathlib
import sys
import types

import h5py
import numpy as np
import pytest
import soundfile

from tfcr.errors import TfcrError, UsageError
from tfcr.extraction.extract import extract
from tfcr.extraction.extractor import extractor_of, open_smile
from tfcr.extraction.sources import recordings_of_corpus
from tfcr.features.own import may_be_same

opensmile = pytest.importorskip("opensmile", reason="the extra is not installed: pip install '.[opensmile]'")
EMO_DB = os.environ.get("TFCR_REAL_CORPUS")


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=0.1, size=round(16_000 * seconds)).astype(np.float32)


@pytest.mark.parametrize(
    ("level", "pool", "shape"), [("functionals", "none", (88,)), ("lld", "none", (96, 25)), ("lld", "mean", (25,))]
)
def test_a_set_at_its_level(level, pool, shape):
    levels = {"functionals": "Functionals", "lld": "LowLevelDescriptors"}
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel[levels[level]])
    direct = smile.process_signal(noise(1), 16_000).to_numpy()
    extractor = open_smile("eGeMAPSv02", level, pool)
    found = extractor.features(noise(1))
    assert found.shape == shape and found.dtype == np.float32
    expected = direct.mean(axis=0) if pool == "mean" else direct.reshape(shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert extractor_of(extractor.description).description == extractor.description
    updated = {"versions": dict.fromkeys(extractor.description["versions"], "99")}
    assert may_be_same(extractor.description, extractor.description | updated)


def test_beside_tensorflow_it_computes_in_a_process_of_its_own(monkeypatch):
    alone = open_smile("eGeMAPSv02")
    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))
    beside = open_smile("eGeMAPSv02")
    assert type(beside) is not type(alone) and beside.description == alone.description
    for mine, its in zip(
        beside.features_of([noise(1), noise(2)]), alone.features_of([noise(1), noise(2)]), strict=True
    ):
        np.testing.assert_array_equal(mine, its)
    with pytest.raises(UsageError, match="there is no such set"):
        open_smile("eGeMAPSv99")


def test_what_is_not_there_is_one_line():
    with pytest.raises(UsageError, match="there is no such set; expected one of ComParE_2016, GeMAPS"):
        open_smile("eGeMAPSv2")
    with pytest.raises(TfcrError, match="its features are not all finite"):
        open_smile("eGeMAPSv02").features(noise(0.001))


@pytest.mark.full
@pytest.mark.skipif(EMO_DB is None, reason="TFCR_REAL_CORPUS names no corpus")
def test_functionals_of_real_speech_are_those_of_the_package(tmp_path):
    root = pathlib.Path(EMO_DB)
    sources = recordings_of_corpus("manifest", root, {})
    assert extract(sources, open_smile("eGeMAPSv02"), tmp_path / "f.h5").count == len(sources.found) == 339
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    with h5py.File(tmp_path / "f.h5") as file:
        for source in sources.found:
            samples, rate = soundfile.read(source.audio, dtype="float32")
            np.testing.assert_allclose(file[source.id], smile.process_signal(samples, rate).to_numpy()[0], rtol=1e-6)
