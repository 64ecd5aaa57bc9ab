"""EMO-DB by its file names, on empty files typed out here and on the real recordings under their own names."""

import collections

import pytest

from tfcr.corpora import emo_db, manifest, read
from tfcr.corpora.utterance import normalised
from tfcr.errors import TfcrError

NAMES = ["03a01Fa", "03a01Wa", "08b10Tb", "16a05Lc", "11b03Ab", "14a07Ed", "09a02Na"]


@pytest.fixture
def release(tmp_path):
    (tmp_path / "wav").mkdir()
    for name in NAMES:
        (tmp_path / "wav" / f"{name}.wav").write_bytes(b"")
    return tmp_path


def message(root) -> str:
    with pytest.raises(TfcrError) as raised:
        emo_db.read(root)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_name_says_speaker_sentence_and_emotion(release):
    utterance = emo_db.read(release).utterances[0]
    assert utterance.id == "03a01Fa"
    assert utterance.audio == release / "wav" / "03a01Fa.wav"
    assert (utterance.speaker, utterance.emotion) == ("03", "happiness")  # F: Freude
    assert (utterance.script, utterance.session) == ("a01", "")
    assert utterance.transcript == "Der Lappen liegt auf dem Eisschrank."


def test_the_letters_are_those_of_the_german_words(release):
    # Freude, Wut, Trauer, Langeweile, Angst, Ekel, neutral
    assert {utterance.id: utterance.emotion for utterance in emo_db.read(release).utterances} == {
        "03a01Fa": "happiness",
        "03a01Wa": "anger",
        "08b10Tb": "sadness",
        "16a05Lc": "boredom",
        "11b03Ab": "fear",
        "14a07Ed": "disgust",
        "09a02Na": "neutral",
    }


def test_recordings_may_lie_in_the_root_itself(release):
    assert [u.id for u in emo_db.read(release / "wav").utterances] == [u.id for u in emo_db.read(release).utterances]


def test_it_is_the_corpus_called_emo_db(release):
    assert read("emo-db", release) == emo_db.read(release)


def test_of_more_than_the_release_it_is_said_what_they_are(release, monkeypatch):
    monkeypatch.setattr(emo_db, "RELEASE_COUNT", 6)
    first, second = emo_db.read(release).notes
    assert first.endswith("found 7 recordings; the release has 6.")
    assert second.startswith(
        "EMO-DB: its edition 2.0 has recordings, too, whose emotion fewer than 80 % of the listeners"
    )


def test_another_number_than_the_releases_is_noted(release):
    assert emo_db.read(release).notes == [f"EMO-DB at {release}: found 7 recordings; the release has 535."]


def test_hidden_files_are_passed_over(release):
    before = emo_db.read(release)
    for name in "._03a01Fa.wav", ".03a01Fa.wav", ".DS_Store":
        (release / "wav" / name).write_bytes(b"\x00\x05\x16\x07")
    assert emo_db.read(release) == before


def test_other_names_are_counted_and_the_first_is_named(release):
    # Sentence a03 and emotion X do not exist.
    for name in "03a03Fa", "03a01Xa", "noise":
        (release / "wav" / f"{name}.wav").write_bytes(b"")
    corpus = emo_db.read(release)
    assert len(corpus.utterances) == len(NAMES)
    first = release / "wav" / "03a01Xa.wav"
    assert f"EMO-DB at {release}: 3 files have other names and were left out; the first is {first}." in corpus.notes


def test_a_root_that_is_something_else_is_one_clear_line(tmp_path):
    expected = "expected recordings such as wav/03a01Fa.wav, or 03a01Fa.wav (speaker, sentence, emotion, version)"
    assert message(tmp_path / "nowhere") == f"EMO-DB: {tmp_path / 'nowhere'} does not exist; {expected}"
    assert message(tmp_path) == f"EMO-DB: {tmp_path} holds no recordings; {expected}"
    (tmp_path / "song.wav").write_bytes(b"")
    assert message(tmp_path) == f"EMO-DB: {tmp_path} holds 1 file, none so named: song.wav; {expected}"
    assert f"{tmp_path / 'song.wav'} is a file; expected" in message(tmp_path / "song.wav")


def test_real_recordings_are_what_their_manifest_says(real_corpus, tmp_path):
    described = {utterance.id: utterance for utterance in manifest.read(real_corpus).utterances}
    for id, utterance in described.items():
        if not emo_db._NAME.fullmatch(id):
            pytest.skip("TFCR_REAL_CORPUS is another corpus")
        (tmp_path / f"{id}.wav").symlink_to(utterance.audio.resolve())
    corpus = emo_db.read(tmp_path)
    assert {utterance.id for utterance in corpus.utterances} == set(described)
    for utterance in corpus.utterances:
        ours = (utterance.speaker, utterance.emotion, utterance.session, normalised(utterance.transcript))
        other = described[utterance.id]
        assert ours == (other.speaker, other.emotion, other.session, normalised(other.transcript))
    # One script a sentence: the groups are those of the manifest, whose scripts are the words.
    pairs = {(utterance.script, described[utterance.id].script) for utterance in corpus.utterances}
    assert max(collections.Counter(ours for ours, _ in pairs).values()) == 1
    assert max(collections.Counter(theirs for _, theirs in pairs).values()) == 1
