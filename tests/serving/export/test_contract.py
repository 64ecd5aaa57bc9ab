"""The contract with TF Serving: real `PredictRequest` messages and REST bodies, answered as its server answers them.

Without `tensorflow_model_server` on the path they are fed to the loaded SavedModel; with it, to the server.
"""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
from loaded_model import LoadedModel
from wav_files import noise, wav

from tfcr.exports import MODEL, read_manifest
from tfcr.serving.export.server_files import FILES, model_name, write_server_files
from tfcr.serving.export.warmup import FILE as WARMUP

predict_pb2 = pytest.importorskip("tensorflow_serving.apis.predict_pb2", reason="needs tensorflow-serving-api")

_CLASSES = 4
_ANSWER = {
    "emotion": (tf.string, [2]),
    "probabilities": (tf.float32, [2, _CLASSES]),
    "logits": (tf.float32, [2, _CLASSES]),
    "audio_logits": (tf.float32, [2, _CLASSES]),
    "text_logits": (tf.float32, [2, _CLASSES]),
    "conflict": (tf.bool, [2]),
}
_ANSWERS = {
    "serving_default": {**_ANSWER, "error": (tf.string, [2])},
    "features": _ANSWER,
    "explain": {
        **_ANSWER,
        "error": (tf.string, [2]),
        "spectrogram": (tf.float32, [2, 2, 128, 128]),
        "num_frames": (tf.int32, [2]),
        "tokens": (tf.string, [2, 30]),
        "attention": (tf.float32, [2, 30]),
        "audio_probabilities": (tf.float32, [2, _CLASSES]),
        "text_probabilities": (tf.float32, [2, _CLASSES]),
    },
}


def _values(signature):
    """Two rows for a signature: the first is a recording of 1.5 s and two segments, the second one of 0.5 s."""
    if signature != "features":
        audio = np.array([wav(noise(1.5)), wav(noise(0.5, channels=2))], object)
        return {"audio_bytes": audio, "transcript": np.array([b"I know", "Zoë \U0001f600".encode()], object)}
    random = np.random.default_rng(0)
    return {
        "spectrogram": random.normal(-60, 20, (2, 2, 128, 128)).astype(np.float32),
        "num_frames": np.array([200, 61], np.int32),
        "embeddings": random.normal(size=(2, 30, 300)).astype(np.float32),
        "num_tokens": np.array([2, 1], np.int32),
    }


class ModelServer:
    """The real one."""

    def __init__(self, out):
        self.ports = [_free_port(), _free_port()]
        configuration = out / "here.config"
        configuration.write_text((out / "models.config").read_text().replace(f"/models/{MODEL}", str(out)))
        self.process = subprocess.Popen(
            [
                "tensorflow_model_server",
                f"--port={self.ports[0]}",
                f"--rest_api_port={self.ports[1]}",
                f"--model_config_file={configuration}",
                "--enable_batching=true",
                f"--batching_parameters_file={out / 'batching.config'}",
                f"--monitoring_config_file={out / 'monitoring.config'}",
            ]
        )
        self.address = f"http://127.0.0.1:{self.ports[1]}/v1/models/{MODEL}"
        for _ in range(300):
            try:
                with urllib.request.urlopen(self.address) as status:
                    if json.load(status)["model_version_status"][0]["state"] == "AVAILABLE":
                        return
            except (OSError, urllib.error.URLError):
                assert self.process.poll() is None, "tensorflow_model_server ended"
            time.sleep(0.2)
        raise AssertionError("tensorflow_model_server has not loaded the model")

    def grpc(self, request):
        import grpc
        from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

        with grpc.insecure_channel(f"127.0.0.1:{self.ports[0]}") as channel:
            return PredictionServiceStub(channel).Predict(request, timeout=60)

    def rest(self, body):
        with urllib.request.urlopen(f"{self.address}:predict", data=body.encode()) as answer:
            return json.load(answer)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module", params=["the loaded SavedModel", "tensorflow_model_server"])
def server(request, exported):
    if request.param == "the loaded SavedModel":
        yield LoadedModel(exported)
        return
    if shutil.which("tensorflow_model_server") is None:
        pytest.skip("tensorflow_model_server is not on the path; the loaded SavedModel stands for it")
    real = ModelServer(exported.parent)
    try:
        yield real
    finally:
        real.process.terminate()
        real.process.wait()


@pytest.mark.parametrize("signature", _ANSWERS)
def test_a_predict_request_is_answered_with_the_promised_names_types_and_shapes(signature, server, served):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = MODEL, signature
    for name, value in _values(signature).items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    request = predict_pb2.PredictRequest.FromString(request.SerializeToString())
    response = server.grpc(request)
    found = {
        name: (tf.as_dtype(value.dtype), [size.size for size in value.tensor_shape.dim])
        for name, value in response.outputs.items()
    }
    assert found == _ANSWERS[signature]
    expected = served[signature](**{name: tf.constant(value) for name, value in _values(signature).items()})
    for name, value in response.outputs.items():
        value, wanted = tf.make_ndarray(value), expected[name].numpy()
        if value.dtype.kind == "f":
            np.testing.assert_allclose(value, wanted, atol=1e-5)
        else:
            np.testing.assert_array_equal(value, wanted)


@pytest.mark.parametrize("signature", _ANSWERS)
@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_a_rest_body_is_answered_by_row_and_by_column(signature, form, server, served):
    values = _values(signature)
    columns = {
        name: [{"b64": base64.b64encode(each).decode()} for each in value]
        if name.endswith("_bytes")
        else [each.decode() for each in value]
        if value.dtype == object
        else value.tolist()
        for name, value in values.items()
    }
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    body = {"signature_name": signature, form: rows if form == "instances" else columns}
    answer = server.rest(json.dumps(body))
    if form == "instances":
        answer = {name: [row[name] for row in answer["predictions"]] for name in answer["predictions"][0]}
    else:
        answer = answer["outputs"]
    assert set(answer) == set(_ANSWERS[signature])
    expected = served[signature](**{name: tf.constant(value) for name, value in values.items()})
    for name, value in answer.items():
        wanted = expected[name].numpy()
        if wanted.dtype == object:
            assert value == np.vectorize(bytes.decode, otypes=[object])(wanted).tolist()
        else:
            np.testing.assert_allclose(np.array(value, wanted.dtype).astype(float), wanted.astype(float), atol=1e-5)


def test_texts_that_stand_in_the_answer_are_utf8(served):
    """JSON knows no other; a broken transcript or recording comes back as none of its bytes."""
    found = served["explain"](
        audio_bytes=tf.constant([b"\xff\xfe", wav(noise(0.5))]), transcript=tf.constant([b"\xff", b"\xff\xfe I know"])
    )
    for name in ("emotion", "error", "tokens"):
        for text in found[name].numpy().ravel():
            text.decode()


def test_the_warm_up_requests_are_what_tf_serving_reads_and_the_model_answers_them(exported, served):
    from tensorflow_serving.apis import prediction_log_pb2

    records = [bytes(record.numpy()) for record in tf.data.TFRecordDataset(str(exported / WARMUP))]
    asked = []
    for record in records:
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == MODEL
        inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        answers = served[request.model_spec.signature_name](**inputs)
        (rows,) = {len(value) for value in inputs.values()}
        asked.append((request.model_spec.signature_name, rows))
        assert set(answers.get("error", tf.constant([b""])).numpy()) == {b""}
    assert asked == [(signature, rows) for signature in _ANSWERS for rows in (1, 8)]
    assert {name: sorted(inputs) for name, inputs in read_manifest(exported)["signatures"].items()} == {
        name: sorted(_values(name)) for name in _ANSWERS
    }


def test_the_configuration_is_in_tf_servings_words(exported):
    import yaml
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    out = exported.parent
    models = text_format.Parse((out / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())
    (model,) = models.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == (MODEL, f"/models/{MODEL}", "tensorflow")
    service = yaml.safe_load((out / "compose.yaml").read_text())["services"][MODEL]
    named = [word.split("=", 1)[1] for word in service["command"] if "=/" in word]
    assert sorted(named) == sorted(f"/models/{MODEL}/{name}" for name in FILES if name.endswith(".config"))
    assert service["volumes"] == [f".:/models/{MODEL}:ro"]


def test_the_name_is_that_of_the_folder_where_every_server_takes_it(tmp_path):
    import yaml

    for folder, name in (("emo-2.db", "emo-2.db"), ("emo db", MODEL), ("émo", MODEL), ("-a", MODEL), ('a"b', MODEL)):
        assert model_name(tmp_path / folder) == name
    write_server_files(tmp_path / "emo-2.db")
    assert yaml.safe_load((tmp_path / "emo-2.db" / "compose.yaml").read_text())["services"].keys() == {"emo-2.db"}
    assert 'name: "emo-2.db"' in (tmp_path / "emo-2.db" / "models.config").read_text()


def test_what_a_user_changed_stays(tmp_path):
    assert [path.name for path in write_server_files(tmp_path)] == list(FILES)
    (tmp_path / "models.config").write_text("mine")
    (tmp_path / "compose.yaml").unlink()
    assert [path.name for path in write_server_files(tmp_path)] == ["compose.yaml"]
    assert (tmp_path / "models.config").read_text() == "mine"
