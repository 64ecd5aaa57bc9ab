"""A corpus described by a CSV file, and what is said about each way to get one wrong."""

import collections
import os

import pytest

from tfcr.corpora import manifest, read
from tfcr.errors import TfcrError

HEADER = "id,path,transcript,emotion,speaker\n"
ROW = "a1,wav/a1.wav,Good morning.,neutral,ann\n"


@pytest.fixture
def written(tmp_path):
    """Writes the manifest's bytes or text and returns its folder."""

    def write(content: str | bytes):
        (tmp_path / "manifest.csv").write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path

    return write


def message(root) -> str:
    with pytest.raises(TfcrError) as raised:
        manifest.read(root)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_row_becomes_an_utterance_with_its_path_below_the_folder(written):
    root = written(
        "id,path,transcript,emotion,speaker,session,script\na1,wav/a1.wav,Good morning.,neutral,ann,3,greeting\n"
    )
    (utterance,) = manifest.read(root).utterances
    assert utterance.id == "a1"
    assert utterance.audio == root / "wav" / "a1.wav"
    assert utterance.transcript == "Good morning."
    assert (utterance.emotion, utterance.speaker) == ("neutral", "ann")
    assert (utterance.session, utterance.script) == ("3", "greeting")


def test_it_is_the_corpus_called_manifest(written):
    assert read("manifest", written(HEADER + ROW)) == manifest.read(written(HEADER + ROW))


def test_columns_may_stand_in_any_order_beside_others(written):
    root = written("speaker,note,emotion,id,transcript,path\nann,loud,anger,a1,No!,a1.flac\n")
    (utterance,) = manifest.read(root).utterances
    assert (utterance.id, utterance.emotion, utterance.speaker) == ("a1", "anger", "ann")


def test_the_script_is_the_normalised_transcript_where_none_is_given(written):
    root = written(
        "id,path,transcript,emotion,speaker,script\n"
        'a1,a1.wav,"Good  Morning, Ann!",neutral,ann,\n'
        "a2,a2.wav,good morning ann,anger,bob,\n"
        "a3,a3.wav,Good morning.,anger,bob,given\n"
    )
    assert [utterance.script for utterance in manifest.read(root).utterances] == [
        "good morning ann",
        "good morning ann",
        "given",
    ]


def test_letters_of_any_script_and_their_marks_survive_normalisation():
    assert manifest.normalised("  „Grüße“,\n E\N{COMBINING ACUTE ACCENT}tude हिन्दी ") == "grüße étude हिन्दी"


def test_composed_and_decomposed_letters_are_the_same(written):
    composed, decomposed = "Jos\N{LATIN SMALL LETTER E WITH ACUTE}", "Jose\N{COMBINING ACUTE ACCENT}"
    header = "id,path,transcript,emotion,speaker,session,script\n"
    rows = [
        f"{number},{name}.wav,{name}!,{name},{name},{name},{name}\n"
        for number, name in enumerate((composed, decomposed))
    ]
    first, second = manifest.read(written(header + "".join(rows))).utterances
    for column in ("transcript", "emotion", "speaker", "session", "script"):
        assert getattr(first, column) == getattr(second, column)
    assert first.speaker == composed
    assert second.audio.name == f"{decomposed}.wav"  # a path is what the file system says


def test_an_id_that_stands_twice_in_other_code_points_is_refused(written):
    root = written(HEADER + "é,a.wav,Hm.,anger,ann\n" + "e\N{COMBINING ACUTE ACCENT},b.wav,Hm.,anger,ann\n")
    assert "line 3: the id 'é' stands in line 2 already" in message(root)


def test_a_recording_without_words_is_a_script_of_its_own(written):
    root = written(HEADER + "a1,a1.wav,,neutral,ann\na2,a2.wav,?!,neutral,ann\n")
    assert [utterance.script for utterance in manifest.read(root).utterances] == ["a1", "a2"]


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(written):
    plain = manifest.read(written(HEADER + ROW))
    assert manifest.read(written(b"\xef\xbb\xbf" + (HEADER + ROW).replace("\n", "\r\n").encode())) == plain


def test_an_empty_transcript_is_fine(written):
    (utterance,) = manifest.read(written(HEADER + "a1,a1.wav,,neutral,ann\n")).utterances
    assert utterance.transcript == ""


def test_paths_may_be_absolute_or_lead_out_of_the_folder(written, tmp_path):
    root = written(HEADER + "a1,/elsewhere/a1.wav,Hm.,neutral,ann\na2,../a2.wav,Hm.,neutral,ann\n")
    first, second = manifest.read(root).utterances
    assert str(first.audio) == "/elsewhere/a1.wav"
    assert second.audio == tmp_path / ".." / "a2.wav"


def test_recordings_are_not_opened_while_the_manifest_is_read(written):
    assert len(manifest.read(written(HEADER + ROW)).utterances) == 1  # wav/a1.wav does not exist


def test_a_missing_folder_and_a_missing_manifest_are_told_apart(tmp_path):
    assert message(tmp_path / "nowhere") == f"{tmp_path / 'nowhere'} is no folder; expected one that holds manifest.csv"
    assert message(tmp_path) == (
        f"{tmp_path / 'manifest.csv'} does not exist; "
        "expected a CSV file with the columns id,path,transcript,emotion,speaker"
    )


def test_a_missing_column_is_named_with_what_was_found(written):
    assert message(written("id,path,text,emotion,speaker\n")).endswith(
        "manifest.csv, line 1: column 'transcript' is missing; "
        "expected id, path, transcript, emotion, speaker, found id, path, text, emotion, speaker"
    )


def test_a_column_that_stands_twice_is_refused(written):
    assert "line 1: column 'id' stands twice" in message(written("id,path,transcript,emotion,speaker,id\n"))


@pytest.mark.parametrize("column", ["id", "path", "emotion", "speaker"])
def test_an_empty_value_names_column_and_line(written, column):
    values = {"id": "a2", "path": "a2.wav", "transcript": "Hm.", "emotion": "anger", "speaker": "ann", column: "  "}
    root = written(HEADER + ROW + ",".join(values.values()) + "\n")
    assert f"manifest.csv, line 3: {column!r} is empty" in message(root)


def test_an_id_that_stands_twice_names_both_lines(written):
    root = written(HEADER + ROW + "a2,a2.wav,Hm.,anger,ann\n\n" + ROW)
    # Header, a1, a2, a blank line: the second a1 stands in line 5.
    assert "line 5: the id 'a1' stands in line 2 already" in message(root)


def test_a_row_of_another_length_says_how_to_quote(written):
    root = written(HEADER + ROW + "a2,a2.wav,Well, no.,anger,ann\n")
    assert "line 3: 6 values for 5 columns; put a value that holds a comma in quotation marks" in message(root)


def test_lines_are_counted_past_quoted_line_breaks(written):
    root = written(HEADER + 'a1,a1.wav,"Good\nmorning.",neutral,ann\n' + "a2,a2.wav,Hm.,,ann\n")
    # The first row takes lines 2 and 3.
    assert "line 4: 'emotion' is empty" in message(root)


def test_an_unclosed_quotation_mark_names_the_line_it_begins_in(written):
    assert "line 3: not CSV" in message(written(HEADER + ROW + 'a2,a2.wav,"Hm.,anger,ann\n'))


def test_ids_with_line_breaks_or_control_characters_are_refused(written):
    assert r"line 2: 'id' is 'a\n1'" in message(written(HEADER + '"a\n1",a1.wav,Hm.,anger,ann\n'))
    assert r"line 2: 'id' is 'a\x071'" in message(written(HEADER + "a\a1,a1.wav,Hm.,anger,ann\n"))


def test_bytes_that_are_not_utf_8_name_the_line(written):
    assert "line 3: not UTF-8 (byte 0xfc); save it as UTF-8" in message(
        written((HEADER + ROW).encode() + "a2,a2.wav,Grüße,anger,ann\n".encode("latin-1"))
    )


def test_a_manifest_without_rows_is_refused(written):
    assert message(written(HEADER)).endswith("has no rows below its header; expected one per recording")
    assert "is empty; expected the header id,path,transcript,emotion,speaker" in message(written(""))


def test_a_real_corpus_has_its_published_counts():
    root = os.environ.get("TFCR_REAL_CORPUS")
    if not root:
        pytest.skip("TFCR_REAL_CORPUS names no folder with a manifest of EMO-DB")
    utterances = manifest.read(root).utterances
    assert len(utterances) == 339  # 127 + 79 + 71 + 62
    emotions = collections.Counter(utterance.emotion for utterance in utterances)
    assert emotions == {"anger": 127, "neutral": 79, "happiness": 71, "sadness": 62}
    assert all(utterance.audio.is_file() for utterance in utterances)


def test_a_column_that_is_nearly_named_as_one_that_may_be_there_is_noted(tmp_path):
    (tmp_path / "manifest.csv").write_text("id,path,transcript,emotion,speaker,sesion,age\na,a.wav,No.,anger,ann,1,7\n")
    (note,) = read("manifest", tmp_path).notes
    assert note == f"{tmp_path / 'manifest.csv'}: the column 'sesion' is not read; did you mean 'session'?"


def test_a_block_of_zeros_in_the_words_is_named_with_its_line(tmp_path):
    (tmp_path / "manifest.csv").write_bytes(b"id,path,transcript,emotion,speaker\na,a.wav,No\0\0,anger,ann\n")
    with pytest.raises(TfcrError, match=r"manifest.csv, line 2: holds NUL bytes"):
        read("manifest", tmp_path)


def test_a_part_may_be_spelled_as_usual_and_none_is_given_without_the_column(written):
    header = HEADER.replace("speaker\n", "speaker,Part\n")
    rows = [ROW.replace("a1,", f"a{number},", 1) for number in range(5)]
    spelled = ["Train", "dev", "TESTING", "test1", "Test-2"]
    table = header + "".join(f"{row.strip()},{part}\n" for row, part in zip(rows, spelled, strict=True))
    found = manifest.read(written(table)).utterances
    assert [each.part for each in found] == ["train", "validation", "test", "test", "test2"]
    assert manifest.read(written(HEADER + ROW)).utterances[0].part == ""


@pytest.mark.parametrize("part", ["", "evening", "1", "none"])
def test_a_part_that_is_none_is_one_line(written, part):
    header = HEADER.replace("speaker\n", "speaker,part\n")
    expected = f"line 2: 'part' is {part!r}; expected train, validation or test (or as they are usually spelled: "
    assert expected in message(written(f"{header}{ROW.strip()},{part}\n"))
