"""MSP-Podcast's table and folders, on a miniature typed out here, and what is said about each way to get them wrong."""

from collections import Counter

import pytest

from tfcr.corpora import msp_podcast, read
from tfcr.errors import TfcrError
from tfcr.protocols import Labelled, split

HEADER = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
TABLE = (
    HEADER
    + "MSP-PODCAST_0001_0008.wav,N,2.2,4.0,2.6,30,Male,Test1\n"
    + "MSP-PODCAST_0001_0009.wav,H,3.8,3.6,3.8,Unknown,Female,Train\n"
    + "MSP-PODCAST_0002_0001.wav,X,4.1,4.8,4.0,39,Male,Train\n"
)
WORDS = {"0001_0008": "And so\nit began.\n", "0001_0009": "And so, it began", "0002_0001": ""}


@pytest.fixture
def release(tmp_path):
    for folder in "Labels", "Audios", "Transcripts":
        (tmp_path / folder).mkdir()
    (tmp_path / "Labels" / "labels_consensus.csv").write_text(TABLE)
    for number, words in WORDS.items():
        (tmp_path / "Audios" / f"MSP-PODCAST_{number}.wav").write_bytes(b"")
        (tmp_path / "Transcripts" / f"MSP-PODCAST_{number}.txt").write_text(words)
    return tmp_path


def message(root, **options) -> str:
    with pytest.raises(TfcrError) as raised:
        msp_podcast.read(root, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def by_number(corpus):
    return {utterance.id.removeprefix("MSP-PODCAST_"): utterance for utterance in corpus.utterances}


def append(root, row):
    path = root / "Labels" / "labels_consensus.csv"
    path.write_text(path.read_text() + row)
    return path


def test_a_row_becomes_an_utterance_with_its_words(release):
    utterance = msp_podcast.read(release).utterances[0]
    assert utterance.id == "MSP-PODCAST_0001_0008"
    assert utterance.audio == release / "Audios" / "MSP-PODCAST_0001_0008.wav"
    assert utterance.transcript == "And so it began."
    assert (utterance.speaker, utterance.emotion, utterance.session) == ("30", "neutral", "")


def test_the_same_words_are_one_script_and_no_words_are_one_of_their_own(release):
    found = by_number(msp_podcast.read(release))
    assert found["0001_0008"].script == found["0001_0009"].script == "and so it began"
    assert found["0002_0001"].script == "MSP-PODCAST_0002_0001"


@pytest.mark.parametrize(
    ("letter", "emotion"),
    [
        ("A", "anger"),
        ("S", "sadness"),
        ("H", "happiness"),
        ("U", "surprise"),
        ("F", "fear"),
        ("D", "disgust"),
        ("C", "contempt"),
        ("N", "neutral"),
        ("O", "other"),
        ("X", "undecided"),
    ],
)
def test_every_letter_has_a_word(release, letter, emotion):
    table = release / "Labels" / "labels_consensus.csv"
    table.write_text(TABLE.replace("0008.wav,N", f"0008.wav,{letter}"))
    assert by_number(msp_podcast.read(release))["0001_0008"].emotion == emotion


def test_it_is_the_corpus_called_msp_podcast(release):
    assert read("msp-podcast", release) == msp_podcast.read(release)


def test_unknown_speakers_are_one_speaker_and_counted(release):
    append(release, "MSP-PODCAST_0002_0002.wav,N,4.1,4.8,4.0,,Male,Train\n")
    (release / "Audios" / "MSP-PODCAST_0002_0002.wav").write_bytes(b"")
    (release / "Transcripts" / "MSP-PODCAST_0002_0002.txt").write_text("Hm.")
    corpus = msp_podcast.read(release)
    assert [utterance.speaker for utterance in corpus.utterances] == ["30", "unknown", "39", "unknown"]
    assert corpus.notes == [
        f"MSP-Podcast at {release}: 2 of 4 recordings have an unknown speaker; they share the speaker 'unknown', "
        "and their voices may occur among the known ones."
    ]


def test_older_spellings_of_folder_and_table_are_known(release):
    before = msp_podcast.read(release)
    (release / "Labels" / "labels_consensus.csv").rename(release / "Labels" / "labels_concensus.csv")
    (release / "Audios").rename(release / "Audio")
    after = msp_podcast.read(release)
    assert [utterance.id for utterance in after.utterances] == [utterance.id for utterance in before.utterances]
    assert after.utterances[0].audio == release / "Audio" / "MSP-PODCAST_0001_0008.wav"


def test_missing_transcripts_are_empty_and_counted(release):
    for path in list((release / "Transcripts").iterdir()):
        path.unlink()
    corpus = msp_podcast.read(release)
    assert {utterance.transcript for utterance in corpus.utterances} == {""}
    assert any(
        "3 of 3 recordings have no transcript" in note and "MSP-PODCAST_0001_0008.wav" in note for note in corpus.notes
    )
    (release / "Transcripts").rmdir()
    assert msp_podcast.read(release) == corpus


def test_bytes_of_a_transcript_that_are_not_utf_8_are_windows_1252_and_noted(release):
    path = release / "Transcripts" / "MSP-PODCAST_0001_0008.txt"
    path.write_bytes(b"It\x92s.")
    corpus = msp_podcast.read(release)
    assert corpus.utterances[0].transcript == "It\u2019s."
    assert any(
        "1 transcript holds bytes that are not UTF-8 and were read as Windows-1252" in note and str(path) in note
        for note in corpus.notes
    )


def test_recordings_without_a_label_are_counted(release):
    for name in "MSP-PODCAST_0003_0001.wav", "._MSP-PODCAST_0001_0008.wav":
        (release / "Audios" / name).write_bytes(b"")
    corpus = msp_podcast.read(release)
    assert len(corpus.utterances) == 3
    assert (
        f"MSP-Podcast at {release}: 1 recording has no label and was left out; the first is MSP-PODCAST_0003_0001.wav."
    ) in corpus.notes


def test_rows_without_one_of_the_letters_are_counted(release):
    path = append(release, "MSP-PODCAST_0003_0001.wav,,,,,7,Male,Test3\nMSP-PODCAST_0003_0002.wav,Z,1,1,1,7,Male,Dev\n")
    corpus = msp_podcast.read(release)
    assert len(corpus.utterances) == 3
    # The header and three rows come before.
    assert (
        f"{path}: 2 rows were left out, for their EmoClass is none of A, S, H, U, F, D, C, N, O, X; "
        "the first is '' in line 5."
    ) in corpus.notes


def test_missing_recordings_are_counted_and_the_first_is_named(release):
    (release / "Audios" / "MSP-PODCAST_0001_0009.wav").unlink()
    problem = (
        f"MSP-Podcast at {release}: 1 of 3 labelled recordings are missing; the first is MSP-PODCAST_0001_0009.wav, "
        f"expected at {release / 'Audios' / 'MSP-PODCAST_0001_0009.wav'}"
    )
    assert message(release) == f"{problem}. Is the copy complete? (--allow-partial to go on)"
    corpus = msp_podcast.read(release, allow_partial=True)
    assert list(by_number(corpus)) == ["0001_0008", "0002_0001"]
    assert f"{problem}; left out." in corpus.notes


def test_no_recording_at_all_is_an_error_even_so(release):
    for path in list((release / "Audios").iterdir()):
        path.unlink()
    assert "3 of 3 labelled recordings are missing" in message(release, allow_partial=True)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("MSP-PODCAST_0003_0001.wav,N,2.2", "line 5: 3 values for 8 columns; is the file cut short or edited?"),
        ("../secret.wav,N,1,1,1,7,Male,Train\n", "line 5: FileName is '../secret.wav'; expected one such as"),
        (",N,1,1,1,7,Male,Train\n", "line 5: FileName is ''; expected one such as MSP-PODCAST_0001_0008.wav"),
        (
            "MSP-PODCAST_0001_0008.wav,N,1,1,1,7,Male,Dev\n",
            "line 5: MSP-PODCAST_0001_0008.wav stands in line 2 already",
        ),
        ("MSP-PODCAST_0003_0001.wav,N,1,1,1,3\a0,Male,Dev\n", r"line 5: SpkrID is '3\x070'; expected a number or"),
        ('"MSP-PODCAST', "line 5: not CSV"),
    ],
)
def test_a_broken_row_names_table_and_line(release, row, complaint):
    path = append(release, row)
    assert f"{path}, {complaint}" in message(release)


def test_a_table_that_cannot_be_read_is_named(release):
    path = release / "Labels" / "labels_consensus.csv"
    path.write_bytes(TABLE.encode() + b"MSP\xff")
    assert f"{path}, line 5: not UTF-8 (byte 0xff)" in message(release)
    path.write_bytes(TABLE.encode("utf-16"))
    assert f"{path}, line 1: holds NUL bytes" in message(release)
    path.write_text(TABLE.replace("SpkrID", "Speaker"))
    assert f"{path}, line 1: column 'SpkrID' is missing; expected FileName, EmoClass, SpkrID, found" in message(release)
    path.write_text(HEADER)
    assert f"{path} names no recording with a label" in message(release)


def test_a_root_that_is_something_else_is_one_clear_line(tmp_path):
    expected = "expected the folders Labels (with labels_consensus.csv), Audios and Transcripts"
    assert message(tmp_path / "nowhere") == f"MSP-Podcast: {tmp_path / 'nowhere'} does not exist; {expected}"
    assert message(tmp_path) == (
        f"MSP-Podcast: {tmp_path / 'Labels' / 'labels_consensus.csv'} does not exist; {expected}"
    )


# A release in small: recordings of each part as the table spells them, in which Test3's have no label.
SPLIT_SETS = {"Train": 12, "Development": 4, "Test1": 5, "Test2": 3}


@pytest.fixture
def in_parts(release):
    """The release in small; nobody speaks in two parts."""
    for path in release.rglob("*_0*"):
        path.unlink()
    rows = [HEADER]
    for number, (name, count) in enumerate(SPLIT_SETS.items(), start=1):
        for recording in range(count):
            file = f"MSP-PODCAST_{number:04d}_{recording:04d}.wav"
            rows.append(f"{file},{'NHSA'[recording % 4]},1,1,1,{number},Male,{name}\n")
            (release / "Audios" / file).write_bytes(b"")
    (release / "Audios" / "MSP-PODCAST_test3_0001.wav").write_bytes(b"")
    (release / "Labels" / "labels_consensus.csv").write_text("".join(rows))
    return release


def test_the_official_parts_are_the_tables(in_parts):
    utterances = msp_podcast.read(in_parts).utterances
    assert Counter(each.part for each in utterances) == {"train": 12, "validation": 4, "test": 5, "test2": 3}
    table = in_parts / "Labels" / "labels_consensus.csv"
    table.write_text(table.read_text().replace(",Development", ",Validation"))  # as older versions have it
    assert Counter(each.part for each in msp_podcast.read(in_parts).utterances)["validation"] == 4


def test_official_tests_test1_and_no_test_part_trains(in_parts):
    utterances = msp_podcast.read(in_parts).utterances
    ids, parts = [each.id for each in utterances], [each.part for each in utterances]
    fold = split("official", 0, Labelled(ids, [0] * len(ids), *[[""] * len(ids)] * 3, parts=parts))
    sizes = [len(part) for part in (fold.train, fold.validation, fold.test)]
    assert sizes == [12, 4, 5] and len({*fold.train, *fold.validation, *fold.test}) == 21
    assert {parts[position] for position in (*fold.train, *fold.validation)} == {"train", "validation"}
    assert {parts[position] for position in fold.test} == {"test"}


def test_a_table_without_parts_has_none_and_an_unknown_part_is_noted(release):
    table = release / "Labels" / "labels_consensus.csv"
    table.write_text(TABLE.replace(",Test1", ",Evening"))
    corpus = msp_podcast.read(release)
    assert [each.part for each in corpus.utterances] == ["", "train", "train"]
    assert (
        f"MSP-Podcast at {release}: 1 recording is in no part, for Split_Set is neither Train nor Development nor a "
        "test; the first is MSP-PODCAST_0001_0008.wav with 'Evening'."
    ) in corpus.notes
    table.write_text(TABLE.replace("Split_Set", "Part"))
    corpus = msp_podcast.read(release)
    assert {each.part for each in corpus.utterances} == {""} and not any("in no part" in note for note in corpus.notes)
