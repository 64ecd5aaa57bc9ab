"""The cache of word vectors: it saves reading the large file, and changes nothing else."""

import errno
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from gensim.models import KeyedVectors

from tfcr import checked_hdf5, files
from tfcr.errors import TfcrError
from tfcr.features import vector_cache, vector_files
from tfcr.features.embeddings import load_word_vectors
from tfcr.features.vector_cache import Vocabulary
from tfcr.schema import EMBEDDING_DIM

WORDS = ["the", "The", "cat", "don't", "café", "x"]


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache of the test's own."""
    monkeypatch.setenv("TFCR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write_vectors(path, seed=0):
    keyed = KeyedVectors(EMBEDDING_DIM)
    keyed.add_vectors(WORDS, np.random.default_rng(seed).normal(size=(len(WORDS), EMBEDDING_DIM)).astype(np.float32))
    keyed.save_word2vec_format(str(path), binary=True)
    return path


@pytest.fixture
def path(tmp_path):
    return write_vectors(tmp_path / "vectors.bin")


@pytest.fixture
def reads(monkeypatch):
    """Every time that a large file is read: for its vectors or its SHA-256."""
    seen = []

    def counted(kind, function):
        def call(*arguments):
            seen.append(kind)
            return function(*arguments)

        return call

    monkeypatch.setattr(vector_files, "read_vectors", counted("vectors", vector_files.read_vectors))
    monkeypatch.setattr(files, "sha256_of_file", counted("sha256", files.sha256_of_file))
    return seen


def assert_same(one, other):
    assert list(one.vectors) == list(other.vectors)
    for word, vector in one.vectors.items():
        np.testing.assert_array_equal(vector, other.vectors[word], strict=True)
    assert (one.source, one.sha256, one.transductive) == (other.source, other.sha256, other.transductive)


def cached_files(cache):
    return sorted(path for path in cache.rglob("*") if path.is_file())


def test_what_is_read_as_a_hint_alone_may_hold_no_numbers(tmp_path, reads):
    path = tmp_path / "vectors.txt"
    lines = [("haus", "1"), ("Haus", "nan"), ("Hund", "2"), ("ZEIT", "inf")]
    path.write_text("".join(f"{word}{f' {number}' * EMBEDDING_DIM}\n" for word, number in lines))
    first, again = (load_word_vectors(path, ["haus", "hund", "zeit"]) for _ in range(2))
    assert_same(first, again)
    assert first.vectors.keys() == {"haus"} and first.other_case == again.other_case == {"hund": "Hund"}
    for _ in range(2):  # nor does the cache say that there is none
        with pytest.raises(TfcrError, match="holds numbers that are not finite"):
            load_word_vectors(path, ["Haus"])


def test_the_second_time_reads_no_large_file_and_gives_the_same_bits(path, reads, cache):
    said = []
    first = load_word_vectors(path, [*WORDS, "none"])
    assert reads == ["sha256", "vectors"]
    second = load_word_vectors(path, [*WORDS, "none"], said.append)
    assert reads == ["sha256", "vectors"]
    assert_same(first, second)
    assert said == [
        f"The vectors of {path} were read before and come from {cache}",
        "6 of 7 different words have a vector",
    ]


def test_the_large_file_may_be_gone(path):
    said = []
    first = load_word_vectors(path, [*WORDS, "none"])
    path.unlink()
    assert_same(first, load_word_vectors(path, [*WORDS, "none"], said.append))
    assert f"{path}, which is gone," in said[0]


def test_a_relative_path_names_the_same_file(path, monkeypatch):
    first = load_word_vectors(path, WORDS)
    path.unlink()
    monkeypatch.chdir(path.parent)
    assert_same(first, load_word_vectors(path.name, WORDS))


def test_fewer_words_give_fewer_vectors(path):
    load_word_vectors(path, [*WORDS, "none"])
    path.unlink()
    assert list(load_word_vectors(path, ["cat", "none"]).vectors) == ["cat"]
    assert load_word_vectors(path, []).vectors == {}


def test_new_words_of_a_file_that_is_gone_are_one_clear_line(path):
    load_word_vectors(path, WORDS)
    path.unlink()
    with pytest.raises(TfcrError, match=r"^--embeddings .* does not exist, and 2 of .*, such as 'dog', .* put the"):
        load_word_vectors(path, [*WORDS, "dog", "zebra"])


def test_a_file_that_was_never_there_does_not_exist(path, tmp_path):
    load_word_vectors(path, WORDS)
    with pytest.raises(TfcrError, match=r"other\.bin does not exist; expected word2vec"):
        load_word_vectors(tmp_path / "other.bin", WORDS)


def test_another_corpus_extends_what_is_cached(path, reads, cache):
    load_word_vectors(path, ["The", "none"])
    load_word_vectors(path, ["cat", "x", "nothing"])
    assert reads.count("vectors") == 2
    both = load_word_vectors(path, ["The", "none", "cat", "x", "nothing"])
    assert reads.count("vectors") == 2
    assert set(both.vectors) == {"the", "The", "cat", "x"}
    assert len(list(cache.glob("embeddings/*"))) == 1


def test_the_same_content_elsewhere_is_hashed_but_not_read_again(path, tmp_path, reads):
    first = load_word_vectors(path, WORDS)
    shutil.copy(path, tmp_path / "copy.bin")
    second = load_word_vectors(tmp_path / "copy.bin", WORDS)
    assert reads == ["sha256", "vectors", "sha256"]
    assert second.sha256 == first.sha256
    (tmp_path / "copy.bin").unlink()
    assert_same(second, load_word_vectors(tmp_path / "copy.bin", WORDS))


@pytest.mark.parametrize("replaced", [True, False])
def test_a_file_that_changed_is_read_again_even_with_its_old_size_and_date(path, tmp_path, replaced):
    first = load_word_vectors(path, WORDS)
    before = path.stat()
    other = write_vectors(tmp_path / "other.bin", seed=1)
    if replaced:
        other.replace(path)
    else:
        path.write_bytes(other.read_bytes())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    second = load_word_vectors(path, WORDS)
    assert second.sha256 == files.sha256_of_file(path) != first.sha256
    assert not any((first.vectors[word] == second.vectors[word]).all() for word in WORDS)


def test_a_file_that_changes_while_it_is_read_is_refused_and_leaves_nothing(path, monkeypatch, cache):
    def read(*arguments):
        write_vectors(path, seed=1)
        return {}

    monkeypatch.setattr(vector_files, "read_vectors", read)
    with pytest.raises(TfcrError, match="has changed while it was read"):
        load_word_vectors(path, WORDS)
    assert cached_files(cache) == []


def test_a_file_that_is_refused_leaves_nothing(tmp_path, cache):
    broken = tmp_path / "vectors.bin"
    broken.write_bytes(write_vectors(tmp_path / "good.bin").read_bytes()[:-1])
    for _ in range(2):
        with pytest.raises(TfcrError, match="header promises"):
            load_word_vectors(broken, [])
    assert cached_files(cache) == []


def test_the_cache_is_hdf5_named_by_the_source_s_sha256(path, cache):
    load_word_vectors(path, ["The", "CAFÉ", "none"])
    with h5py.File(cache / "embeddings" / f"{files.sha256_of_file(path)}.h5") as file:
        assert list(file["words"].asstr()) == ["The", "café", "the"]
        assert set(file["absent"].asstr()) == {"CAFÉ", "none", "THE", "Café", "NONE", "None"}  # other capitals too
        assert (file["vectors"].shape, file["vectors"].dtype) == ((3, EMBEDDING_DIM), np.float32)


@pytest.fixture
def cached(path, cache):
    """The cache file of `path`."""
    load_word_vectors(path, [*WORDS, "none"])
    (found,) = cache.glob("embeddings/*.h5")
    return found


def flipped(position):
    def flip(content):
        changed = bytearray(content)
        changed[int(position * (len(content) - 1))] ^= 1
        return bytes(changed)

    return flip


DAMAGES = {
    "empty": lambda content: b"",
    "cut in the user block": lambda content: content[:100],
    "cut by a half": lambda content: content[: len(content) // 2],
    "cut by a byte": lambda content: content[:-1],
    "longer": lambda content: content + b"\0",
    "no user block": lambda content: content[512:],
    "another user block": lambda content: b"other".ljust(512, b"\0") + content[512:],
    "another version": lambda content: content.replace(b"vectors 1", b"vectors 2", 1),
    "text": lambda content: b"not HDF5",
    **{f"a bit at {place:.2f}": flipped(place) for place in np.linspace(0, 1, 21)},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_file_counts_as_missing_and_is_made_anew(path, cached, reads, damage):
    first = load_word_vectors(path, [*WORDS, "none"])
    cached.write_bytes(DAMAGES[damage](cached.read_bytes()))
    assert_same(first, load_word_vectors(path, [*WORDS, "none"]))
    assert reads == ["sha256", "vectors"]
    assert_same(first, load_word_vectors(path, [*WORDS, "none"]))
    assert reads == ["sha256", "vectors"]


def test_a_damaged_cache_file_of_a_source_that_is_gone_is_one_clear_line(path, cached):
    path.unlink()
    cached.write_bytes(cached.read_bytes()[:-1])
    with pytest.raises(TfcrError, match="does not exist"):
        load_word_vectors(path, WORDS)


def test_a_cache_file_under_another_source_s_name_counts_as_missing(path, cached, tmp_path):
    other = write_vectors(tmp_path / "other.bin", seed=1)
    shutil.copy(cached, cached.with_name(f"{files.sha256_of_file(other)}.h5"))
    expected = KeyedVectors.load_word2vec_format(str(other), binary=True)
    found = load_word_vectors(other, WORDS).vectors
    for word in WORDS:
        np.testing.assert_array_equal(found[word], expected[word])


def test_a_folder_in_the_place_of_a_cache_file_costs_only_time(path, cached):
    cached.unlink()
    (cached / "folder").mkdir(parents=True)
    said = []
    assert set(load_word_vectors(path, WORDS, said.append).vectors) == set(WORDS)
    assert any("could not be cached" in sentence for sentence in said)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "[",
        "[]",
        "{}",
        "7",
        "[" * 100_000,
        '{"sha256": 5, "stamp": []}',
        '{"sha256": "../../x", "stamp": []}',
        f'{{"sha256": "{"0" * 64}", "stamp": []}}',
    ],
    ids=lambda note: note[:20],
)
def test_a_broken_note_of_a_place_counts_as_none(path, cached, cache, reads, note):
    (file,) = cache.glob("sources/*.json")
    file.write_text(note)
    found = load_word_vectors(path, WORDS)
    assert found.sha256 == files.sha256_of_file(path)
    assert "vectors" not in reads  # the content is known all the same
    file.write_text(note)
    path.unlink()
    with pytest.raises(TfcrError, match="does not exist"):
        load_word_vectors(path, WORDS)


def test_a_note_with_a_wrong_sha256_does_not_reach_the_records(path, cached, cache):
    (file,) = cache.glob("sources/*.json")
    right = files.sha256_of_file(path)
    file.write_text(file.read_text().replace(right, "0" * 64))
    assert load_word_vectors(path, WORDS).sha256 == right


@pytest.mark.parametrize("reason", ["a file is in the way", "full disk"])
def test_a_cache_that_cannot_be_written_costs_only_time(path, tmp_path, monkeypatch, reason):
    if reason == "full disk":

        def opened(path, mode):
            if "w" in mode:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return open(path, mode)

        monkeypatch.setattr(checked_hdf5, "open", opened, raising=False)
    else:
        (tmp_path / "cache").write_text("")
    said = []
    found = [load_word_vectors(path, WORDS, said.append) for _ in range(2)]
    assert_same(*found)
    assert set(found[0].vectors) == set(WORDS)
    assert sum("could not be cached" in sentence for sentence in said) == 2
    assert not list(tmp_path.rglob("*.tmp"))


def test_words_that_no_file_can_hold_have_no_vector(path):
    for _ in range(2):
        assert set(load_word_vectors(path, ["cat", "c\0at", "\ud800", "x\udcff", ""]).vectors) == {"cat"}


def test_a_very_long_word_costs_little(path, cache):
    load_word_vectors(path, ["y" * 200_000, *(f"w{number}" for number in range(1_000))])
    assert sum(file.stat().st_size for file in cached_files(cache)) < 1_000_000


def test_processes_that_extend_at_a_time_leave_an_intact_cache_and_right_vectors(path, cache):
    code = (
        "import hashlib, sys\n"
        "from tfcr.features.embeddings import load_word_vectors\n"
        f"words = {WORDS!r} + [f'w{{sys.argv[1]}}-{{n}}' for n in range(300)]\n"
        f"for count in range(6, 306, 20): found = load_word_vectors({str(path)!r}, words[:count])\n"
        "print(found.sha256, hashlib.sha256(b''.join(found.vectors[word].tobytes() for word in sorted(found.vectors)))"
        ".hexdigest())"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(number)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for number in range(4)
    ]
    outcomes = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outcomes
    assert len({out for out, _ in outcomes}) == 1
    known = vector_cache.read(files.sha256_of_file(path))
    assert set(known.vectors) == set(WORDS)
    assert len(known.absent) >= 280
    assert all(".tmp" not in file.name for file in cached_files(cache))


def test_extending_merges_with_what_is_there():
    vector = np.arange(EMBEDDING_DIM, dtype=np.float32)
    sha256 = "a" * 64
    assert vector_cache.read(sha256) is None
    vector_cache.extend(sha256, Vocabulary({"b": vector}, frozenset({"x"})))
    vector_cache.extend(sha256, Vocabulary({"a": vector + 1}, frozenset({"y"})))
    vector_cache.extend(sha256, Vocabulary())
    known = vector_cache.read(sha256)
    assert (list(known.vectors), known.absent) == (["a", "b"], {"x", "y"})
    np.testing.assert_array_equal(known.vectors["b"], vector, strict=True)


class TestFolder:
    def test_the_environment_chooses(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert vector_cache.folder() == tmp_path / "cache"
        monkeypatch.setenv("TFCR_CACHE", "")
        assert vector_cache.folder() == tmp_path / "xdg" / "tfcr"
        home = tmp_path / "home" / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "tfcr"
        monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
        assert vector_cache.folder() == home
        monkeypatch.delenv("XDG_CACHE_HOME")
        assert vector_cache.folder() == home

    def test_a_user_without_a_home_has_no_cache(self, monkeypatch, path):
        monkeypatch.delenv("TFCR_CACHE")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)
        said = []
        assert set(load_word_vectors(path, WORDS, said.append).vectors) == set(WORDS)
        assert "could not be cached (this user has no home folder; set TFCR_CACHE)" in said[1]

    def test_a_relative_one_is_below_the_current_folder(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TFCR_CACHE", "mine")
        assert vector_cache.folder() == tmp_path / "mine"
