"""Requests as hypothesis draws them: TF Serving's REST contract, kept and broken in every place, and WAV files too.

A grammar of our own and not a tool for OpenAPI: the contract is prose and has no schema.
"""

import base64
import collections
import gzip
import json
import struct
import unicodedata
from urllib.parse import quote

from hypothesis import strategies as st

Request = collections.namedtuple("Request", "method path headers body")

_PREDICT = "/v1/models/tfcr:predict"
_SIGNATURES = ["serving_default", "features", "explain"]
_WORDS = [
    "I know",
    "",
    "Zoë \U0001f600",
    unicodedata.normalize("NFD", "été Việt 안녕"),
    "a" * 300,
    "\u0301",
    "\x00",
    "[X] %",
]


@st.composite
def wav_files(draw):
    """RIFF files, most of whose fields are right."""

    def mostly(right, *wrong):
        return draw(st.sampled_from([right] * (12 * len(wrong)) + [*wrong]))

    samples = draw(st.binary(max_size=64)) * draw(st.sampled_from([0, 1, 10, 100, 500]))
    channels, bits = mostly(1, 2, 0, 3, 65535), mostly(16, 8, 24, 32, 0, 12)
    rate = mostly(16_000, 8_000, 44_100, 0, 2**32 - 1)
    frame = channels * bits // 8
    form = struct.pack(
        "<HHIIHH", mostly(1, 3, 6, 0xFFFE, 0), channels, rate, (rate * frame) % 2**32, frame % 2**16, bits
    )
    form += mostly(b"", b"\0\0", bytes(24))
    extra = mostly(b"", b"LIST" + struct.pack("<I", 4) + b"INFO", b"junk" + struct.pack("<I", 2**32 - 1))
    size = mostly(len(samples), 0, len(samples) + 1, 2**31, 2**32 - 1)
    chunks = b"fmt " + struct.pack("<I", mostly(len(form), 0, 15, 2**32 - 1)) + form + extra
    chunks += b"data" + struct.pack("<I", size) + samples
    whole = (
        mostly(b"RIFF", b"RIFX", b"RF64") + struct.pack("<I", mostly(len(chunks) + 4, 0, 2**32 - 1)) + b"WAVE" + chunks
    )
    return whole[: mostly(len(whole), draw(st.integers(0, len(whole))))]


audio = wav_files() | st.binary(max_size=100)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(10**400),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10) | st.just("b64"), inner, max_size=3)
    ),
    max_leaves=8,
)


def _encoded(content):
    text = base64.b64encode(content).decode()
    return st.sampled_from([text] * 6 + [text.rstrip("="), text + "\n", text[1:], text.replace("+", "-"), "?"])


def rows(content):
    """A row of `instances` around the content of a file."""
    right = st.fixed_dictionaries({
        "audio_bytes": _encoded(content).map(lambda text: {"b64": text}),
        "transcript": st.sampled_from(_WORDS) | st.text(max_size=40),
    })  # fmt: skip
    wrong = st.fixed_dictionaries({}, optional={"audio_bytes": _json, "transcript": _json, "more": _json})
    return st.integers(0, 5).flatmap(lambda number: wrong if number == 0 else right)


@st.composite
def bodies(draw):
    """JSON of `:predict`, most of it right."""
    drawn = draw(st.lists(audio.flatmap(rows), min_size=0 if draw(st.integers(0, 9)) == 0 else 1, max_size=3))
    form = draw(st.sampled_from(["instances"] * 4 + ["inputs"] * 3 + ["both", "neither"]))
    content = {}
    if form in ("instances", "both"):
        content["instances"] = drawn
    if form in ("inputs", "both"):
        names = sorted({name for row in drawn for name in row})
        content["inputs"] = {name: [row.get(name) for row in drawn] for name in names}
    if draw(st.booleans()):
        content["signature_name"] = draw(st.sampled_from([*_SIGNATURES, "", "none"]) | _json)
    if draw(st.integers(0, 9)) == 0:
        content = draw(_json)
    text = json.dumps(content).encode("utf-8", "surrogatepass")
    damage = draw(st.sampled_from(["none"] * 12 + ["cut", "byte", "deep", "raw"]))
    if damage == "cut":
        return text[: draw(st.integers(0, len(text)))]
    if damage == "byte":
        place = draw(st.integers(0, len(text)))
        return text[:place] + draw(st.binary(min_size=1, max_size=3)) + text[place + 1 :]
    if damage == "deep":
        return b'{"instances":' + b"[" * 5000
    return draw(st.binary(max_size=200)) if damage == "raw" else text


_PATHS = [
    "/v1/models/tfcr", "/v1/models/tfcr/versions/1", "/v1/models/tfcr/metadata", "/v1/models/tfcr/versions/1/metadata",
    "/v1/models/tfcr/versions/1:predict", "/v1/models/tfcr/versions/2:predict", "/v1/models/tfcr/labels/stable:predict",
    "/v1/models/tfcr:classify", "/v1/models/other:predict", "/v1/models", "/v1/models/", "/v1", "/", "/health",
    "/metrics", "/monitoring/prometheus/metrics", "/v1/models/tfcr:", "/v1/models/tfcr/versions/" + "9" * 30,
]  # fmt: skip
_paths = st.sampled_from(_PATHS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(
    lambda text: "/v1/models/" + quote(text, safe="/:")
)
_KINDS = ["application/json", "application/json; charset=utf-8", "application/json; charset=latin-1", "", "?;=;charset"]


@st.composite
def requests(draw):
    """Requests, two thirds of which ask the model."""
    asks = draw(st.integers(0, 2)) > 0
    method = "POST" if asks else draw(st.sampled_from(["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"]))
    path = _PREDICT if asks else draw(_paths)
    body = draw(bodies()) if asks or draw(st.booleans()) else b""
    headers = {"Content-Type": draw(st.sampled_from(_KINDS[:2] * 5 + _KINDS))}
    encoding = draw(st.sampled_from([None] * 8 + ["gzip", "gzip", "gzip, gzip", "br", "identity", "wrong", "cut"]))
    if encoding in ("gzip", "wrong", "cut"):
        headers["Content-Encoding"] = "gzip"
        body = {"gzip": gzip.compress(body), "wrong": body, "cut": gzip.compress(body)[:-5]}[encoding]
    elif encoding is not None:
        headers["Content-Encoding"] = encoding
    return Request(method, path, headers, body)


def recordings():
    """Requests that ask one right question about a file that hypothesis makes."""

    def asked(content):
        row = {"audio_bytes": {"b64": base64.b64encode(content).decode()}, "transcript": "I know"}
        return Request(
            "POST", _PREDICT, {"Content-Type": "application/json"}, json.dumps({"instances": [row]}).encode()
        )

    return (wav_files() | st.binary(max_size=2000)).map(asked)
