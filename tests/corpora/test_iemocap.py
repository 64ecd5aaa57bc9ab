"""IEMOCAP's layout, on a miniature of it whose files are typed out here, quirks and all."""

import pathlib

import pytest

from tfcr.corpora import iemocap
from tfcr.errors import TfcrError

LABELS = (
    "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"
    "\n"
    "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\n"
    "C-E2:\tNeutral;\t()\n"
    "A-E3:\tval 3; act 2; dom  2;\t()\n"
    "C-F1:\tAnger; Neutral;\t(mild)\n"
    "\n"
    "[10.0100 - 11.3925]\tSes01F_impro01_M000\tfru\t[2.5000, 3.5000, 3.5000]\n"
    "A-E4:\tval ; act 3; dom  3;\t()\n"
    "\n"
)
TRANSCRIPT = (
    "Ses01F_impro01_M000 [010.0100-011.3925]: He said: [LAUGHTER] no]: never.\n"
    "M: sorry\n"
    "\n"
    "Ses01F_impro01_FXX0 [009.0000-009.5000]: Mm-hmm.\n"
    "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\n"
)


def add_dialog(release: pathlib.Path, dialog: str, labels: str, transcript: str, recordings: list[str]) -> pathlib.Path:
    """Writes a dialog by hand and returns its session's folder."""
    session = release / f"Session{dialog[4]}"
    for folder, content in ("EmoEvaluation", labels), ("transcriptions", transcript):
        (session / "dialog" / folder).mkdir(parents=True, exist_ok=True)
        (session / "dialog" / folder / f"{dialog}.txt").write_bytes(content.encode("latin-1"))
    wav = session / "sentences" / "wav" / dialog
    wav.mkdir(parents=True, exist_ok=True)
    for id in recordings:
        (wav / f"{id}.wav").write_bytes(b"RIFF")
    return session


def add_simple_dialog(release: pathlib.Path, dialog: str, ids: list[str], code: str = "neu") -> pathlib.Path:
    labels = "".join(f"[0.0000 - 1.0000]\t{id}\t{code}\t[2.5, 2.5, 2.5]\n" for id in ids)
    transcript = "".join(f"{id} [000.0000-001.0000]: Words of {id}\n" for id in reversed(ids))
    return add_dialog(release, dialog, labels, transcript, ids)


@pytest.fixture
def release(tmp_path):
    root = tmp_path / "IEMOCAP_full_release"
    add_dialog(root, "Ses01F_impro01", LABELS, TRANSCRIPT, ["Ses01F_impro01_F000", "Ses01F_impro01_M000"])
    return root


def by_id(corpus):
    return {utterance.id: utterance for utterance in corpus.utterances}


def test_a_labelled_utterance_has_its_recording_words_and_emotion(release):
    utterance = iemocap.read_layout(release).utterances[0]
    assert utterance.id == "Ses01F_impro01_F000"
    assert utterance.transcript == "Excuse me."
    assert utterance.emotion == "neutral"
    assert utterance.session == "1"
    expected = release / "Session1" / "sentences" / "wav" / "Ses01F_impro01" / "Ses01F_impro01_F000.wav"
    assert utterance.audio == expected


def test_the_folder_that_holds_the_release_reads_the_same(release):
    assert iemocap.read_layout(release.parent) == iemocap.read_layout(release)


def test_rater_lines_and_headers_are_no_labels_and_give_no_notes(release):
    corpus = iemocap.read_layout(release)
    assert len(corpus.utterances) == 2
    assert corpus.notes == []


def test_the_text_is_split_at_its_first_bracket_and_colon_only(release):
    assert by_id(iemocap.read_layout(release))["Ses01F_impro01_M000"].transcript == "He said: [LAUGHTER] no]: never."


def test_lines_without_an_id_and_ids_without_a_label_are_no_utterances(release):
    assert set(by_id(iemocap.read_layout(release))) == {"Ses01F_impro01_F000", "Ses01F_impro01_M000"}


def test_the_speaker_is_the_letter_before_the_digits(release):
    # Both ids begin with Ses01F: F wore the markers.
    speakers = {id: utterance.speaker for id, utterance in by_id(iemocap.read_layout(release)).items()}
    assert speakers == {"Ses01F_impro01_F000": "Ses01F", "Ses01F_impro01_M000": "Ses01M"}


def test_odd_dialogs_keep_their_own_utterances(release):
    add_simple_dialog(release, "Ses05M_script01_1", ["Ses05M_script01_1_F000"])
    add_simple_dialog(release, "Ses05M_script01_1b", ["Ses05M_script01_1b_F000", "Ses05M_script01_1b_M001"])
    add_simple_dialog(release, "Ses03M_impro05a", ["Ses03M_impro05a_F000"])
    add_simple_dialog(release, "Ses03M_impro08b", ["Ses03M_impro08b_M012"])
    found = by_id(iemocap.read_layout(release))
    for id in "Ses05M_script01_1_F000", "Ses05M_script01_1b_F000", "Ses05M_script01_1b_M001", "Ses03M_impro08b_M012":
        assert found[id].transcript == f"Words of {id}"
        assert found[id].audio.parent.name == id[:-5]  # the id without _F000
    assert found["Ses03M_impro08b_M012"].speaker == "Ses03M"
    assert found["Ses03M_impro08b_M012"].session == "3"


def test_the_script_is_the_portion_over_all_sessions_or_the_improvised_dialog(release):
    add_simple_dialog(release, "Ses05M_script01_1", ["Ses05M_script01_1_F000"])
    add_simple_dialog(release, "Ses05M_script01_1b", ["Ses05M_script01_1b_F000"])
    add_simple_dialog(release, "Ses02F_script01_1", ["Ses02F_script01_1_F000"])
    add_simple_dialog(release, "Ses03M_impro05a", ["Ses03M_impro05a_F000"])
    found = by_id(iemocap.read_layout(release))
    for id in "Ses05M_script01_1_F000", "Ses05M_script01_1b_F000", "Ses02F_script01_1_F000":
        assert found[id].script == "script01_1"
    assert found["Ses03M_impro05a_F000"].script == "Ses03M_impro05a"
    assert found["Ses01F_impro01_F000"].script == "Ses01F_impro01"


def test_utterances_are_sorted_by_id(release):
    add_simple_dialog(release, "Ses01F_impro02", ["Ses01F_impro02_M001", "Ses01F_impro02_F010", "Ses01F_impro02_F002"])
    ids = [utterance.id for utterance in iemocap.read_layout(release).utterances]
    assert ids == sorted(ids)


@pytest.mark.parametrize(("code", "emotion"), iemocap.EMOTION_OF_CODE.items())
def test_every_code_of_the_release_has_a_word(release, code, emotion):
    add_simple_dialog(release, "Ses02F_impro01", ["Ses02F_impro01_F000"], code)
    assert by_id(iemocap.read_layout(release))["Ses02F_impro01_F000"].emotion == emotion


def test_subfolders_of_labels_are_not_read(release):
    other = release / "Session1" / "dialog" / "EmoEvaluation" / "Categorical"
    other.mkdir()
    (other / "Ses01F_impro01_e2_cat.txt").write_text(LABELS.replace("F000\tneu", "F000\tang"))
    assert by_id(iemocap.read_layout(release))["Ses01F_impro01_F000"].emotion == "neutral"


def test_apple_double_files_are_passed_over(release):
    session = release / "Session1"
    stray = b"\x00\x05\x16\x07\xff\xfeMac OS X"
    (release / "._Session1").write_bytes(stray)
    (session / "dialog" / "EmoEvaluation" / "._Ses01F_impro01.txt").write_bytes(stray)
    (session / "dialog" / "transcriptions" / "._Ses01F_impro01.txt").write_bytes(stray)
    (session / "sentences" / "wav" / "Ses01F_impro01" / "._Ses01F_impro01_F000.wav").write_bytes(stray)
    corpus = iemocap.read_layout(release)
    assert len(corpus.utterances) == 2
    assert corpus.notes == []


def test_bytes_that_are_not_utf_8_are_windows_1252_and_noted(release):
    transcript = release / "Session1" / "dialog" / "transcriptions" / "Ses01F_impro01.txt"
    transcript.write_bytes(transcript.read_bytes().replace(b"Excuse me", b"I\x92m \x81"))
    corpus = iemocap.read_layout(release)
    assert (
        by_id(corpus)["Ses01F_impro01_F000"].transcript == "I\u2019m \N{REPLACEMENT CHARACTER}."
    )  # Windows-1252 has no 0x81
    # "Excuse me." stands in the fifth line of the file.
    assert corpus.notes == [
        f"{transcript} holds bytes that are not UTF-8 (the first in line 5); lines with such bytes were read as "
        "Windows-1252."
    ]


def test_line_ends_of_other_systems_change_nothing(release):
    before = iemocap.read_layout(release)
    for path in (release / "Session1" / "dialog").rglob("*.txt"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert iemocap.read_layout(release) == before


def test_lines_that_begin_like_labels_are_noted_not_passed_over_in_silence(release):
    path = release / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    path.write_text(LABELS + "[12.0 - 13.0]\tSes01F_impro01_F001\tjoy\t[2.5, 2.5, 2.5]\n")
    # The ten lines of LABELS come before.
    assert iemocap.read_layout(release).notes == [
        f"{path}: 1 line looks like a label but is none, the first is line 11."
    ]


def test_a_second_label_for_an_utterance_is_refused(release):
    path = release / "Session1" / "dialog" / "EmoEvaluation" / "copy.txt"
    path.write_text(LABELS)
    with pytest.raises(TfcrError, match=r"copy\.txt, line 3: Ses01F_impro01_F000 has a label already"):
        iemocap.read_layout(release)


def test_missing_recordings_are_counted_and_the_first_is_named(release):
    wav = release / "Session1" / "sentences" / "wav" / "Ses01F_impro01"
    for id in "Ses01F_impro01_F000", "Ses01F_impro01_M000":
        (wav / f"{id}.wav").unlink()
    with pytest.raises(TfcrError) as raised:
        iemocap.read_layout(release)
    assert str(raised.value) == (
        f"IEMOCAP at {release}: 2 of 2 labelled utterances have no recording; "
        f"the first is Ses01F_impro01_F000, expected at {wav / 'Ses01F_impro01_F000.wav'}. "
        "Is the copy complete? (--allow-partial to go on)"
    )


def test_an_empty_recording_is_named_and_left_out_of_what_is_allowed_to_be_partial(release):
    wav = release / "Session1" / "sentences" / "wav" / "Ses01F_impro01" / "Ses01F_impro01_F000.wav"
    wav.write_bytes(b"")
    problem = (
        f"IEMOCAP at {release}: 1 of 2 labelled utterances has an empty recording (0 bytes); "
        f"the first is {wav}; copy it again"
    )
    with pytest.raises(TfcrError) as raised:
        iemocap.read(release)
    assert str(raised.value) == f"{problem}. Is the copy complete? (--allow-partial to go on)"
    corpus = iemocap.read(release, allow_partial=True)
    assert list(by_id(corpus)) == ["Ses01F_impro01_M000"]
    assert f"{problem}; left out." in corpus.notes


def test_a_recording_that_is_a_link_to_nothing_is_missing(release):
    wav = release / "Session1" / "sentences" / "wav" / "Ses01F_impro01" / "Ses01F_impro01_F000.wav"
    wav.unlink()
    wav.symlink_to("nowhere.wav")
    with pytest.raises(TfcrError, match=r"1 of 2 labelled utterances has no recording; the first is Ses01F_impro01_F0"):
        iemocap.read_layout(release)


def test_a_missing_transcript_file_is_named(release):
    path = release / "Session1" / "dialog" / "transcriptions" / "Ses01F_impro01.txt"
    path.unlink()
    with pytest.raises(TfcrError) as raised:
        iemocap.read_layout(release)
    assert str(raised.value) == (
        f"IEMOCAP at {release}: 2 labelled utterances have no transcript; "
        f"the first is Ses01F_impro01_F000, expected in {path}, which does not exist. "
        "Is the copy complete? (--allow-partial to go on)"
    )


def test_a_missing_transcript_line_names_the_utterance_and_the_file(release):
    path = release / "Session1" / "dialog" / "transcriptions" / "Ses01F_impro01.txt"
    path.write_text(TRANSCRIPT.replace("Ses01F_impro01_M000", "Ses01F_impro01_M009"))
    with pytest.raises(
        TfcrError, match=r"1 labelled utterance has .* Ses01F_impro01_M000, expected in .*impro01\.txt\. Is"
    ):
        iemocap.read_layout(release)


def test_a_session_without_labels_is_named(release):
    (release / "Session2" / "dialog").mkdir(parents=True)
    with pytest.raises(TfcrError, match=r"Session2/dialog/EmoEvaluation does not exist, so Session2 has no labels"):
        iemocap.read_layout(release)


def test_a_missing_root_is_one_clear_line(tmp_path):
    with pytest.raises(TfcrError) as raised:
        iemocap.read(tmp_path / "nowhere")
    assert str(raised.value) == (
        f"IEMOCAP: {tmp_path / 'nowhere'} does not exist; "
        "expected the folder IEMOCAP_full_release (with Session1 to Session5), or one that holds it"
    )


def test_a_root_that_is_something_else_is_one_clear_line(tmp_path):
    (tmp_path / "music").mkdir()
    with pytest.raises(TfcrError, match="holds no Session1 to Session5 with a folder 'dialog'; expected the folder"):
        iemocap.read(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(TfcrError, match="is a file; expected the folder"):
        iemocap.read(tmp_path / "file")


def test_a_release_without_any_label_says_what_labels_look_like(tmp_path):
    (tmp_path / "Session1" / "dialog" / "EmoEvaluation").mkdir(parents=True)
    with pytest.raises(TfcrError, match="no label in any"):
        iemocap.read_layout(tmp_path)


def test_the_release_has_5531_utterances_of_the_four_classes():
    # The sums of the sessions: 1085 + 1023 + 1151 + 1031 + 1241; neutral 1708, happiness 595 + 1041, sadness 1084.
    sessions = [sum(counts.values()) for counts in iemocap.RELEASE_COUNTS.values()]
    assert sessions == [1085, 1023, 1151, 1031, 1241]
    classes = {
        emotion: sum(counts[emotion] for counts in iemocap.RELEASE_COUNTS.values())
        for emotion in ("neutral", "happiness", "sadness", "anger")
    }
    assert classes == {"neutral": 1708, "happiness": 595 + 1041, "sadness": 1084, "anger": 1103}


def add_sessions_in_full(release: pathlib.Path, sessions: str) -> None:
    """Writes sessions with as many utterances of each class and speaker as the release; some happy ones excited."""
    for session in sessions:
        of_f = iemocap.RELEASE_SPEAKERS[session][f"Ses0{session}F"]
        letters = iter("F" * of_f + "M" * (sum(RELEASE[session]) - of_f))
        for index, (code, count) in enumerate(zip(("neu", "hap", "sad", "ang"), RELEASE[session], strict=True)):
            dialog = f"Ses0{session}F_impro0{index + 2}"
            ids = [f"{dialog}_{next(letters)}{number:03d}" for number in range(count)]
            add_simple_dialog(release, dialog, ids, code)
            labels = release / f"Session{session}" / "dialog" / "EmoEvaluation" / f"{dialog}.txt"
            labels.write_text(labels.read_text().replace("3\thap", "3\texc"))


RELEASE = {session: list(counts.values()) for session, counts in iemocap.RELEASE_COUNTS.items()}


def test_a_complete_release_is_read_without_notes(tmp_path):
    add_sessions_in_full(tmp_path, "12345")
    corpus = iemocap.read(tmp_path)
    assert len(corpus.utterances) == 5531
    assert corpus.notes == []
    assert "excitement" in {utterance.emotion for utterance in corpus.utterances}


def test_a_missing_session_is_named_with_its_amount(tmp_path):
    add_sessions_in_full(tmp_path, "1234")
    with pytest.raises(TfcrError) as raised:
        iemocap.read(tmp_path)
    # 5531 - 1241 = 4290
    assert str(raised.value) == (
        f"IEMOCAP at {tmp_path}: expected 5531 utterances of the four classes, found 4290; Session5 has 0 of 1241. "
        "Is the release complete? (--allow-partial to go on)"
    )


def test_a_changed_label_is_seen_though_the_session_has_its_amount(tmp_path):
    add_sessions_in_full(tmp_path, "12345")
    labels = tmp_path / "Session3" / "dialog" / "EmoEvaluation" / "Ses03F_impro02.txt"
    labels.write_text(labels.read_text().replace("F000\tneu", "F000\tang"))
    with pytest.raises(
        TfcrError, match=r"found 5531; Session3 has 319 neutral \(expected 320\), 241 anger \(expected 240\)"
    ):
        iemocap.read(tmp_path)


def test_a_changed_speaker_is_seen_though_the_emotions_have_their_amounts(tmp_path):
    add_sessions_in_full(tmp_path, "12345")
    # Session 4's last angry utterance is M's: 327 of them, numbered from 000.
    for path in (tmp_path / "Session4").rglob("Ses04F_impro05*.txt"):
        path.write_text(path.read_text().replace("Ses04F_impro05_M326", "Ses04F_impro05_F326"))
    wav = tmp_path / "Session4" / "sentences" / "wav" / "Ses04F_impro05"
    (wav / "Ses04F_impro05_M326.wav").rename(wav / "Ses04F_impro05_F326.wav")
    with pytest.raises(TfcrError) as raised:
        iemocap.read(tmp_path)
    assert str(raised.value) == (
        f"IEMOCAP at {tmp_path}: expected 5531 utterances of the four classes, found 5531; "
        "Session4 has 529 Ses04F (expected 528), 502 Ses04M (expected 503). "
        "Is the release complete? (--allow-partial to go on)"
    )


def test_a_dialog_with_transcripts_and_no_labels_is_named(release):
    add_simple_dialog(release, "Ses01F_impro02", ["Ses01F_impro02_F000"])
    path = release / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro02.txt"
    path.unlink()
    with pytest.raises(TfcrError) as raised:
        iemocap.read_layout(release)
    assert str(raised.value) == (
        f"IEMOCAP at {release}: 1 dialog has a transcript and no labels; "
        f"the first is Ses01F_impro02, expected in {path}. Is the copy complete? (--allow-partial to go on)"
    )


def test_what_has_no_label_may_stand_twice_in_a_transcript(release):
    path = release / "Session1" / "dialog" / "transcriptions" / "Ses01F_impro01.txt"
    others = "Ses01F_impro01_FXX0 [012.0000-012.5000]: Yeah.\nM: [LAUGHTER]: one\nM: [LAUGHTER]: another\n"
    path.write_text(TRANSCRIPT + others)
    assert iemocap.read_layout(release).notes == []


def test_allow_partial_goes_on_and_says_what_is_missing(release):
    add_simple_dialog(release, "Ses02F_impro01", ["Ses02F_impro01_F000", "Ses02F_impro01_M000"])
    (release / "Session2" / "sentences" / "wav" / "Ses02F_impro01" / "Ses02F_impro01_M000.wav").unlink()
    (release / "Session2" / "dialog" / "transcriptions" / "Ses02F_impro01.txt").write_text(
        "Ses02F_impro01_M000 [000.0000-001.0000]: Hello.\n"
    )
    (release / "Session4" / "dialog").mkdir(parents=True)
    corpus = iemocap.read(release, allow_partial=True)
    # Of Session 2's two utterances one has no words and the other no recording.
    assert [utterance.id for utterance in corpus.utterances] == ["Ses01F_impro01_F000", "Ses01F_impro01_M000"]
    notes = "\n".join(corpus.notes)
    assert "so Session4 has no labels." in notes
    assert "1 labelled utterance has no transcript; the first is Ses02F_impro01_F000" in notes
    assert "1 of 4 labelled utterances has no recording; the first is Ses02F_impro01_M000" in notes
    assert "found 1; Session1 has 1 of 1085; Session2 has 0 of 1023" in notes
    assert len(corpus.notes) == 4
