"""openSMILE's features are those that its own package gives. They need the extra `opensmile` (CONTRIBUTING.md).

Beside TensorFlow, which other tests have loaded, openSMILE ends the process that it computes in.
"""

import concurrent.futures
import multiprocessing
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
from tfcr.extraction.own_process import OpenSmileInOwnProcess
from tfcr.extraction.sources import recordings_of_corpus
from tfcr.features.own import may_be_same

opensmile = pytest.importorskip("opensmile", reason="the extra is not installed: pip install '.[opensmile]'")
EMO_DB = os.environ.get("TFCR_REAL_CORPUS")


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=0.1, size=round(16_000 * seconds)).astype(np.float32)


def by_the_package(level: str, recordings: list[tuple[np.ndarray, int]]) -> list[np.ndarray]:
    """What opensmile.Smile makes of samples and rates, in a process without TensorFlow."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as process:
        return process.submit(_computed, level, recordings).result()


def _computed(level, recordings):
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel[level])
    return [smile.process_signal(samples, rate).to_numpy() for samples, rate in recordings]


@pytest.mark.parametrize(
    ("level", "pool", "shape"), [("functionals", "none", (88,)), ("lld", "none", (96, 25)), ("lld", "mean", (25,))]
)
def test_a_set_at_its_level(level, pool, shape):
    levels = {"functionals": "Functionals", "lld": "LowLevelDescriptors"}
    [direct] = by_the_package(levels[level], [(noise(1), 16_000)])
    extractor = open_smile("eGeMAPSv02", level, pool)
    found = extractor.features(noise(1))
    assert found.shape == shape and found.dtype == np.float32
    expected = direct.mean(axis=0) if pool == "mean" else direct.reshape(shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert extractor_of(extractor.description).description == extractor.description
    updated = {"versions": dict.fromkeys(extractor.description["versions"], "99")}
    assert may_be_same(extractor.description, extractor.description | updated)


def test_beside_tensorflow_it_computes_in_a_process_of_its_own(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))
    beside = open_smile("eGeMAPSv02")
    assert isinstance(beside, OpenSmileInOwnProcess)
    expected = by_the_package("Functionals", [(noise(1), 16_000), (noise(2), 16_000)])
    for mine, its in zip(beside.features_of([noise(1), noise(2)]), expected, strict=True):
        np.testing.assert_allclose(mine, its[0], rtol=1e-6)
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
    expected = by_the_package("Functionals", [soundfile.read(each.audio, dtype="float32") for each in sources.found])
    with h5py.File(tmp_path / "f.h5") as file:
        for source, direct in zip(sources.found, expected, strict=True):
            np.testing.assert_allclose(file[source.id], direct[0], rtol=1e-6)
