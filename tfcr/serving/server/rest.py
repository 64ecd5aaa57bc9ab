"""TF Serving's REST protocol: what a path and a body ask for, and the JSON that answers. Neither web nor TensorFlow.

Names, shapes and status codes are those of https://www.tensorflow.org/tfx/serving/api_rest.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from tfcr.serving.server.values import B64, Input, RestError, array_of, kind

DEFAULT_SIGNATURE = "serving_default"
MAX_ROWS = 256  # of one request

_BINARY = "_bytes"  # outputs whose names end so are base64
_ADDRESS = re.compile(
    r"(?P<model>[^/:]+)(?:/versions/(?P<version>\d{1,18})|/labels/(?P<label>[^/:]+))?(?:(?P<metadata>/metadata)|:(?P<verb>\w+))?"
)


@dataclass(frozen=True)
class Question:
    """A body that was understood.

    Attributes:
        signature: the name of one of the model's.
        inputs: name → array [batch, …]; strings are bytes.
        by_row: whether it came as `instances`, to be answered by `predictions`; else `inputs` and `outputs`.
    """

    signature: str
    inputs: dict[str, np.ndarray]
    by_row: bool

    @property
    def rows(self) -> int:
        """The size of the batch."""
        return len(next(iter(self.inputs.values())))


@dataclass(frozen=True)
class Address:
    """What stands behind `/v1/models/`.

    Attributes:
        verb: behind a colon, say `predict`; empty where there is none.
        metadata: whether `/metadata` is asked for.
    """

    model: str
    version: int | None
    label: str | None
    verb: str
    metadata: bool


def read_address(path: str) -> Address | None:
    """What a path behind `/v1/models/` asks for; None where the protocol has no such path."""
    found = _ADDRESS.fullmatch(path)
    if found is None:
        return None
    version = found["version"]
    return Address(
        found["model"], None if version is None else int(version), found["label"], found["verb"] or "",
        found["metadata"] is not None,
    )  # fmt: skip


def check_address(address: Address, model: str, version: int) -> None:
    """Refuses another model or version than the one that is served.

    Raises:
        RestError: 404; of a label 400, as TF Serving has it.
    """
    if address.model != model:
        raise RestError(404, f"Servable not found for request: there is no model {address.model!r}; this is {model!r}")
    if address.label is not None:
        raise RestError(400, f"Unrecognized servable version label: no version of {model!r} has one; leave labels/ out")
    if address.version not in (None, version):
        raise RestError(
            404,
            f"Servable not found for request: there is no version {address.version} of {model!r}; this is {version}",
        )


def read_question(body: bytes, signatures: Mapping[str, Mapping[str, Input]]) -> Question:
    """Understands the body of `:predict`.

    `{"signature_name": …, "instances": [{name: value}, …]}` by row, or `"inputs": {name: [value, …]}` by column; of a
    signature with one input its name may be left out. Bytes are `{"b64": …}`.

    Raises:
        RestError: 400.
    """
    content = _json(body)
    if not isinstance(content, dict):
        raise RestError(400, f"the body must be a JSON object with instances or inputs; it is {kind(content)}")
    name = content.get("signature_name") or DEFAULT_SIGNATURE
    if not isinstance(name, str) or name not in signatures:
        raise RestError(400, f"there is no signature {_shown(name)}; expected one of {', '.join(signatures)}")
    if ("instances" in content) == ("inputs" in content):
        both = "both are there" if "inputs" in content else "neither is there"
        raise RestError(400, f"the body must have either instances (rows) or inputs (columns); {both}")
    wanted, by_row = signatures[name], "instances" in content
    columns = _by_row(content["instances"], wanted) if by_row else _by_column(content["inputs"], wanted)
    inputs = {each: array_of(each, columns[each], taken) for each, taken in wanted.items()}
    sizes = {each: len(array) for each, array in inputs.items()}
    if len(set(sizes.values())) != 1:
        listed = ", ".join(f"{each} {size}" for each, size in sizes.items())
        raise RestError(400, f"inputs must have as many rows as each other; received {listed}")
    question = Question(name, inputs, by_row)
    if question.rows == 0:
        raise RestError(400, "the batch is empty; expected at least one row")
    if question.rows > MAX_ROWS:
        raise RestError(400, f"the batch has {question.rows} rows; expected at most {MAX_ROWS}")
    return question


def refuse_if_every_row_is_bad(outputs: Mapping[str, np.ndarray]) -> None:
    """A request with nothing to answer is an error; beside a good row, a bad one says so in its output `error`.

    Raises:
        RestError: 400, with what the model says of the row.
    """
    errors = [_text(error) for error in outputs.get("error", ())]
    if errors and all(errors):
        raise RestError(400, errors[0] if len(errors) == 1 else f"all {len(errors)} rows are bad, row 0: {errors[0]}")


def write_answer(outputs: Mapping[str, np.ndarray], by_row: bool) -> bytes:
    """The JSON that answers: `predictions`, a list of objects, or `outputs`, an object of lists.

    Args:
        outputs: name → array [batch, …]; strings are bytes.
    """
    columns = {name: _strings_out(name, array) if array.dtype == object else array for name, array in outputs.items()}
    if by_row:
        content = {"predictions": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]}
    else:
        content = {"outputs": columns}
    finite = all(array.dtype == object or np.isfinite(array).all() for array in outputs.values())
    if finite:
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(content, default=lambda value: value.tolist()).encode()  # NaN and Infinity, as TF Serving has it


def write_error(sentence: str) -> bytes:
    """The JSON of an error."""
    return orjson.dumps({"error": " ".join(sentence.split())})


def write_status(version: int) -> bytes:
    """The JSON of `GET /v1/models/NAME`: one version, which is there."""
    status = {"error_code": "OK", "error_message": ""}
    content = {"model_version_status": [{"version": str(version), "state": "AVAILABLE", "status": status}]}
    return json.dumps(content, indent=1).encode()


def write_metadata(model: str, version: int, signature_def: Mapping[str, Any]) -> bytes:
    """The JSON of `GET /v1/models/NAME/metadata`.

    Args:
        signature_def: name → a `SignatureDef` as the JSON of protocol buffers has it.
    """
    spec = {"name": model, "signature_name": "", "version": str(version)}
    content = {"model_spec": spec, "metadata": {"signature_def": {"signature_def": signature_def}}}
    return json.dumps(content, indent=1).encode()


def _json(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise RestError(400, "the body is not UTF-8; expected JSON") from None
    except RecursionError:
        raise RestError(400, "the body is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise RestError(400, f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except ValueError:  # an integer of more than 4300 digits
        raise RestError(400, "the body holds a number that is too long") from None


def _by_row(instances: Any, wanted: Mapping[str, Input]) -> dict[str, list]:
    if not isinstance(instances, list):
        raise RestError(400, f"instances must be a list of rows; it is {kind(instances)}")
    if not instances:
        raise RestError(400, "instances is empty; expected at least one row")
    if len(wanted) == 1 and not any(map(_is_object, instances)):
        return {next(iter(wanted)): instances}
    for number, row in enumerate(instances):
        if not _is_object(row):
            raise RestError(400, f"row {number} of instances must be an object of {_listed(wanted)}; it is {kind(row)}")
        _check_names(f"row {number} of instances", row, wanted)
    return {name: [row[name] for row in instances] for name in wanted}


def _by_column(inputs: Any, wanted: Mapping[str, Input]) -> dict[str, Any]:
    if len(wanted) == 1 and not _is_object(inputs):
        return {next(iter(wanted)): inputs}
    if not _is_object(inputs):
        raise RestError(400, f"inputs must be an object of {_listed(wanted)}; it is {kind(inputs)}")
    _check_names("inputs", inputs, wanted)
    return inputs


def _check_names(what: str, given: Mapping[str, Any], wanted: Mapping[str, Input]) -> None:
    for name in wanted:
        if name not in given:
            raise RestError(400, f"{what} has no {name}; expected {_listed(wanted)}")
    for name in given:
        if name not in wanted:
            raise RestError(
                400, f"{what} has {_shown(name)}, which the signature does not take; expected {_listed(wanted)}"
            )


def _strings_out(name: str, array: np.ndarray) -> list:
    def one(value):
        return {B64: base64.b64encode(value).decode()} if name.endswith(_BINARY) else _text(value)

    return [_strings_out(name, each) if isinstance(each, np.ndarray) else one(each) for each in array]


def _text(value: bytes) -> str:
    return value.decode("utf-8", errors="replace")


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and list(value) != [B64]


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    return " and ".join(names)


def _shown(value: Any) -> str:
    """A value in a sentence, cut where it is long."""
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 60 else f"{text[:60]}…"
