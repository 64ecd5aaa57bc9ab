"""An export that answers as TF Serving does, without TF Serving."""

import base64
import json

import numpy as np
import tensorflow as tf


class LoadedModel:
    """What TF Serving does with a request, with the SavedModel in its hands."""

    def __init__(self, version):
        self.loaded = tf.saved_model.load(str(version))

    def grpc(self, request):
        """A `PredictResponse` for a `PredictRequest`."""
        from tensorflow_serving.apis import predict_pb2

        signature = self.loaded.signatures[request.model_spec.signature_name or "serving_default"]
        found = signature(**{name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()})
        response = predict_pb2.PredictResponse()
        for name, value in found.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy(), value.dtype))
        return response

    def rest(self, body):
        """The JSON that answers a body, rows for `instances` and columns for `inputs`."""
        body = json.loads(body)
        signature = self.loaded.signatures[body.get("signature_name", "serving_default")]
        wanted = signature.structured_input_signature[1]
        if "instances" in body:
            columns = {name: [row[name] for row in body["instances"]] for name in wanted}
        else:
            columns = body["inputs"]
        found = signature(**{name: tf.constant(_decoded(columns[name]), wanted[name].dtype) for name in wanted})
        outputs = {name: _encoded(name, value.numpy()) for name, value in found.items()}
        if "inputs" in body:
            return {"outputs": outputs}
        return {"predictions": [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]}


def _decoded(value):
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    return base64.b64decode(value["b64"], validate=True) if isinstance(value, dict) else value


def _encoded(name, value):
    if name.endswith("_bytes"):
        return [{"b64": base64.b64encode(each).decode()} for each in value]
    if value.dtype == object:
        return np.vectorize(bytes.decode, otypes=[object])(value).tolist()
    return value.tolist()
