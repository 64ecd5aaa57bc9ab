"""Manifests as people and spreadsheets write them: what is read is the same, and what is meant is said."""

import os
import pathlib
import unicodedata

import pytest

from tfcr.corpora import manifest
from tfcr.corpora.emotion_names import USUAL, kept, read_names
from tfcr.corpora.paths import LFS_POINTER
from tfcr.errors import TfcrError, UsageError

HEADER = "id,path,transcript,emotion,speaker\n"
PLAIN = HEADER + 'a1,wav/a1.wav,"Well, no; never.",neutral,ann\na2,wav/a2.wav,Yes.,anger,bob\n'


def rows(corpus) -> list[tuple]:
    return [(each.id, each.audio, each.transcript, each.emotion, each.speaker) for each in corpus.utterances]


@pytest.fixture
def root(tmp_path) -> pathlib.Path:
    """A folder with two empty recordings and their manifest."""
    (tmp_path / "wav").mkdir()
    for name in ("a1", "a2"):
        (tmp_path / "wav" / f"{name}.wav").touch()
    (tmp_path / "manifest.csv").write_text(PLAIN, encoding="utf-8")
    return tmp_path


def with_manifest(root: pathlib.Path, content: str | bytes, encoding: str = "utf-8") -> pathlib.Path:
    (root / "manifest.csv").write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return root


def message(root: pathlib.Path, **options) -> str:
    with pytest.raises(TfcrError) as raised:
        manifest.read(root, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# ---- tables ---------------------------------------------------------------------------------------------------------


def separated_by(separator: str) -> str:
    lines = [("id", "path", "transcript", "emotion", "speaker"), ("a1", "wav/a1.wav", '"Well, no; never."', "neutral")]
    lines = [lines[0], (*lines[1], "ann"), ("a2", "wav/a2.wav", "Yes.", "anger", "bob")]
    return "".join(separator.join(line) + "\n" for line in lines)


@pytest.mark.parametrize(
    "content",
    [
        separated_by(";").encode(),
        separated_by("\t").encode(),
        b"sep=;\r\n" + separated_by(";").replace("\n", "\r\n").encode(),  # a hint for spreadsheets
        separated_by(";").replace("\n", ";;\n").encode(),  # columns without a name
        separated_by(";").encode() + b";;;;\r\n;;;;\r\n",  # rows without a value
        PLAIN.replace(HEADER, '"ID","Path"," TRANSCRIPT ","Emotion","Speaker"\n').encode(),
        PLAIN.replace("\n", "\r").encode(),
        b"\xef\xbb\xbf" + separated_by(";").encode(),
        separated_by("\t").encode("utf-16"),  # a spreadsheet's "Unicode text", with its byte order mark
        b"\xfe\xff" + separated_by("\t").encode("utf-16-be"),
        separated_by(";").encode("utf-16-le"),
        separated_by(",").encode("utf-16-be"),
        separated_by(",").encode("utf-32"),
        PLAIN.replace("speaker\n", "speaker,take,note,note\n")
        .replace("ann\n", "ann,train,,\n")
        .replace("bob\n", "bob,test,,\n"),
    ],
)
def test_it_is_the_same_manifest_however_it_is_written(root, content):
    plain = manifest.read(root)
    assert manifest.read(with_manifest(root, content)) == plain


def test_a_value_with_line_breaks_keeps_the_count_of_lines_in_any_encoding(root):
    lines = (
        'id\tpath\ttranscript\temotion\tspeaker\r\na1\twav/a1.wav\t"Well,\r\nno"\tneutral\tann\r\na2\ta2.wav\t\t\tbob'
    )
    assert "line 4: 'emotion' is empty" in message(with_manifest(root, lines, "utf-16"))
    assert "line 5: 'emotion' is empty" in message(with_manifest(root, "sep=\t\r\n" + lines))


def test_a_separator_that_makes_no_header_leaves_the_message_on_columns(root):
    assert "line 1: columns 'id', 'path', " in message(with_manifest(root, separated_by("|")))
    said = message(with_manifest(root, separated_by(";").replace("emotion", "mood")))
    assert (
        "line 1: column 'emotion' is missing; expected id, path, transcript, emotion, speaker, found id, path," in said
    )


def test_a_column_in_two_cases_stands_twice(root):
    assert "column 'id' stands twice; found id, path, transcript, emotion, speaker, ID" in message(
        with_manifest(root, HEADER.replace("speaker", "speaker,ID"))
    )


def test_a_row_of_another_length_names_the_separator_to_quote(root):
    assert "line 2: 6 values for 5 columns; put a value that holds a semicolon in quotation marks" in message(
        with_manifest(root, "id;path;transcript;emotion;speaker\na1;a1.wav;Well; no;anger;ann\n")
    )


def test_a_pointer_of_git_lfs_in_place_of_the_manifest_is_named(root):
    assert "manifest.csv is a pointer of Git LFS instead of a table; " in message(with_manifest(root, LFS_POINTER))


def test_utf_16_that_was_cut_is_named(root):
    assert "not UTF-16" in message(with_manifest(root, separated_by("\t").encode("utf-16")[:-1]))


# ---- emotions -------------------------------------------------------------------------------------------------------


def labelled(root: pathlib.Path, *labels: str) -> pathlib.Path:
    lines = [f"u{number},wav/a1.wav,Hm.,{label},ann\n" for number, label in enumerate(labels)]
    return with_manifest(root, HEADER + "".join(lines))


def test_usual_names_and_codes_are_translated_in_any_case_with_one_note(root):
    labels = ["ang", "Angry", "ANGER", "hap", "Joy", "happy", "neu", "sad", "exc", "fru", "fea", "sur", "dis", "cal"]
    corpus = manifest.read(labelled(root, *labels, "neutral", "eager"))
    assert [each.emotion for each in corpus.utterances] == [
        *["anger"] * 3,
        *["happiness"] * 3,
        *["neutral", "sadness", "excitement", "frustration", "fear", "surprise", "disgust", "calm"],
        *["neutral", "eager"],
    ]
    (note,) = corpus.notes
    assert "ANGER, Angry, ang as anger; Joy, hap, happy as happiness; neu as neutral; " in note and "\n" not in note


def test_names_that_are_right_get_no_note(root):
    assert manifest.read(labelled(root, *USUAL, "eager")).notes == []


def test_no_word_stands_for_two_emotions():
    words = [word for name, others in USUAL.items() for word in (name, *others)]
    assert len(set(words)) == len(words) and all(word == word.casefold() for word in words)


def test_the_page_lists_every_usual_name():
    page = (pathlib.Path(__file__).parents[2] / "docs" / "corpora.md").read_text(encoding="utf-8")
    for name, words in USUAL.items():
        assert f"| {name} | {', '.join(f'`{word}`' for word in words)} |" in page


def test_ones_own_names_go_before_the_usual_ones(root, tmp_path):
    names = tmp_path / "names.yaml"
    names.write_text("Wut: anger\njoy: joy\n0: neutral\n01: sadness\nno: fear\n", encoding="utf-8")
    corpus = manifest.read(labelled(root, "wut", "Joy", "0", "01", "No", "hap"), read_names(names))
    assert [each.emotion for each in corpus.utterances] == ["anger", "joy", "neutral", "sadness", "fear", "happiness"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no `label: name` lines"),
        ("- anger\n", "holds no `label: name` lines"),
        ("wut: anger\nangst: [fear]\n", "line 2: no `label: name`"),
        ("wut:\n", "line 1: no `label: name`"),
        ("wut: anger\nWUT: fear\n", "the label 'WUT' has two names"),
        ("wut: [", "is not readable YAML"),
        (None, "does not exist"),
    ],
)
def test_own_names_that_are_none(tmp_path, content, said):
    path = tmp_path / "names.yaml"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match="--emotion-names") as raised:
        read_names(path)
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_labels_that_are_classes_of_the_dataset_are_kept():
    assert kept(["neutral", "joy", "excitement", "eager"]) == {"joy": "joy"}


# ---- paths ----------------------------------------------------------------------------------------------------------


def pointing(root: pathlib.Path, *paths: str) -> pathlib.Path:
    lines = [f'u{number},"{path}",Hm.,neutral,ann\n' for number, path in enumerate(paths)]
    return with_manifest(root, HEADER + "".join(lines))


def found(root: pathlib.Path, *paths: str) -> list[str]:
    return [os.path.relpath(each.audio, root) for each in manifest.read(pointing(root, *paths)).utterances]


def test_paths_are_found_with_backslashes_in_other_case_and_other_normal_forms(root):
    (root / "Wörter").mkdir()
    decomposed = unicodedata.normalize("NFD", "Größe é.wav")
    (root / "Wörter" / decomposed).touch()
    written = ["wav\\a1.wav", "WAV/A2.Wav", ".\\wav\\a2.wav", unicodedata.normalize("NFC", "wörter\\GRÖẞE É.wav")]
    assert found(root, *written) == ["wav/a1.wav", "wav/a2.wav", "wav/a2.wav", f"Wörter/{decomposed}"]
    (note,) = manifest.read(root).notes
    assert "4 paths are spelled otherwise on the disk; the first is 'wav\\\\a1.wav', found as " in note


def test_of_several_names_that_could_be_meant_none_is_taken(root):
    (root / "wav" / "A3.wav").touch()
    (root / "wav" / "a3.WAV").touch()
    assert found(root, "wav/a3.wav", "wav/A3.wav") == ["wav/a3.wav", "wav/A3.wav"]
    assert not (root / "wav" / "a3.wav").exists()


def test_a_name_in_latin_1_is_found_by_its_letters(root):
    name = os.fsdecode("März.wav".encode("latin-1"))
    (root / "wav" / name).touch()
    (utterance,) = manifest.read(pointing(root, "wav/März.wav")).utterances
    assert utterance.audio == root / "wav" / name
    assert r"found as " in manifest.read(root).notes[0]


def test_paths_may_begin_at_the_working_folder(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    inner = pathlib.Path(tmp_path.name)
    corpus = manifest.read(pointing(inner, f"{inner}/wav/a1.wav", "wav/a2.wav"))
    assert [each.audio for each in corpus.utterances] == [inner / "wav/a1.wav", inner / "wav/a2.wav"]
    (note,) = corpus.notes
    assert "1 path begins at the working folder, not at the manifest's; the first is" in note


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("path,id,transcript,emotion,speaker", "'path' has 'a1' where 'id' has a recording, 'wav/a1.wav'"),
        ("id,transcript,path,emotion,speaker", "'path' has 'Hm.' where 'transcript' has a recording, 'wav/a1.wav'"),
        ("id,path,transcript,speaker,emotion", "'emotion' has 'ann' where 'speaker' has an emotion, 'neutral'"),
        ("id,path,emotion,transcript,speaker", "'emotion' has 'Hm.' where 'transcript' has an emotion, 'neutral'"),
    ],
)
def test_columns_that_are_swapped_are_named(root, header, said):
    content = header + "\na1,wav/a1.wav,Hm.,neutral,ann\na2,wav/a2.wav,Well.,ang,bob\n"
    assert f"the column {said}, and so in every row; are the two swapped?" in message(with_manifest(root, content))
