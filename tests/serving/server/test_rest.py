"""TF Serving's REST protocol: what bodies and paths mean, and what is said of wrong ones."""

import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

pytest.importorskip("orjson", reason="needs the extra serve")

from tfcr.serving.server import rest

_STRINGS = rest.Input(np.dtype(object), (None,))
_SIGNATURES = {
    "serving_default": {"audio_bytes": _STRINGS, "transcript": _STRINGS},
    "words": {"transcript": _STRINGS},
    "features": {
        "picture": rest.Input(np.dtype(np.float32), (None, None, 2)),
        "frames": rest.Input(np.dtype(np.int32), (None,)),
    },
}
_GOOD = {"audio_bytes": {"b64": "AAEC"}, "transcript": "Zoë"}


def question(**body):
    return rest.read_question(json.dumps(body).encode(), _SIGNATURES)


def test_rows_and_columns_mean_the_same():
    rows = question(instances=[_GOOD, {"transcript": {"b64": "eA=="}, "audio_bytes": "ab"}])
    columns = question(inputs={"audio_bytes": [{"b64": "AAEC"}, "ab"], "transcript": ["Zoë", "x"]}, signature_name="")
    assert (rows.by_row, columns.by_row) == (True, False)
    for asked in (rows, columns):
        assert (asked.signature, asked.rows) == ("serving_default", 2)
        assert asked.inputs["audio_bytes"].tolist() == [b"\0\1\2", b"ab"]
        assert asked.inputs["transcript"].tolist() == ["Zoë".encode(), b"x"]


def test_the_name_of_a_single_input_may_be_left_out():
    for body in ({"instances": ["a", {"b64": "Yg=="}]}, {"inputs": ["a", {"b64": "Yg=="}]}):
        assert question(signature_name="words", **body).inputs["transcript"].tolist() == [b"a", b"b"]
    named = question(signature_name="words", instances=[{"transcript": "a"}])
    assert named.inputs["transcript"].tolist() == [b"a"]


def test_numbers_get_the_dtype_and_the_shape_of_the_signature():
    asked = question(signature_name="features", inputs={"picture": [[[1, 2.5]], [[0, -1e-3]]], "frames": [1, 2]})
    assert (asked.inputs["picture"].dtype, asked.inputs["picture"].shape) == (np.float32, (2, 1, 2))
    assert (asked.inputs["frames"].dtype, asked.inputs["frames"].tolist()) == (np.int32, [1, 2])


@pytest.mark.parametrize("text", ["AAECAw==", "AAECAw", "AAEC\n Aw==\n"])
def test_base64_is_read_with_and_without_padding_and_line_feeds(text):
    row = {**_GOOD, "audio_bytes": {"b64": text}}
    assert question(instances=[row]).inputs["audio_bytes"].tolist() == [b"\0\1\2\3"]


_FEATURES = {"signature_name": "features"}
_BAD = {
    "not JSON": (b"{", "the body is not JSON: Expecting property name"),
    "nothing": (b"", "the body is not JSON"),
    "not UTF-8": (b"\xff\xfe", "the body is not UTF-8"),
    "nested": (b"[" * 100_000, "nested too deeply"),
    "a number of 5000 digits": (b"1" * 5000, "a number that is too long"),
    "a list": ([], "must be a JSON object with instances or inputs; it is a list"),
    "neither": ({"rows": []}, "either instances (rows) or inputs (columns); neither is there"),
    "both": ({"instances": [_GOOD], "inputs": {}}, "both are there"),
    "another signature": ({"signature_name": "x", "instances": [_GOOD]}, 'no signature "x"; expected one of serving_'),
    "a signature that is a number": ({"signature_name": 5, "instances": [_GOOD]}, "there is no signature 5"),
    "no rows": ({"instances": []}, "instances is empty"),
    "no columns' rows": ({"inputs": {"audio_bytes": [], "transcript": []}}, "the batch is empty"),
    "too many rows": ({"instances": [_GOOD] * 257}, "the batch has 257 rows; expected at most 256"),
    "a row that is text": ({"instances": ["x"]}, "row 0 of instances must be an object of audio_bytes and transcript"),
    "rows in an object": ({"instances": {"audio_bytes": "x"}}, "instances must be a list of rows; it is an object"),
    "a missing input": ({"instances": [_GOOD, {"transcript": "x"}]}, "row 1 of instances has no audio_bytes; expected"),
    "an input too many": ({"instances": [{**_GOOD, "x": 1}]}, 'has "x", which the signature does not take'),
    "columns that are none": ({"inputs": ["x"]}, "inputs must be an object of audio_bytes and transcript"),
    "one text for a column": ({"inputs": {"audio_bytes": "x", "transcript": ["x"]}}, "must be a list of strings"),
    "a number for words": ({"instances": [{**_GOOD, "transcript": 5}]}, "transcript of row 0 must be a string or"),
    "null for words": ({"instances": [{**_GOOD, "transcript": None}]}, "it is null"),
    "unequal columns": ({"inputs": {"audio_bytes": ["x"], "transcript": ["x", "y"]}}, "audio_bytes 1, transcript 2"),
    "no base64": ({"instances": [{**_GOOD, "audio_bytes": {"b64": "???"}}]}, "audio_bytes of row 0 is not base64"),
    "a number as base64": ({"instances": [{**_GOOD, "audio_bytes": {"b64": 5}}]}, "audio_bytes of row 0 must be"),
    "half a pair": (b'{"instances": [{"audio_bytes": "", "transcript": "\\ud800"}]}', "half a surrogate pair"),
    "text for numbers": ({**_FEATURES, "inputs": {"picture": "x", "frames": [1]}}, "picture must be lists of numbers"),
    "null among numbers": ({**_FEATURES, "inputs": {"picture": [[None]], "frames": [1]}}, "lists of numbers"),
    "true among numbers": ({**_FEATURES, "inputs": {"picture": [[[1, True]]], "frames": [1]}}, "lists of numbers"),
    "a fraction for a count": ({**_FEATURES, "inputs": {"picture": [[[1, 2]]], "frames": [1.5]}}, "lists of integers"),
    "a count too large": ({**_FEATURES, "inputs": {"picture": [[[1, 2]]], "frames": [2**31]}}, "too large for int32"),
    "not finite": (b'{"signature_name": "features", "inputs": {"picture": [[[NaN, 0]]], "frames": [1]}}', "not finite"),
    "unequal lists": ({**_FEATURES, "inputs": {"picture": [[[1, 2], [1]]], "frames": [1]}}, "lists of unequal lengths"),
    "another shape": ({**_FEATURES, "inputs": {"picture": [[[1, 2, 3]]], "frames": [1]}}, "expected [batch, any, 2]"),
    "a list too few": ({**_FEATURES, "inputs": {"picture": [[1, 2]], "frames": [1]}}, "must be lists of numbers"),
}


@pytest.mark.parametrize("kind", _BAD)
def test_a_wrong_body_is_a_400_of_one_sentence(kind):
    body, sentence = _BAD[kind]
    with pytest.raises(rest.RestError) as refused:
        rest.read_question(body if isinstance(body, bytes) else json.dumps(body).encode(), _SIGNATURES)
    assert refused.value.status == 400
    assert sentence in refused.value.sentence and "\n" not in refused.value.sentence


_JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text(),
    lambda inner: (
        strategies.lists(inner, max_size=4)
        | strategies.dictionaries(
            strategies.sampled_from(["audio_bytes", "transcript", "picture", "frames", "b64"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@hypothesis.given(
    _JSON, strategies.sampled_from(["instances", "inputs"]), strategies.sampled_from([*_SIGNATURES, "", "x"])
)
def test_whatever_is_sent_is_understood_or_refused(value, form, signature):
    try:
        asked = question(signature_name=signature, **{form: value})
    except rest.RestError as error:
        assert error.status == 400 and error.sentence
    else:
        for name, taken in _SIGNATURES[asked.signature].items():
            array = asked.inputs[name]
            assert array.dtype == taken.dtype and array.ndim == len(taken.shape) and len(array) == asked.rows > 0


def test_an_answer_by_row_and_by_column():
    outputs = {
        "emotion": np.array([b"anger", b""], object),
        "probabilities": np.array([[0.1, 0.9], [0, 0]], np.float32),
        "conflict": np.array([True, False]),
        "num_frames": np.array([7, 0], np.int32),
        "tokens": np.array([[b"I", "Zoë".encode()], [b"", b"\xff"]], object),
        "raw_bytes": np.array([b"\0\1\2", b""], object),
    }
    first = {"emotion": "anger", "probabilities": [0.1, 0.9], "conflict": True, "num_frames": 7, "tokens": ["I", "Zoë"],
             "raw_bytes": {"b64": "AAEC"}}  # fmt: skip
    second = {"emotion": "", "probabilities": [0, 0], "conflict": False, "num_frames": 0, "tokens": ["", "\ufffd"],
              "raw_bytes": {"b64": ""}}  # fmt: skip
    assert json.loads(rest.write_answer(outputs, by_row=True)) == {"predictions": [first, second]}
    columns = {name: [first[name], second[name]] for name in first}
    assert json.loads(rest.write_answer(outputs, by_row=False)) == {"outputs": columns}
    outputs["probabilities"][1] = np.nan, np.inf  # Python's JSON and TF Serving's have words for them
    for by_row in (True, False):
        assert b"[NaN, Infinity]" in rest.write_answer(outputs, by_row)


def test_float32_survives_json_exactly():
    numbers = np.random.default_rng(0).normal(size=(4, 100)).astype(np.float32)
    content = json.loads(rest.write_answer({"logits": numbers}, by_row=False))
    np.testing.assert_array_equal(np.array(content["outputs"]["logits"], np.float32), numbers)


def test_a_request_is_refused_only_if_every_row_is_bad():
    rest.refuse_if_every_row_is_bad({"error": np.array([b"no WAV", b""], object)})
    rest.refuse_if_every_row_is_bad({"logits": np.zeros((1, 4))})
    for errors, sentence in (([b"no WAV"], "no WAV"), ([b"a", b"b"], "all 2 rows are bad, row 0: a")):
        with pytest.raises(rest.RestError) as refused:
            rest.refuse_if_every_row_is_bad({"error": np.array(errors, object)})
        assert (refused.value.status, refused.value.sentence) == (400, sentence)


def test_paths():
    read = rest.read_address
    assert read("tfcr:predict") == rest.Address("tfcr", None, None, "predict", False)
    assert read("tfcr/versions/12:predict") == rest.Address("tfcr", 12, None, "predict", False)
    assert read("my model/labels/stable:predict") == rest.Address("my model", None, "stable", "predict", False)
    assert read("tfcr") == rest.Address("tfcr", None, None, "", False)
    assert read("tfcr/versions/1/metadata") == rest.Address("tfcr", 1, None, "", True)
    for wrong in ("", ":predict", "tfcr/", "tfcr/versions/x", "tfcr/versions/-1", "tfcr/predict", "tfcr:predict/x"):
        assert read(wrong) is None
    rest.check_address(read("tfcr/versions/1:predict"), "tfcr", 1)
    for path, status, sentence in (
        ("x", 404, "no model 'x'"),
        ("tfcr/versions/2", 404, "no version 2"),
        ("tfcr/labels/a", 400, "Unrecognized servable version label"),
    ):
        with pytest.raises(rest.RestError, match=sentence) as refused:
            rest.check_address(read(path), "tfcr", 1)
        assert refused.value.status == status


def test_errors_are_one_line_of_json():
    assert json.loads(rest.write_error('two\nlines and a "quote"')) == {"error": 'two lines and a "quote"'}
