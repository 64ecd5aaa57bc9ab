"""RAVDESS by its file names, on empty files typed out here."""

import pytest

from tfcr.corpora import ravdess, read
from tfcr.errors import TfcrError


def add(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")


@pytest.fixture
def release(tmp_path):
    add(tmp_path / "Actor_01", "03-01-01-01-01-01-01.wav", "03-01-08-02-02-02-01.wav")
    add(tmp_path / "Actor_12", "03-01-05-01-02-01-12.wav")
    return tmp_path


def message(root) -> str:
    with pytest.raises(TfcrError) as raised:
        ravdess.read(root)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_name_says_actor_emotion_and_statement(release):
    utterance = ravdess.read(release).utterances[1]
    assert utterance.id == "03-01-05-01-02-01-12"
    assert utterance.audio == release / "Actor_12" / "03-01-05-01-02-01-12.wav"
    assert (utterance.speaker, utterance.emotion) == ("12", "anger")
    assert (utterance.script, utterance.session) == ("02", "")
    assert utterance.transcript == "Dogs are sitting by the door."


@pytest.mark.parametrize(
    ("number", "emotion"),
    [
        ("01", "neutral"),
        ("02", "calm"),
        ("03", "happiness"),
        ("04", "sadness"),
        ("05", "anger"),
        ("06", "fear"),
        ("07", "disgust"),
        ("08", "surprise"),
    ],
)
def test_the_third_number_is_the_emotion(tmp_path, number, emotion):
    add(tmp_path / "Actor_24", f"03-01-{number}-01-01-01-24.wav")
    (utterance,) = ravdess.read(tmp_path).utterances
    assert utterance.emotion == emotion
    assert utterance.transcript == "Kids are talking by the door."


def test_the_folder_that_the_archive_makes_may_lie_between(release, tmp_path_factory):
    outer = tmp_path_factory.mktemp("outer")
    release.rename(outer / "Audio_Speech_Actors_01-24")
    assert [u.id for u in ravdess.read(outer).utterances] == [
        "03-01-01-01-01-01-01",
        "03-01-05-01-02-01-12",
        "03-01-08-02-02-02-01",
    ]


def test_it_is_the_corpus_called_ravdess(release):
    assert read("ravdess", release) == ravdess.read(release)


def test_songs_and_videos_are_left_out_and_counted(release):
    # 03-02 is song; 01 and 02 are video with and without sound.
    add(release / "Actor_01", "03-02-01-01-01-01-01.wav", "01-01-01-01-01-01-01.mp4", "02-01-01-01-01-01-01.mp4")
    corpus = ravdess.read(release)
    assert len(corpus.utterances) == 3
    first = release / "Actor_01" / "01-01-01-01-01-01-01.mp4"
    assert f"RAVDESS at {release}: 3 files are songs or videos and were left out; the first is {first}." in corpus.notes


def test_only_songs_are_an_error(tmp_path):
    add(tmp_path / "Audio_Song_Actors_01-24" / "Actor_01", "03-02-01-01-01-01-01.wav")
    assert "1 file is a song or a video and was left out" in message(tmp_path)


def test_a_recording_in_two_folders_is_taken_once(tmp_path):
    for folder in "one", "two":
        add(tmp_path / folder / "Actor_01", "03-01-01-01-01-01-01.wav")
    corpus = ravdess.read(tmp_path)
    (utterance,) = corpus.utterances
    assert utterance.audio.parent.parent.name == "one"
    copy = tmp_path / "two" / "Actor_01" / "03-01-01-01-01-01-01.wav"
    assert (
        f"RAVDESS at {tmp_path}: 1 recording stands in two folders, taken once; the first is {copy}."
    ) in corpus.notes


def test_folders_below_are_not_searched_where_the_root_has_the_actors(release):
    before = ravdess.read(release)
    add(release / "audio_speech_actors_01-24" / "Actor_01", "03-01-01-01-01-01-01.wav")
    assert ravdess.read(release) == before


def test_hidden_files_are_passed_over(release):
    before = ravdess.read(release)
    add(release / "Actor_01", "._03-01-01-01-01-01-01.wav", ".DS_Store")
    add(release / "__MACOSX" / "Actor_01", "._03-01-01-01-01-01-01.wav")
    assert ravdess.read(release) == before


def test_other_names_are_counted_and_the_first_is_named(release):
    # Emotion 09 and actor 25 do not exist, and seven numbers are expected.
    add(release / "Actor_12", "03-01-09-01-02-01-12.wav", "03-01-01-01-02-01-25.wav", "03-01-05.wav")
    corpus = ravdess.read(release)
    assert len(corpus.utterances) == 3
    assert any("3 files have other names and were left out" in note for note in corpus.notes)


def test_the_release_has_1440_recordings_of_speech(tmp_path):
    # 24 actors x 2 statements x 2 repetitions x (7 emotions x 2 intensities + neutral): 24 x 4 x 15
    for actor in range(1, 25):
        names = [
            f"03-01-{emotion:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor:02d}.wav"
            for emotion in range(1, 9)
            for intensity in ((1,) if emotion == 1 else (1, 2))
            for statement in (1, 2)
            for repetition in (1, 2)
        ]
        add(tmp_path / f"Actor_{actor:02d}", *names)
    corpus = ravdess.read(tmp_path)
    assert len(corpus.utterances) == 1440
    assert corpus.notes == []
    next((tmp_path / "Actor_24").iterdir()).unlink()
    assert ravdess.read(tmp_path).notes == [f"RAVDESS at {tmp_path}: found 1439 recordings; the release has 1440."]


def test_a_root_that_is_something_else_is_one_clear_line(tmp_path):
    assert message(tmp_path / "nowhere") == (
        f"RAVDESS: {tmp_path / 'nowhere'} does not exist; expected folders Actor_01 to Actor_24, or one folder with "
        "them, of recordings as 03-01-05-01-02-01-12.wav"
    )
    assert f"RAVDESS: {tmp_path} holds no folder of an actor; expected" in message(tmp_path)
    (tmp_path / "Actor_01").mkdir()
    assert f"RAVDESS: {tmp_path} holds no recordings; expected" in message(tmp_path)
