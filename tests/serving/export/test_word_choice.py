"""Which words an export knows: the dataset's, and more of the same vectors."""

import json
import shutil

import numpy as np
import pytest

from tfcr import runs
from tfcr.dataset_info import INFO
from tfcr.errors import TfcrError
from tfcr.features.vocabulary import VOCABULARY, read_vocabulary, write_vocabulary
from tfcr.serving.export.word_choice import choose_words

WORDS = ["the", "I", "know", "never", "zebra", "Zürich"]  # by frequency, as such files are
VECTORS = np.random.default_rng(0).normal(size=(len(WORDS), 300)).astype(np.float32)
TRAINED = ["I", "know", "nothing", "the"]  # `nothing` has no vector


def write_word2vec(path, words=WORDS, vectors=VECTORS):
    rows = b"".join(
        word.encode() + b" " + vector.astype("<f4").tobytes() for word, vector in zip(words, vectors, strict=True)
    )
    path.write_bytes(f"{len(words)} 300\n".encode() + rows)
    return path


@pytest.fixture
def source(tmp_path):
    return write_word2vec(tmp_path / "vectors.bin")


@pytest.fixture
def run(trained_run, small_dataset, source, tmp_path):
    """The run, as if its dataset had been prepared with `source`."""
    import hashlib

    data = tmp_path / "data"
    shutil.copytree(small_dataset.folder, data)
    info = json.loads((data / INFO).read_text())
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    info["embeddings"] |= {"source": "vectors.bin", "sha256": sha256, "transductive": False}
    rows = np.stack([VECTORS[WORDS.index(word)] if word in WORDS else np.zeros(300, np.float32) for word in TRAINED])
    write_vocabulary(data / VOCABULARY, TRAINED, rows, np.array([word in WORDS for word in TRAINED]))
    info["vocabulary"]["sha256"] = hashlib.sha256((data / VOCABULARY).read_bytes()).hexdigest()
    (data / INFO).write_text(json.dumps(info))
    folder = tmp_path / "run"
    shutil.copytree(trained_run.folder, folder)
    config = (folder / runs.CONFIG).read_text().replace(str(small_dataset.folder), str(data))
    (folder / runs.CONFIG).write_text(config)
    return runs.open_run(folder)


def test_by_default_they_are_the_datasets_words_that_have_a_vector(run):
    words, vectors = choose_words(run)
    assert words == ["I", "know", "the"]
    np.testing.assert_array_equal(vectors, VECTORS[[1, 2, 0]])


def test_a_file_adds_all_its_words(run, tmp_path):
    lines = (
        f"{word} {' '.join(map(repr, map(float, row)))}\n" for word, row in zip(WORDS, VECTORS.round(5), strict=True)
    )
    (tmp_path / "vectors.txt").write_text("".join(lines), encoding="utf-8")  # GloVe's format rounds
    words, vectors = choose_words(run, more=str(tmp_path / "vectors.txt"))
    assert words == ["I", "know", "the", "never", "zebra", "Zürich"]
    np.testing.assert_array_equal(vectors[:3], VECTORS[[1, 2, 0]])  # a trained word keeps what it was trained with
    np.testing.assert_allclose(vectors[3:], VECTORS[3:], atol=1e-5)


def test_a_number_adds_the_first_words_of_the_datasets_own_vectors(run, source, tmp_path, monkeypatch):
    words, _ = choose_words(run, more="5", embeddings=source)
    assert words == ["I", "know", "the", "never", "zebra"]
    monkeypatch.chdir(tmp_path)  # found here by the name it had
    assert choose_words(run, more="4")[0] == ["I", "know", "the", "never"]


def test_words_of_other_vectors_are_refused(run, source, tmp_path, trained_run):
    other = write_word2vec(tmp_path / "other.bin", vectors=VECTORS[::-1])
    strange = write_word2vec(tmp_path / "strange.bin", [f"{word}x" for word in WORDS])
    for more, embeddings, reason in (
        (str(other), None, "has another vector for 'I' than .* give the vectors that its dataset was prepared with"),
        (str(strange), None, "shares no word with the 3 that"),
        ("0", None, "adds no word; expected a number from 1 on"),
        ("9" * 5000, None, "--vocabulary has a number of 5000 digits; expected at most 9 of them"),
        ("1", other, "is not the file of word vectors that dataset .* say by --embeddings where that one lies"),
        ("1", tmp_path / "gone.bin", "gone.bin is not there; say by --embeddings where they lie"),
        (str(tmp_path / "gone.bin"), None, "neither a number nor a file"),
    ):
        with pytest.raises(TfcrError, match=reason) as raised:
            choose_words(run, more=more, embeddings=embeddings)
        assert "\n" not in str(raised.value)
    with pytest.raises(TfcrError, match="trained on its own transcripts, so there are no further words"):
        choose_words(trained_run, more="10")


def test_a_dataset_that_is_gone_another_or_old_is_said_with_the_remedy(run, tmp_path, authors_dataset):
    with pytest.raises(TfcrError, match=r"does not exist; .*--data"):
        choose_words(run, data=tmp_path / "gone")
    with pytest.raises(TfcrError, match=r"is not the one that .* was trained on .*--data"):
        choose_words(run, data=authors_dataset.folder)
    data = tmp_path / "data"
    write_vocabulary(data / VOCABULARY, TRAINED, np.ones((len(TRAINED), 300), np.float32))  # whole, of other vectors
    with pytest.raises(TfcrError, match=r"vocabulary\.h5 is not the one that its dataset was written with"):
        choose_words(run)
    (data / VOCABULARY).unlink()
    with pytest.raises(TfcrError, match=r"has no vocabulary\.h5; `tfcr prepare-tfrecords`.* --data"):
        choose_words(run)


def test_a_dataset_that_was_moved_is_found_by_data(run, tmp_path):
    expected = choose_words(run)[0]
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    with pytest.raises(TfcrError, match="--data"):
        choose_words(run)
    assert choose_words(run, data=tmp_path / "elsewhere")[0] == expected


def test_a_prepared_dataset_brings_its_words(small_dataset, trained_run):
    words, vectors, known = read_vocabulary(small_dataset.folder)
    chosen, rows = choose_words(trained_run)
    assert chosen == [word for word, there in zip(words, known, strict=True) if there] != []
    np.testing.assert_array_equal(rows, vectors[known])
