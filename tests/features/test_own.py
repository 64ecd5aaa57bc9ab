"""One's own features: what a file must hold, said in one line where it does not."""

import fcntl

import h5py
import numpy as np
import pytest

from tfcr.errors import TfcrError, UsageError
from tfcr.features.own import OwnFeatures, in_words, may_be_same, refuse_unholdable, write_features

IDS = ["a", "b", "c"]


@pytest.fixture
def written(tmp_path):
    """`written({id: array})`: a file with these datasets, made by h5py alone, as speech features."""

    def write(content, name="hubert.h5", modality="audio"):
        with h5py.File(tmp_path / name, "w") as file:
            for id, array in content.items():
                file[id] = array
        return OwnFeatures(tmp_path / name, modality)

    return write


def over_time(dim=4, steps=(3, 1, 7)):
    random = np.random.default_rng(0)
    return {id: random.normal(size=(count, dim)).astype(np.float32) for id, count in zip(IDS, steps, strict=True)}


def test_features_are_called_after_their_file_and_feed_the_input_of_their_modality(written):
    own = written(over_time(), "wav2vec2-large.h5")
    [field] = own.feature_set(IDS).fields
    assert own.name == "wav2vec2-large"
    assert (field.name, field.shape) == ("audio_features", (None, 4))
    [field] = written({id: np.ones(5) for id in IDS}, "bert.h5", "text").feature_set(IDS).fields
    assert (field.name, field.shape) == ("text_features", (5,))
    layers = {id: array[None].repeat(3, axis=0) for id, array in over_time().items()}
    [field] = written(layers, "wavlm.h5").feature_set(IDS).fields
    assert (field.name, field.shape, field.time_axis) == ("audio_features", (3, None, 4), 1)


def test_what_made_the_features_is_known_where_their_file_says_it(tmp_path, written):
    assert written(over_time()).extractor() is None
    made = {"kind": "transformers", "model": "wavlm", "libraries": {"torch": "2.9"}}
    write_features(tmp_path / "own.h5", over_time().items(), made)
    assert OwnFeatures(tmp_path / "own.h5", "audio").extractor() == made


def test_extractors_may_be_the_same_whatever_their_versions():
    made = {"model": "wavlm", "layer": "last", "versions": {"torch": "2.9", "tfcr": "1"}}
    assert may_be_same(made, made | {"versions": {"torch": "3", "tfcr": "2"}, "precision": "half"})
    assert may_be_same(made, None) and may_be_same(None, made)
    assert not may_be_same(made, made | {"layer": 3}) and not may_be_same(made, {"model": "wavlm"})
    assert in_words(made | {"revision": None}) == "model wavlm, layer last, versions torch 2.9, tfcr 1"


def test_the_same_weights_are_the_same_model_wherever_they_lie():
    made = {"model": "microsoft/wavlm-base", "revision": "0123abc", "sha256": "1f", "layer": "last"}
    assert may_be_same(made, made | {"model": "models/wavlm", "revision": None})
    assert not may_be_same(made, made | {"sha256": "2f"})
    assert not may_be_same(made, made | {"model": "models/wavlm", "layer": 3})
    of_settings = made | {"settings_sha256": "1"}
    assert may_be_same(of_settings, made) and not may_be_same(of_settings, made | {"settings_sha256": "2"})
    sets = {"model": "eGeMAPSv02", "sha256": None, "versions": {"opensmile": "2.5"}}  # openSMILE has no weights
    assert may_be_same(sets, sets | {"versions": {"opensmile": "2.6"}})
    assert not may_be_same(sets, sets | {"model": "ComParE_2016"})


@pytest.mark.parametrize("value", ["no JSON", "[1]", 3, np.ones(2), b"\xff"])
def test_a_description_that_is_none_is_refused(written, value):
    own = written(over_time())
    with h5py.File(own.path, "a") as file:
        file.attrs["extractor"] = value
    with pytest.raises(TfcrError, match=r"hubert.h5: its attribute 'extractor' is no JSON object; expected one, or"):
        own.extractor()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
def test_numbers_of_any_kind_are_read_as_float32(written, dtype):
    content = {id: np.arange(6).reshape(3, 2).astype(dtype) for id in IDS}
    array = written(content).read("b")
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, np.arange(6).reshape(3, 2))


def test_ids_that_the_dataset_does_not_have_are_passed_over(written):
    assert written(over_time()).feature_set(["a", "c"]).fields[0].shape == (None, 4)


def test_what_is_written_is_what_is_read(tmp_path):
    content = over_time()
    write_features(tmp_path / "own.h5", content.items())
    own = OwnFeatures(tmp_path / "own.h5", "text")
    own.feature_set(IDS)
    for id, array in content.items():
        np.testing.assert_array_equal(own.read(id), array)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (("b", np.ones((2, 5))), "'b' have the shape \\(2, 5\\)"),  # another width
        (("b", np.ones(4)), "'b' have the shape \\(4,\\)"),  # another kind
        (("b", np.ones((2, 2, 4))), "'b' have the shape"),
        (("b", np.ones((2, 2, 2, 4))), "'b' have the shape"),
        (("b", np.ones((0, 4))), "'b' have the shape"),
        (("b", np.array([[1, np.nan, 1, 1]])), "'b' are not all finite in float32"),
        (("b", np.array([[1, 1e300, 1, 1]])), "'b' are not all finite in float32"),
        (("a", np.ones((2, 4))), "'a' are given twice"),
    ],
)
def test_a_file_of_wrong_features_is_not_written(tmp_path, second, message):
    with pytest.raises(ValueError, match=message):
        write_features(tmp_path / "own.h5", [("a", np.ones((3, 4))), second])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b": None}, "no dataset for 1 of 3 utterances; the first is 'b'"),
        ({"a": None, "b": None, "c": None}, "none of this corpus's 3 ids, not even 'a'; it is empty"),
        ({"a": None, "b": None, "c": None, "x": np.ones((2, 4))}, "its first is 'x': is it of another corpus?"),
        (
            {"b": np.ones((2, 5))},
            "'b' has float64 \\[2, 5\\], 'a' has float32 \\[3, 4\\]; expected the same dimensions",
        ),
        ({"c": np.ones(4)}, "'c' has float64 \\[4\\], 'a' has"),
        ({"a": np.float32(1)}, "'a' has float32 \\[\\]; expected an HDF5 file with a dataset"),
        ({"a": np.ones((2, 3, 4))}, "'b' has float32 \\[1, 4\\], 'a' has float64 \\[2, 3, 4\\]; expected the same"),
        ({"a": np.ones((2, 2, 3, 4))}, "'a' has float64 \\[2, 2, 3, 4\\]; expected"),
        ({"a": np.ones((0, 4))}, "'a' has float64 \\[0, 4\\]; expected"),
        ({"a": b"text"}, "'a' has .*; expected"),
        ({"a": np.ones((3, 4), complex)}, "'a' has complex128"),
    ],
)
def test_what_a_file_lacks_is_one_line(written, change, message):
    content = {id: array for id, array in (over_time() | change).items() if array is not None}
    with pytest.raises(TfcrError, match=message) as raised:
        written(content).feature_set(IDS)
    assert "\n" not in str(raised.value) and "hubert.h5" in str(raised.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_features_that_float32_cannot_hold_are_told_by_their_utterance(written, bad):
    content = over_time() | {"b": np.array([[0, 1, bad, 2]])}
    with pytest.raises(TfcrError, match="features of 'b' are not all finite"):
        written(content).read("b")


def test_a_group_is_no_features(written, tmp_path):
    own = written(over_time())
    with h5py.File(own.path, "a") as file:
        del file["b"]
        file.create_group("b")
    with pytest.raises(TfcrError, match="no dataset for 1 of 3"):
        own.feature_set(IDS)


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + bytes(600)])
def test_a_file_that_is_no_hdf5_is_named(tmp_path, content):
    (tmp_path / "own.h5").write_bytes(content)
    with pytest.raises(TfcrError, match=r"own.h5 cannot be read as HDF5 .*; expected an HDF5 file"):
        OwnFeatures(tmp_path / "own.h5", "audio").feature_set(IDS)


def test_a_cut_file_is_named(written):
    own = written({id: np.random.default_rng(0).normal(size=(200, 40)) for id in IDS})
    own.path.write_bytes(own.path.read_bytes()[: -own.path.stat().st_size // 2])
    with pytest.raises(TfcrError, match=r"hubert.h5 cannot be read as HDF5"):
        own.feature_set(IDS)


@pytest.mark.parametrize(
    "ids, message",
    [
        (["b", "a/b/c", "a", "ab"], "ids 'a' and 'a/b/c' cannot stand in one file of features"),
        (["a/b", "a/b/c"], "ids 'a/b' and 'a/b/c' cannot stand in one file"),
        (["a", "a//b"], "ids 'a' and 'a//b' cannot"),
        (["x", "a//b"], "the id 'a//b' cannot name features in HDF5"),
        (["./b"], "the id './b' cannot name"),
        (["/b"], "the id '/b' cannot name"),
        (["b/"], "the id 'b/' cannot name"),
    ],
)
def test_ids_that_hdf5_cannot_hold_together_are_named(tmp_path, ids, message):
    with pytest.raises(TfcrError, match=message):
        refuse_unholdable(ids)
    refuse_unholdable(["a/b", "ab", "a b", "a.b", "x/a", "x/b"])


@pytest.mark.parametrize("ids", [("a", "a/b"), ("a/b", "a")])
def test_what_cannot_be_written_is_said_with_both_ids(tmp_path, ids):
    with pytest.raises(TfcrError, match="ids 'a' and 'a/b' cannot stand in one file of features"):
        write_features(tmp_path / "own.h5", [(id, np.ones(3)) for id in ids])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["mfcc.h5", "spectrogram.h5", "my features.h5", ".h5", "-x.h5"])
def test_a_name_that_is_taken_or_no_name_is_wrong_usage(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(UsageError, match="rename the file"):
        OwnFeatures(tmp_path / name, "audio").check_name()


def test_a_missing_file_is_said_with_what_it_should_hold(tmp_path):
    with pytest.raises(TfcrError, match=r"none.h5 does not exist; expected an HDF5 file"):
        OwnFeatures(tmp_path / "none.h5", "audio").check_name()


def test_a_file_that_another_process_writes_is_said(written):
    features = written(over_time())
    with open(features.path, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as HDF5 does, and its locks know nothing of processes
        with pytest.raises(TfcrError) as raised:
            features.feature_set(["a"])
    assert str(raised.value) == (
        f"{features.option} is open in another process, which may still write to it; wait for that, or end it"
    )
