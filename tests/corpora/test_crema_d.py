"""CREMA-D by its file names, on empty files typed out here."""

import pytest

from tfcr.corpora import crema_d, read
from tfcr.errors import TfcrError

NAMES = ["1001_DFA_ANG_XX", "1001_IEO_ANG_HI", "1002_IEO_DIS_LO", "1091_WSI_NEU_XX"]
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2140\nsize 72000\n"


@pytest.fixture
def release(tmp_path):
    (tmp_path / "AudioWAV").mkdir()
    for name in NAMES:
        (tmp_path / "AudioWAV" / f"{name}.wav").write_bytes(b"")
    return tmp_path


def message(root) -> str:
    with pytest.raises(TfcrError) as raised:
        crema_d.read(root)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_name_says_speaker_sentence_and_emotion(release):
    utterance = crema_d.read(release).utterances[1]
    assert utterance.id == "1001_IEO_ANG_HI"
    assert utterance.audio == release / "AudioWAV" / "1001_IEO_ANG_HI.wav"
    assert (utterance.speaker, utterance.emotion) == ("1001", "anger")
    assert (utterance.script, utterance.session) == ("IEO", "")
    assert utterance.transcript == "It's eleven o'clock."


def test_every_code_of_emotion_has_a_word(tmp_path):
    for code in "ANG", "DIS", "FEA", "HAP", "NEU", "SAD":
        (tmp_path / f"1001_TIE_{code}_MD.wav").write_bytes(b"")
    emotions = [utterance.emotion for utterance in crema_d.read(tmp_path).utterances]
    assert emotions == ["anger", "disgust", "fear", "happiness", "neutral", "sadness"]


def test_twelve_sentences_have_their_own_words():
    assert len(set(crema_d.SENTENCES.values())) == 12


def test_it_is_the_corpus_called_crema_d(release):
    assert read("crema-d", release) == crema_d.read(release)


def test_the_one_name_that_lacks_an_x_is_read(release):
    (release / "AudioWAV" / "1040_ITH_SAD_X.wav").write_bytes(b"")
    assert "1040_ITH_SAD_X" in {utterance.id for utterance in crema_d.read(release).utterances}


def test_another_number_than_the_releases_is_noted(release):
    assert crema_d.read(release).notes == [f"CREMA-D at {release}: found 4 recordings; the release has 7442."]


def test_a_clone_without_git_lfs_says_how_many_and_what_to_do(release):
    for name in NAMES[1:3]:
        (release / "AudioWAV" / f"{name}.wav").write_text(POINTER)
    first = release / "AudioWAV" / "1001_IEO_ANG_HI.wav"
    assert message(release) == (
        f"CREMA-D at {release}: 2 of 4 recordings are pointers of Git LFS instead of sound; the first is {first}. "
        "Fetch them: install git-lfs and run `git lfs pull` in the clone"
    )


def test_hidden_files_are_passed_over(release):
    before = crema_d.read(release)
    (release / "AudioWAV" / "._1001_IEO_ANG_HI.wav").write_bytes(b"\x00\x05\x16\x07")
    assert crema_d.read(release) == before


def test_other_names_are_counted_and_the_first_is_named(release):
    # Sentence ABC, emotion JOY and level YY do not exist.
    for name in "1001_ABC_ANG_HI", "1001_IEO_JOY_HI", "1001_IEO_ANG_YY":
        (release / "AudioWAV" / f"{name}.wav").write_bytes(b"")
    corpus = crema_d.read(release)
    assert len(corpus.utterances) == len(NAMES)
    first = release / "AudioWAV" / "1001_ABC_ANG_HI.wav"
    assert f"CREMA-D at {release}: 3 files have other names and were left out; the first is {first}." in corpus.notes


def test_a_root_that_is_something_else_is_one_clear_line(tmp_path):
    expected = "expected recordings such as AudioWAV/1001_IEO_ANG_HI.wav (speaker, sentence, emotion, level)"
    assert message(tmp_path / "nowhere") == f"CREMA-D: {tmp_path / 'nowhere'} does not exist; {expected}"
    (tmp_path / "AudioWAV").mkdir()
    assert message(tmp_path) == f"CREMA-D: {tmp_path} holds no recordings; {expected}"
