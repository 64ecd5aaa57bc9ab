"""A shard that has travelled as a task is computed as at home."""

import dataclasses
import io
import pathlib

import numpy as np
import pytest

from tfcr.dataset_info import IndexRow
from tfcr.errors import TfcrError
from tfcr.features.embeddings import WordVectors
from tfcr.features.own import OwnFeatures, write_features

pytestmark = pytest.mark.usefixtures("tensorflow")


@pytest.fixture
def plan(tiny_corpus):
    """The tiny corpus in three shards. One word is known as it is written, one in lower case, one not at all."""
    from tfcr import corpora
    from tfcr.corpora.audio import num_samples
    from tfcr.features.presets import PRESETS
    from tfcr.preparation.shards import RecordPlan

    utterances = sorted(corpora.read("manifest", tiny_corpus).utterances, key=lambda each: each.id)
    random = np.random.default_rng(0)
    vectors = {word: random.normal(size=300).astype(np.float32) for word in ("of", "neutral", "word0", "Word1")}
    rows = []
    for each in utterances:
        samples = num_samples(each.audio)
        frames = PRESETS["paper"].num_frames(samples)
        rows.append(IndexRow(each.id, each.emotion, 0, each.speaker, "", "", samples, frames, 1, 2, ""))
    words = [each.transcript.rstrip(".").split() for each in utterances]
    return RecordPlan("tiny", utterances, rows, 3, "paper", words, WordVectors(vectors, "test"))


def travelled(plan, shard: int, tmp_path: pathlib.Path):
    from tfcr.preparation.beam import tasks

    file = io.BytesIO()
    rows = tasks.write_vectors(plan.vectors, file) if hasattr(plan, "vectors") else {}
    (tmp_path / "vectors").write_bytes(file.getvalue())
    arrived, made_from = tasks.decode(tasks.encode(plan, shard, rows, "0f"), tasks.read_vectors(tmp_path / "vectors"))
    assert made_from == "0f"
    return arrived


def of_file(plan, tmp_path):
    from tfcr.preparation import feature_sets

    own = OwnFeatures(tmp_path / "own.h5", "text")
    write_features(own.path, [(each.id, np.full((2, 5), len(each.id), np.float32)) for each in plan.utterances])
    return feature_sets.of_file(plan, own, own.feature_set([each.id for each in plan.utterances]))


def built_in(name):
    def make(plan, tmp_path):
        from tfcr.preparation import feature_sets

        return feature_sets.of_speech(plan, name, [f"{number:064x}" for number in range(len(plan.utterances))])

    return make


def of_words(plan, tmp_path):
    from tfcr.preparation import feature_sets

    return feature_sets.of_words(plan, [[number, 7] for number in range(len(plan.utterances))])


KINDS = {"records": lambda plan, tmp_path: plan, "mfcc": built_in("mfcc"), "words": of_words, "file": of_file}


@pytest.mark.parametrize("changed", [{"tfcr": "0.0.0"}, {"features": 0}])
def test_a_worker_of_another_version_computes_nothing(plan, monkeypatch, changed):
    from tfcr.preparation.beam import tasks

    task = tasks.encode(plan, 0, dict.fromkeys(plan.vectors.vectors, 0))
    monkeypatch.setattr(tasks, "_MAKER", tasks._MAKER | changed)
    with pytest.raises(TfcrError, match=r"^a worker has tfcr .*; expected tfcr .*, as the launcher has; install the"):
        tasks.decode(task, np.zeros((4, 300), np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_makes_the_same_shard_from_the_same_input(plan, tmp_path, kind):
    made = KINDS[kind](plan, tmp_path)
    for shard in range(3):
        arrived = travelled(made, shard, tmp_path)
        assert arrived.file_name(shard) == made.file_name(shard)
        assert arrived.fingerprint(shard) == made.fingerprint(shard)
        here = [made.serialised(position) for position in made.positions(shard)]
        assert [arrived.serialised(position) for position in arrived.positions(shard)] == here
        assert len(here) == (5, 5, 6)[shard]  # of 16 utterances


def test_a_task_holds_the_vectors_of_its_own_words_alone(plan, tmp_path):
    # The first shard has the utterances 10, 7, 1, 8 and 6: Word0, Word1 and Word2 of all four emotions.
    assert set(travelled(plan, 0, tmp_path).vectors.vectors) == {"of", "neutral", "word0", "Word1"}
    # The last has 2, 13, 3, 12, 14 and 0, of all four again.
    assert set(travelled(plan, 2, tmp_path).vectors.vectors) == {"of", "neutral", "word0", "Word1"}
    # The second has 9, 5, 15, 4 and 11, of which only 4 is neutral.
    plan.words[4][2] = "unheard"
    assert set(travelled(plan, 1, tmp_path).vectors.vectors) == {"of", "word0", "Word1"}


def test_a_corpus_without_a_known_word_travels_too(plan, tmp_path):
    import dataclasses

    mute = dataclasses.replace(plan, vectors=WordVectors({}, "test"))
    assert travelled(mute, 0, tmp_path).serialised(0) == mute.serialised(mute.positions(0)[0])


def test_a_worker_that_lacks_the_file_of_features_says_so(plan, tmp_path):
    made = of_file(plan, tmp_path)
    made.own.path.rename(tmp_path / "elsewhere.h5")
    with pytest.raises(TfcrError, match=r"own\.h5 does not exist"):
        travelled(made, 0, tmp_path)


def test_vectors_of_another_width_arrive(plan, tmp_path):
    narrow = {word: vector[:50] for word, vector in plan.vectors.vectors.items()}
    made = dataclasses.replace(plan, vectors=WordVectors(narrow, "test", width=50))
    for shard in range(3):
        assert travelled(made, shard, tmp_path).fingerprint(shard) == made.fingerprint(shard)
