"""The synthetic corpus: what it promises about itself, and about the folder it lies in."""

import collections
import csv
import errno
import math
import re

import pytest
import soundfile

from tfcr.corpora import read, synthetic
from tfcr.corpora.synthetic.plans import planned
from tfcr.corpora.synthetic.sentences import transcript
from tfcr.errors import TfcrError, UsageError

SMALL = 60


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("synthetic")
    return root, synthetic.read(root, seed=1, utterances=SMALL)


def contents(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def truth(root):
    with (root / "synthetic.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def plans(seed=0, conflict_rate=0.2, utterances=1200):
    return list(planned(seed, conflict_rate, utterances))


def test_the_same_seed_gives_the_same_bytes(small, tmp_path):
    root, _ = small
    synthetic.read(tmp_path, seed=1, utterances=SMALL)
    assert contents(tmp_path) == contents(root)


def test_another_seed_gives_other_words_and_voices(small, tmp_path):
    _, corpus = small
    other = synthetic.read(tmp_path, seed=2, utterances=SMALL)
    assert [u.transcript for u in other.utterances] != [u.transcript for u in corpus.utterances]
    pairs = zip(corpus.utterances, other.utterances, strict=True)
    assert all(ours.audio.read_bytes() != theirs.audio.read_bytes() for ours, theirs in pairs)


def test_an_utterance_does_not_depend_on_how_many_there_are(small, tmp_path):
    _, corpus = small
    fewer = synthetic.read(tmp_path, seed=1, utterances=SMALL - 15)
    by_id = {utterance.id: utterance for utterance in corpus.utterances}
    for utterance in fewer.utterances:
        assert utterance.transcript == by_id[utterance.id].transcript
        assert utterance.audio.read_bytes() == by_id[utterance.id].audio.read_bytes()


def test_what_is_read_back_is_the_ground_truth(small):
    root, corpus = small
    assert [(u.id, u.emotion) for u in corpus.utterances] == [(row["id"], row["emotion"]) for row in truth(root)]
    assert corpus.notes == []


def test_it_is_the_corpus_called_synthetic(small):
    root, corpus = small
    assert read("synthetic", root, seed=1, utterances=SMALL) == corpus


def test_a_complete_corpus_is_not_written_again(small):
    root, _ = small
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.wav")}
    synthetic.read(root, seed=1, utterances=SMALL)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*.wav")} == before


def test_recordings_are_16_khz_mono_pcm_of_0_8_to_3_seconds(small):
    for utterance in small[1].utterances:
        info = soundfile.info(utterance.audio)
        assert (info.samplerate, info.channels, info.subtype, info.format) == (16_000, 1, "PCM_16", "WAV")
        assert 0.8 <= info.duration <= 3.0


def test_ids_are_as_iemocaps_and_the_odd_dialogs_are_among_them(small):
    pattern = re.compile(r"Ses0[1-5][FM]_(impro0[1-8][ab]?|script0[1-3]_[1-3]b?)_[FM]\d{3}")
    ids = [utterance.id for utterance in small[1].utterances]
    assert len(set(ids)) == len(ids)
    assert all(pattern.fullmatch(id) for id in ids)
    dialogs = {id[:-5] for id in ids}  # the id without _F000
    assert {"Ses03M_impro05a", "Ses03M_impro05b", "Ses05M_script01_1", "Ses05M_script01_1b"} <= dialogs


def test_its_files_have_iemocaps_quirks(small):
    dialog = small[0] / "Session5" / "dialog"
    labels = (dialog / "EmoEvaluation" / "Ses05M_script01_1b.txt").read_text()
    assert labels.startswith("% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n[")
    assert "\nA-E3:\tval 3; act 2; dom  2;\t()\n" in labels
    transcript = (dialog / "transcriptions" / "Ses05M_script01_1b.txt").read_text()
    assert "M: sorry\n" in transcript
    assert "Ses05M_script01_1b_FXX0 [" in transcript
    in_labels = re.findall(r"\t(Ses\w+)\t", labels)
    in_transcript = re.findall(r"^(Ses\w+_[FM]\d{3}) ", transcript, re.MULTILINE)
    assert in_labels != in_transcript
    assert sorted(in_labels) == sorted(in_transcript)


def test_transcripts_hold_tags_and_colons():
    transcripts = [transcript(plan, 0) for plan in plans()]
    assert any("[LAUGHTER]" in transcript for transcript in transcripts)
    assert any(": " in transcript for transcript in transcripts)


def test_sentences_have_2_to_12_words_of_a_vocabulary_of_200_to_300():
    sentences = [re.sub(r"\[.*?\]|[.:?!]", "", transcript(plan, 0)).split() for plan in plans()]
    lengths = [len(sentence) for sentence in sentences]
    assert min(lengths) == 2
    assert max(lengths) <= 12
    assert 200 <= len({word.lower() for sentence in sentences for word in sentence}) <= 300


def test_scripted_lines_repeat_across_sessions_and_improvised_ones_hardly():
    speakers = {"script": collections.defaultdict(set), "impro": collections.defaultdict(set)}
    for plan in plans():
        words = re.sub(r"\[.*?\]|[.:?!]", "", transcript(plan, 0)).lower().strip()
        if len(words.split()) >= 6:
            speakers["script" if "script" in plan.dialog else "impro"][words].add(plan.session)
    repeated = {kind: sum(len(sessions) > 1 for sessions in said.values()) for kind, said in speakers.items()}
    assert repeated["script"] > 20
    assert repeated["impro"] < 5


def test_ten_speakers_in_five_sessions_have_every_emotion():
    emotions = collections.defaultdict(set)
    for plan in plans():
        emotions[f"Ses0{plan.session}{plan.gender}"].add(plan.emotion)
    assert len(emotions) == 10
    for shown in emotions.values():
        assert {"neutral", "happiness", "excitement", "sadness", "anger"} <= shown


def test_the_emotions_have_iemocaps_proportions():
    counts = collections.Counter(plan.emotion for plan in plans())
    # IEMOCAP: 1708, 595 + 1041, 1084 and 1103 of 5531, that is 371, 355, 235 and 239 of 1200.
    assert counts["neutral"] == pytest.approx(371, abs=15)
    assert counts["happiness"] + counts["excitement"] == pytest.approx(355, abs=15)
    assert counts["sadness"] == pytest.approx(235, abs=15)
    assert counts["anger"] == pytest.approx(239, abs=15)
    # 3 % on top, of labels that the default emotions leave out.
    others = counts["frustration"] + counts["undecided"]
    assert sum(counts.values()) - others == 1200
    assert others == pytest.approx(36, abs=3)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 1.0])
def test_the_share_of_conflicts_is_the_one_asked_for(rate):
    drawn = plans(conflict_rate=rate)
    conflicts = sum(plan.audio_emotion != plan.text_emotion for plan in drawn)
    # Four binomial standard deviations: exactly none at 0, and all at 1.
    assert abs(conflicts - rate * len(drawn)) <= 4 * math.sqrt(len(drawn) * rate * (1 - rate))


def test_a_conflict_is_in_voice_or_words_and_the_label_stays_with_the_other():
    conflicts = [p for p in plans(conflict_rate=1.0) if p.emotion not in ("frustration", "undecided")]
    in_audio = [plan for plan in conflicts if plan.audio_emotion != plan.emotion]
    in_text = [plan for plan in conflicts if plan.text_emotion != plan.emotion]
    assert len(in_audio) + len(in_text) == len(conflicts) == 1200
    assert abs(len(in_audio) - 600) <= 4 * math.sqrt(1200 / 4)  # half and half
    # Excitement counts as happiness: neither conflicts with the other.
    assert all("happiness" not in (p.audio_emotion, p.text_emotion) for p in conflicts if p.emotion == "excitement")


def test_a_higher_conflict_rate_keeps_the_conflicts_of_a_lower_one():
    def conflicting(rate):
        return {plan.id for plan in plans(conflict_rate=rate) if plan.audio_emotion != plan.text_emotion}

    assert conflicting(0.1) < conflicting(0.4)


def test_an_incomplete_corpus_is_written_anew(small, tmp_path, monkeypatch):
    root, _ = small
    write_dialog = synthetic.write_dialog
    written = []

    def fails_at_the_third(*arguments):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(arguments)
        write_dialog(*arguments)

    monkeypatch.setattr(synthetic, "write_dialog", fails_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        synthetic.read(tmp_path, seed=1, utterances=SMALL)
    assert not (tmp_path / "synthetic.json").exists()
    assert (tmp_path / "synthetic.partial").exists()
    monkeypatch.undo()
    synthetic.read(tmp_path, seed=1, utterances=SMALL)
    assert contents(tmp_path) == contents(root)


def test_other_parameters_replace_the_corpus_wholly(small, tmp_path):
    root, _ = small
    synthetic.read(tmp_path, seed=2, utterances=SMALL + 10)
    synthetic.read(tmp_path, seed=1, utterances=SMALL)
    assert contents(tmp_path) == contents(root)


def test_a_corpus_that_lost_a_file_is_written_anew(small, tmp_path):
    root, _ = small
    lost = synthetic.read(tmp_path, seed=1, utterances=SMALL).utterances[7].audio
    lost.unlink()
    synthetic.read(tmp_path, seed=1, utterances=SMALL)
    assert contents(tmp_path) == contents(root)


def test_a_folder_that_is_not_ours_is_refused_and_left_alone(tmp_path):
    (tmp_path / "Session1").mkdir()
    (tmp_path / "Session1" / "thesis.txt").write_text("three years of work")
    with pytest.raises(TfcrError, match="holds 'Session1' and no synthetic corpus; expected an empty folder"):
        synthetic.read(tmp_path, utterances=SMALL)
    assert contents(tmp_path) == {"Session1/thesis.txt": b"three years of work"}


def test_what_a_killed_first_write_leaves_is_no_foreign_file(small, tmp_path):
    root, _ = small
    (tmp_path / ".lock").write_text("")
    (tmp_path / ".synthetic.partial.x1y2.tmp").write_text("The synth")
    synthetic.read(tmp_path, seed=1, utterances=SMALL)
    assert contents(tmp_path) == contents(root)


def test_a_full_disk_is_one_line_that_names_the_folder(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(synthetic, "write_dialog", full)
    with pytest.raises(TfcrError) as raised:
        synthetic.read(tmp_path, utterances=SMALL)
    assert str(raised.value) == (
        f"{tmp_path.parent} cannot take {tmp_path.name} (No space left on device); "
        "make room, and the same command goes on"
    )


def test_a_root_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TfcrError, match="is a file; expected a folder"):
        synthetic.read(tmp_path / "file")


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"conflict_rate": 1.5}, "conflict_rate is 1.5; expected a number from 0 to 1"),
        ({"conflict_rate": -0.1}, "conflict_rate is -0.1; expected a number from 0 to 1"),
        ({"conflict_rate": math.nan}, "conflict_rate is nan; expected a number from 0 to 1"),
        ({"utterances": 39}, "utterances is 39; expected an integer from 40"),
        ({"seed": -1}, "seed is -1; expected an integer from 0"),
    ],
)
def test_parameters_outside_their_range_are_wrong_usage(tmp_path, parameters, complaint):
    with pytest.raises(UsageError) as raised:
        synthetic.read(tmp_path, **parameters)
    assert str(raised.value) == complaint
    assert not list(tmp_path.iterdir())
