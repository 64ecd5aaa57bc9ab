"""`gensim:NAME`: the real downloader of gensim, with a folder in the place of the network."""

import gzip
import hashlib
import io
import json
import pathlib
import shutil
import sys
import urllib.error

import numpy as np
import pytest
from gensim import downloader
from gensim.models import KeyedVectors

from tfcr.errors import TfcrError, UsageError
from tfcr.features.embeddings import load_word_vectors, refuse_missing
from tfcr.schema import EMBEDDING_DIM

NAME = "glove-wiki-gigaword-300"
WORDS = ["the", "cat"]


def packed_vectors(folder, width=EMBEDDING_DIM, binary=False):
    keyed = KeyedVectors(width)
    keyed.add_vectors(WORDS, np.random.default_rng(0).normal(size=(len(WORDS), width)).astype(np.float32))
    keyed.save_word2vec_format(str(folder / "vectors"), binary=binary)
    return gzip.compress((folder / "vectors").read_bytes())


class Network:
    """What gensim's downloader can reach: `files` by the end of their address; every address asked for is noted."""

    def __init__(self):
        self.files, self.asked = {}, []

    def get(self, address):
        self.asked.append(address)
        for end, content in self.files.items():
            if address.endswith(end):
                return content
        raise urllib.error.URLError("Name or service not known")

    def offer(self, name, content, checksum=None):
        models = {"models": {}, "corpora": {"text8": {}}}
        if "list.json" in self.files:
            models = json.loads(self.files["list.json"])
        checksum = checksum or hashlib.md5(content).hexdigest()
        models["models"][name] = {"checksum": checksum, "file_name": f"{name}.gz", "parts": 1}
        self.files["list.json"] = json.dumps(models).encode()
        self.files[f"{name}/{name}.gz"] = content
        self.files[f"{name}/__init__.py"] = b"raise AssertionError('downloaded code was run')\n"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where gensim keeps its data."""
    monkeypatch.setenv("TFCR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(downloader, "BASE_DIR", str(tmp_path / "gensim-data"))
    monkeypatch.setattr(downloader.tempfile, "tempdir", str(tmp_path))
    return tmp_path / "gensim-data"


@pytest.fixture
def network(home, monkeypatch):
    reached = Network()

    def retrieve(address, file, reporthook=None):
        pathlib.Path(file).write_bytes(reached.get(address))
        if reporthook:
            reporthook(1, 1, 1)

    monkeypatch.setattr(downloader, "urlopen", lambda address: io.BytesIO(reached.get(address)))
    monkeypatch.setattr(downloader.urllib, "urlretrieve", retrieve)
    return reached


def refusal(name):
    with pytest.raises(TfcrError) as raised:
        load_word_vectors(f"gensim:{name}", WORDS)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_a_name_without_its_prefix_is_recognised(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for check in (refuse_missing, lambda path: load_word_vectors(path, WORDS)):
        with pytest.raises(TfcrError, match=f"{NAME} does not exist; .*; or is gensim:{NAME} meant\\?$"):
            check(NAME)
        with pytest.raises(TfcrError, match=r"glove.6B.50d.txt does not exist; [^;]*\(.vec\)$"):
            check("glove.6B.50d.txt")


@pytest.mark.parametrize("binary", [True, False])
def test_the_data_is_downloaded_and_downloaded_code_is_never_run(network, home, tmp_path, binary, capsys):
    content = packed_vectors(tmp_path, binary=binary)
    network.offer(NAME, content)
    modules, search = set(sys.modules), list(sys.path)
    said = []
    found = load_word_vectors(f"gensim:{NAME}", [*WORDS, "none"], said.append)
    assert set(found.vectors) == set(WORDS)
    assert found.source == f"gensim:{NAME}"
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert (home / NAME / "__init__.py").exists()  # downloaded, beside the data
    assert not list(home.rglob("*.pyc"))
    assert NAME not in sys.modules and not any("gigaword" in name for name in set(sys.modules) - modules)
    assert sys.path == search
    assert said[0] == f"Downloading {NAME} through gensim into {home / NAME}"
    assert capsys.readouterr() == ("", "")


def test_what_lies_in_gensims_folder_needs_no_network(network, home, tmp_path):
    (home / NAME).mkdir(parents=True)
    (home / NAME / f"{NAME}.gz").write_bytes(packed_vectors(tmp_path))
    (home / NAME / "__init__.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')")
    assert set(load_word_vectors(f"gensim:{NAME}", WORDS).vectors) == set(WORDS)
    assert network.asked == []
    assert not (tmp_path / "sprung").exists()


def test_the_second_time_needs_neither_network_nor_file(network, home, tmp_path):
    network.offer(NAME, packed_vectors(tmp_path))
    first = load_word_vectors(f"gensim:{NAME}", [*WORDS, "none"])
    shutil.rmtree(home)
    network.files.clear()
    network.asked.clear()
    second = load_word_vectors(f"gensim:{NAME}", [*WORDS, "none"])
    assert network.asked == []
    assert (first.source, first.sha256) == (second.source, second.sha256)
    for word in WORDS:
        np.testing.assert_array_equal(first.vectors[word], second.vectors[word], strict=True)


def test_offline_one_short_sentence_says_where_to_put_the_file_and_nothing_is_left(network, home, capsys, caplog):
    said = []
    with pytest.raises(TfcrError) as raised:
        load_word_vectors(f"gensim:{NAME}", WORDS, said.append)
    assert str(raised.value) == (
        f"--embeddings gensim:{NAME} cannot be looked up: gensim's list of vectors is out of reach; fetch the file "
        "elsewhere, from https://github.com/RaRe-Technologies/gensim-data/releases, and put it at "
        f"{home / NAME / NAME}.gz, or pass it by --embeddings"
    )
    assert said == []
    assert not home.exists()
    assert capsys.readouterr() == ("", "")
    assert caplog.text == ""


def test_where_the_list_is_there_and_the_file_is_not_the_address_is_named(network, home):
    network.offer(NAME, b"")
    del network.files[f"{NAME}/{NAME}.gz"]
    message = refusal(NAME)
    assert f"/gensim-data/releases/download/{NAME}/{NAME}.gz" in message
    assert f"put it at {home / NAME / NAME}.gz, or pass the file itself by --embeddings" in message


def test_a_download_that_breaks_off_is_the_same_sentence_and_the_next_one_works(network, home, tmp_path):
    content = packed_vectors(tmp_path)
    network.offer(NAME, content, checksum="0" * 32)
    assert "Checksum comparison failed" in refusal(NAME)
    network.offer(NAME, content)
    del network.files[f"{NAME}/{NAME}.gz"]
    assert "Name or service not known" in refusal(NAME)
    network.offer(NAME, content)
    assert set(load_word_vectors(f"gensim:{NAME}", WORDS).vectors) == set(WORDS)


def test_a_folder_without_the_file(network, home, tmp_path):
    network.offer(NAME, packed_vectors(tmp_path))
    (home / NAME).mkdir(parents=True)
    assert "its folder is there without the file" in refusal(NAME)


@pytest.mark.parametrize("name", ["word2vec-google-news", "text8"])  # text8 is a corpus
def test_an_unknown_name_hears_the_names_of_vectors_and_nothing_is_downloaded(network, home, name):
    for known in (NAME, "glove-wiki-gigaword-50", "word2vec-google-news-300", "__testing_word2vec-matrix-synopsis"):
        network.offer(known, b"")
    message = refusal(name)
    offered = ", ".join(sorted([NAME, "glove-wiki-gigaword-50", "word2vec-google-news-300"]))
    assert f"is not among gensim's vectors; expected {offered}, or a file" in message
    assert not any(address.endswith(".gz") for address in network.asked)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc/passwd", "a/b", "a b", "a\n", "-x", "é"])
def test_what_is_no_name_is_wrong_usage(network, name):
    with pytest.raises(UsageError, match="expected a name such as glove-wiki-gigaword-50 or word2vec-google-news-300"):
        load_word_vectors(f"gensim:{name}", WORDS)
    assert network.asked == []


def test_vectors_of_another_width_are_taken(network, tmp_path):
    network.offer("some-vectors-50", packed_vectors(tmp_path, width=50))
    assert load_word_vectors("gensim:some-vectors-50", WORDS).width == 50
