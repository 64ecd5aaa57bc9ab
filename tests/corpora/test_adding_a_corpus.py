"""The page on corpora: its example is a corpus as it stands, and its tables and commands name what there is."""

import importlib
import os
import pathlib
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tfcr import corpora
from tfcr.cli import cli
from tfcr.dataset_info import open_dataset
from tfcr.errors import TfcrError

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "corpora.md").read_text(encoding="utf-8")
*_, EXAMPLE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [shlex.split(line) for line in re.findall(r"^tfcr .*$", PAGE, re.MULTILINE)]


def named_in(header: str) -> set[str]:
    """The names in the first column of the page's table with this header."""
    table, _ = PAGE[PAGE.index(header) :].split("\n\n", 1)
    return set(re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder where modules are found as if they lay in tfcr/corpora, with the page's example in it."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "my_corpus.py").write_text(EXAMPLE, encoding="utf-8")
    monkeypatch.setattr(corpora, "__path__", [*corpora.__path__, str(folder)])
    importlib.invalidate_caches()
    yield folder
    sys.modules.pop("tfcr.corpora.my_corpus", None)
    if hasattr(corpora, "my_corpus"):
        delattr(corpora, "my_corpus")


@pytest.fixture
def recordings(tmp_path):
    """12 noises of 0.2 s by two speakers, in the example's layout."""
    root = tmp_path / "recordings"
    root.mkdir()
    random = np.random.default_rng(0)
    for speaker in "anna", "ben":
        for emotion in "neutral", "happiness", "anger":
            for number in "01", "02":
                name = root / f"{speaker}-{emotion}-{number}"
                soundfile.write(name.with_suffix(".wav"), random.uniform(-0.1, 0.1, 3200), 16_000)
                name.with_suffix(".txt").write_text(f"Words number {number}, please!\n")
    return root


def test_the_pages_example_is_found_by_its_file_name(package, recordings):
    assert "my-corpus" in corpora.names()
    corpus = corpora.read("my-corpus", recordings)
    assert len(corpus.utterances) == 2 * 3 * 2
    first = corpus.utterances[0]
    assert (first.id, first.speaker, first.emotion) == ("anna-anger-01", "anna", "anger")
    assert (first.transcript, first.script) == ("Words number 01, please!", "words number 01 please")
    assert first.audio == recordings / "anna-anger-01.wav"
    assert corpus.notes == []
    assert corpora.licence("my-corpus").startswith("research alone")


def test_the_pages_example_says_what_is_wrong(package, recordings, tmp_path):
    (recordings / "noise.wav").write_bytes(b"")
    (note,) = corpora.read("my-corpus", recordings).notes
    assert "noise.wav was left out" in note
    with pytest.raises(TfcrError, match="holds no recordings; expected files such as"):
        corpora.read("my-corpus", tmp_path / "package")


def test_the_pages_example_reads_windows_1252(package, recordings):
    (recordings / "anna-anger-01.txt").write_bytes(b"I don\x92t, please!\n")
    corpus = corpora.read("my-corpus", recordings)
    assert corpus.utterances[0].transcript == "I don\u2019t, please!"
    assert corpus.notes == ["anna-anger-01.txt is not UTF-8; it was read as Windows-1252."]


def test_the_pages_example_is_prepared_by_the_command_line(package, recordings, tmp_path):
    # A process of its own: the choices of --corpus are fixed when the command is imported.
    program = (
        f"import tfcr.corpora; tfcr.corpora.__path__.append({str(package)!r}); from tfcr.cli import main; "
        f"main(['prepare-tfrecords', '--corpus', 'my-corpus', '--root', {str(recordings)!r}, "
        "'--emotions', 'neutral,happiness,anger'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, env={**os.environ}, check=False
    )
    assert done.returncode == 0, done.stderr
    dataset = open_dataset(tmp_path / "data" / "my-corpus")
    assert dataset.info["corpus"] == "my-corpus"
    assert dataset.info["counts"]["emotion"] == {"neutral": 4, "happiness": 4, "anger": 4}


def test_every_corpus_on_the_page_is_there_and_has_its_emotions_and_a_command():
    prepared = {command[command.index("--corpus") + 1] for command in COMMANDS if "--corpus" in command}
    named = named_in("| name | corpus |")
    assert {*prepared, "synthetic"} == named <= set(corpora.names())
    assert named_in("| name | emotions |") == named - {"manifest", "synthetic"}  # whose emotions are a user's to name


def test_the_options_of_the_pages_commands_exist():
    for program, name, *arguments in COMMANDS:
        command = cli.get_command(None, name)
        assert program == "tfcr" and command is not None
        options = {spelling for parameter in command.params for spelling in parameter.opts}
        assert {argument for argument in arguments if argument.startswith("--")} <= options


@pytest.mark.parametrize("name", sorted(named_in("| name | emotions |")))
def test_the_page_names_every_emotion_of_a_corpus(name):
    module = importlib.import_module(f"tfcr.corpora.{name.replace('-', '_')}")
    (table,) = (value for key, value in vars(module).items() if key.startswith("EMOTION_OF_"))
    (row,) = re.findall(rf"^\| `{name}` \| ([a-z]+(?:, .*)) \|$", PAGE, re.MULTILINE)
    assert set(re.sub(r" \(.*?\)", "", row).split(", ")) == set(table.values())


def test_readers_import_no_tensorflow():
    program = "import sys, tfcr.corpora as c; [c._module(n) for n in c.names()]; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
