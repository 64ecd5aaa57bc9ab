"""A record is what was serialised, whatever its texts and sizes."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcr.schema import EMBEDDING_DIM, MAX_TOKENS, NUM_BINS, SEGMENT_FRAMES

pytestmark = pytest.mark.usefixtures("tensorflow")

TEXTS = ("id", "speaker", "session", "script", "transcript", "emotion")
texts = st.text(st.characters(codec="utf-8"), max_size=50)


def record(segments=1, tokens=(), num_frames=1, seed=0, **strings):
    from tfcr.data.records import Record

    random = np.random.default_rng(seed)
    embeddings = np.zeros((MAX_TOKENS, EMBEDDING_DIM), np.float32)
    embeddings[: len(tokens)] = random.normal(size=(min(len(tokens), MAX_TOKENS), EMBEDDING_DIM))
    return Record(
        **{name: strings.get(name, "") for name in (*TEXTS, "part")},
        label=strings.get("label", 0),
        num_frames=num_frames,
        tokens=list(tokens),
        spectrogram=random.normal(-60, 20, (segments, SEGMENT_FRAMES, NUM_BINS)).astype(np.float32),
        embeddings=embeddings,
    )


def parsed(one):
    from tfcr.data.records import parse, serialise, to_record

    fields = parse(serialise(one))
    return to_record(fields), fields


@settings(max_examples=40)
@given(
    strings=st.fixed_dictionaries(dict.fromkeys((*TEXTS, "part"), texts)),
    segments=st.integers(1, 3),
    tokens=st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=10), max_size=100),
    label=st.integers(0, 10),
    real=st.integers(1, SEGMENT_FRAMES),
    seed=st.integers(0, 100),
)
def test_parse_after_serialise_is_the_identity(strings, segments, tokens, label, real, seed):
    one = record(segments, tokens, (segments - 1) * SEGMENT_FRAMES + real, seed, label=label, **strings)
    other, fields = parsed(one)
    for name in (*TEXTS, "part", "label", "num_frames", "tokens"):
        assert getattr(other, name) == getattr(one, name)
    for name in ("spectrogram", "embeddings"):
        np.testing.assert_array_equal(getattr(other, name), getattr(one, name))
        assert getattr(other, name).dtype == np.float32
    assert (int(fields["num_segments"]), int(fields["num_tokens"])) == (segments, len(tokens))


def test_no_words_are_no_tokens_and_rows_of_zeros():
    other, fields = parsed(record(transcript=""))
    assert (other.transcript, other.tokens, int(fields["num_tokens"])) == ("", [], 0)
    assert not other.embeddings.any()


def test_rows_after_the_last_word_are_zero_and_tokens_are_uncut():
    few, _ = parsed(record(tokens=["a", "b"]))
    assert few.embeddings[:2].all(axis=1).all() and not few.embeddings[2:].any()
    many, fields = parsed(record(tokens=[f"w{number}" for number in range(100)]))
    assert len(many.tokens) == int(fields["num_tokens"]) == 100
    assert many.embeddings.all()


def test_numbers_are_little_endian_float32_on_the_disk(tensorflow):
    from tfcr.data.records import serialise

    one = record(segments=2)
    features = tensorflow.train.Example.FromString(serialise(one)).features.feature
    assert features["spectrogram"].bytes_list.value[0] == one.spectrogram.astype("<f4").tobytes()
    assert len(features["embeddings"].bytes_list.value[0]) == 4 * 30 * 300  # bytes, words, components


def test_an_example_has_the_fields_that_users_were_told(tensorflow):
    from tfcr.data.records import serialise

    features = tensorflow.train.Example.FromString(serialise(record(tokens=["a"]))).features.feature
    kinds = {name: feature.WhichOneof("kind") for name, feature in features.items()}
    assert kinds == {
        **dict.fromkeys((*TEXTS, "tokens", "spectrogram", "embeddings"), "bytes_list"),
        **dict.fromkeys(("label", "num_segments", "num_frames", "num_tokens"), "int64_list"),
    }
    released = tensorflow.train.Example.FromString(serialise(record(part="test"))).features.feature
    assert set(released) - set(features) == {"part"}


def test_only_the_named_fields_are_parsed():
    from tfcr.data.records import parse, serialise

    assert set(parse(serialise(record()), "label", "num_tokens")) == {"label", "num_tokens"}


def test_bytes_are_the_same_in_every_process(fresh_process):
    from tfcr.data.records import Record, serialise

    words = ["Grüße", "you"]
    spectrogram, embeddings = np.full((1, 128, 128), -140, np.float32), np.ones((30, 300), np.float32)
    record = Record("i", "s", "1", "x", "Grüße, you", "anger", 3, 5, words, spectrogram, embeddings)
    assert fresh_process["record"] == hashlib.sha256(serialise(record)).hexdigest()
