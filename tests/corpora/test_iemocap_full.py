"""IEMOCAP at its full size: every count of the release, and what is said when something is missing."""

import collections
import contextlib
import os
import pathlib
import re
import shutil
from dataclasses import replace

import iemocap_tree as made_up
import numpy as np
import pytest

from tfcr import schema
from tfcr.cli import main
from tfcr.corpora import Corpus, iemocap, layout
from tfcr.corpora.utterance import Utterance
from tfcr.errors import TfcrError
from tfcr.features.words import split_words
from tfcr.protocols import Labelled, Split, num_folds, split, subsets

# The counts of the release, session by session: all, neutral, happiness, sadness, anger; speakers F and M.
TABLE = """
| 1 | 1085 | 384 | 278 | 194 | 229 | 528 | 557 |
| 2 | 1023 | 362 | 327 | 197 | 137 | 481 | 542 |
| 3 | 1151 | 320 | 286 | 305 | 240 | 522 | 629 |
| 4 | 1031 | 258 | 303 | 143 | 327 | 528 | 503 |
| 5 | 1241 | 384 | 442 | 245 | 170 | 590 | 651 |
"""
ID = re.compile(r"Ses0[1-5][FM]_(impro0[1-8][ab]?|script0[1-3]_[1-3]b?)_[FM]\d{3}")


@pytest.fixture(scope="module")
def corpus(iemocap_tree) -> Corpus:
    return iemocap.read(iemocap_tree)


@pytest.fixture(scope="module")
def chosen(corpus) -> list[Utterance]:
    """The four classes after merging, sorted by id."""
    merged = [replace(one, emotion=schema.MERGE.get(one.emotion, one.emotion)) for one in corpus.utterances]
    return [one for one in merged if one.emotion in schema.EMOTIONS]


@pytest.fixture(scope="module")
def labelled(chosen) -> Labelled:
    return Labelled(
        [one.id for one in chosen],
        [schema.EMOTIONS.index(one.emotion) for one in chosen],
        [one.speaker for one in chosen],
        [one.session for one in chosen],
        [one.script for one in chosen],
    )


@pytest.fixture(scope="module")
def broken_tree(iemocap_tree, tmp_path_factory) -> pathlib.Path:
    """A copy by hard links, to take files away from."""
    return shutil.copytree(iemocap_tree, tmp_path_factory.mktemp("broken") / "release", copy_function=os.link)


@contextlib.contextmanager
def taken_away(path: pathlib.Path, instead: bytes | None = None):
    """The file or folder is gone, or has another content, and comes back."""
    aside = path.parent / f"{path.name}.aside"
    path.rename(aside)
    if instead is not None:
        path.write_bytes(instead)
    try:
        yield path
    finally:
        if instead is not None:
            path.unlink()
        aside.rename(path)


def error(root: pathlib.Path) -> str:
    """What is wrong with a release, in one line."""
    with pytest.raises(TfcrError) as raised:
        iemocap.read(root)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# ---- what the release holds -----------------------------------------------------------------------------------------


def test_there_are_151_dialogs_and_10039_labels(corpus):
    assert len(corpus.utterances) == 10_039
    assert len({one.audio.parent for one in corpus.utterances}) == 151
    assert all(ID.fullmatch(one.id) for one in corpus.utterances)
    assert collections.Counter(one.emotion for one in corpus.utterances) == {
        "neutral": 1708, "happiness": 595, "excitement": 1041, "sadness": 1084, "anger": 1103, "frustration": 1849,
        "fear": 40, "surprise": 107, "disgust": 2, "other": 3, "undecided": 2507,
    }  # fmt: skip


def test_the_counts_per_session_emotion_and_speaker_are_the_releases(chosen):
    assert len(chosen) == 5531
    table = "\n"
    for session in "12345":
        here = [one for one in chosen if one.session == session]
        emotions = collections.Counter(one.emotion for one in here)
        speakers = collections.Counter(one.speaker for one in here)
        counts = [emotions[emotion] for emotion in ("neutral", "happiness", "sadness", "anger")]
        counts += [speakers[f"Ses0{session}{letter}"] for letter in "FM"]
        table += "| " + " | ".join(map(str, (session, len(here), *counts))) + " |\n"
    assert table == TABLE


def test_there_are_ten_speakers_and_half_the_time_the_other_one_wears_the_markers(chosen):
    assert sorted({one.speaker for one in chosen}) == [
        f"Ses0{session}{letter}" for session in "12345" for letter in "FM"
    ]
    assert all(one.speaker == one.id[:5] + one.id[-4] for one in chosen)
    assert sum(one.speaker != one.id[:6] for one in chosen) == 2750


def test_seven_portions_of_scripts_go_over_all_sessions_and_every_improvised_dialog_is_its_own(chosen):
    scripted = [one for one in chosen if one.script.startswith("script")]
    improvised = [one for one in chosen if not one.script.startswith("script")]
    assert (len(improvised), len(scripted)) == (2943, 2588)
    assert sorted({one.script for one in scripted}) == [
        "script01_1", "script01_2", "script01_3", "script02_1", "script02_2", "script03_1", "script03_2",
    ]  # fmt: skip
    for script in {one.script for one in scripted}:
        assert {one.session for one in scripted if one.script == script} == set("12345")
    assert {one.script for one in improvised} == {one.id[:-5] for one in improvised}
    assert len({one.script for one in improvised}) == 80  # 14 + 16 + 18 + 16 + 16


def test_odd_dialogs_have_their_174_utterances(chosen):
    odd = [one for one in chosen if one.id[:-5] in made_up.ODD_DIALOGS]
    assert len(odd) == 174
    assert {one.script for one in odd if one.session == "5"} == {"script01_1"}
    assert {one.script for one in odd if one.session == "3"} == {
        f"Ses03M_impro0{part}" for part in ("5a", "5b", "8a", "8b")
    }
    assert all(one.audio.parent.name == one.id[:-5] for one in odd)


def test_every_utterance_has_its_own_words(iemocap_tree, chosen):
    words = [len(split_words(one.transcript)) for one in chosen]
    assert max(words) == 113
    assert round(np.mean(words), 1) == 14.0
    said = {}
    for path in sorted(iemocap_tree.glob("Session*/dialog/transcriptions/Ses*.txt")):
        for line in layout.decoded_by_line(path.read_bytes())[0].splitlines():
            id, _, text = line.partition(" [")
            said[id] = text.partition("]: ")[2]
    assert all(one.transcript == said[one.id] for one in chosen)
    assert any("]: " in one.transcript for one in chosen)


def test_stray_bytes_are_the_only_notes(iemocap_tree, corpus):
    assert sorted(note.split(" holds bytes that are not UTF-8")[0] for note in corpus.notes) == sorted(
        str(iemocap_tree / f"Session{dialog[4]}" / "dialog" / folder / f"{dialog}.txt")
        for dialog, folder in made_up.STRAY_BYTES.items()
    )


@pytest.fixture(scope="module")
def turns() -> list[made_up.Turn]:
    return made_up.turns()


def test_the_made_up_durations_are_the_releases(turns):
    seconds = [turn.seconds for turn in turns if turn.code in made_up.FOUR_CLASSES]
    assert round(sum(seconds) / 3600, 2) == 6.99
    assert round(np.mean(seconds), 2) == 4.55
    assert (min(seconds), max(seconds)) == (made_up.SHORTEST, made_up.LONGEST)


def test_the_tree_depends_on_its_seed_alone(turns):
    assert made_up.turns(0) == turns != made_up.turns(1)


# ---- protocols on these counts --------------------------------------------------------------------------------------


def folds(protocol: str, labelled: Labelled, fold_seed: int = 0) -> list[Split]:
    return [split(protocol, fold, labelled, fold_seed) for fold in range(num_folds(protocol, labelled))]


def parts(fold: Split):
    return fold.train, fold.validation, fold.test


def groups(values, part) -> set:
    return set(np.asarray(values)[part])


def test_the_published_split_has_the_published_sizes_and_positions(labelled):
    fold = split("authors", 0, labelled)
    assert tuple(map(len, parts(fold))) == (3981, 443, 1107)
    assert fold.test.tolist() == list(range(0, 5531, 5))
    others = [position for position in range(5531) if position % 5]
    assert fold.validation.tolist() == others[::10]
    assert labelled.ids == sorted(labelled.ids)


@pytest.mark.parametrize("fold_seed", range(2))
def test_every_emotion_is_in_every_part_of_protocol_script_and_no_script_in_two(labelled, fold_seed):
    for fold in folds("script", labelled, fold_seed):
        for part in parts(fold):
            assert groups(labelled.labels, part) == {0, 1, 2, 3}
        scripts = [groups(labelled.scripts, part) for part in parts(fold)]
        assert sum(map(len, scripts)) == len(set.union(*scripts)) == 87  # 7 portions and 80 improvised dialogs


def test_leaving_a_speaker_out_the_partner_of_the_session_validates(labelled):
    drawn = folds("speaker", labelled)
    assert len(drawn) == 10
    for fold in drawn:
        (tested,), (validating,) = groups(labelled.speakers, fold.test), groups(labelled.speakers, fold.validation)
        assert (tested[:-1], {tested[-1], validating[-1]}) == (validating[:-1], {"F", "M"})
        assert len(groups(labelled.speakers, fold.train) - {tested, validating}) == 8
        assert len(fold.train) + len(fold.validation) + len(fold.test) == 5531


def test_leaving_a_session_out_its_counts_are_the_releases(labelled):
    assert [len(fold.test) for fold in folds("session", labelled)] == [1085, 1023, 1151, 1031, 1241]
    for fold in folds("session", labelled):
        sessions = [groups(labelled.sessions, part) for part in parts(fold)]
        assert list(map(len, sessions)) == [3, 1, 1]
        assert len(set.union(*sessions)) == 5
        assert not groups(labelled.speakers, fold.test) & groups(labelled.speakers, fold.train)


def test_random_folds_have_553_or_554_utterances(labelled):
    assert collections.Counter(len(fold.test) for fold in folds("random", labelled)) == {553: 9, 554: 1}


# ---- what is missing ------------------------------------------------------------------------------------------------


def test_one_missing_recording_is_named(broken_tree):
    wav = sorted((broken_tree / "Session3" / "sentences" / "wav" / "Ses03M_impro05a").glob("Ses*.wav"))[4]
    with taken_away(wav):
        assert error(broken_tree) == (
            f"IEMOCAP at {broken_tree}: 1 of 10039 labelled utterances has no recording; "
            f"the first is {wav.stem}, expected at {wav}. Is the copy complete? (--allow-partial to go on)"
        )


def test_a_missing_transcript_is_named(broken_tree):
    folder = broken_tree / "Session5" / "dialog" / "transcriptions"
    missing = len(list((broken_tree / "Session5" / "sentences" / "wav" / "Ses05M_script01_1b").glob("Ses*.wav")))
    with taken_away(folder / "Ses05M_script01_1b.txt") as path:
        assert error(broken_tree) == (
            f"IEMOCAP at {broken_tree}: {missing} labelled utterances have no transcript; "
            f"the first is Ses05M_script01_1b_F000, expected in {path}, which does not exist. "
            "Is the copy complete? (--allow-partial to go on)"
        )


def test_missing_labels_of_a_dialog_are_named(broken_tree):
    with taken_away(broken_tree / "Session2" / "dialog" / "EmoEvaluation" / "Ses02M_script03_2.txt") as path:
        assert error(broken_tree) == (
            f"IEMOCAP at {broken_tree}: 1 dialog has a transcript and no labels; "
            f"the first is Ses02M_script03_2, expected in {path}. Is the copy complete? (--allow-partial to go on)"
        )


def test_a_missing_session_is_named_with_its_amount(broken_tree):
    with taken_away(broken_tree / "Session3"):
        # 5531 - 1151 = 4380
        assert error(broken_tree) == (
            f"IEMOCAP at {broken_tree}: expected 5531 utterances of the four classes, found 4380; "
            "Session3 has 0 of 1151. Is the release complete? (--allow-partial to go on)"
        )
        corpus = iemocap.read(broken_tree, allow_partial=True)
    assert corpus.notes[-1] == (
        f"IEMOCAP at {broken_tree} is partial: expected 5531 utterances of the four classes, found 4380; "
        "Session3 has 0 of 1151."
    )
    assert {one.session for one in corpus.utterances} == set("1245")


def test_sessions_that_differ_are_all_named(broken_tree):
    labels = broken_tree / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    changed = labels.read_bytes().replace(b"\tneu\t", b"\tfru\t", 1).replace(b"\tneu\t", b"\tsad\t", 1)
    with taken_away(labels, changed), taken_away(broken_tree / "Session5"):
        # 5531 - 1241 - 1 = 4289
        assert "found 4289; Session1 has 1084 of 1085; Session5 has 0 of 1241. Is" in error(broken_tree)


def test_apple_double_files_without_their_recordings_do_not_count(broken_tree):
    wav = broken_tree / "Session1" / "sentences" / "wav" / "Ses01F_impro01"
    (double,) = wav.glob("._*.wav")
    recording = wav / double.name.removeprefix("._")
    with taken_away(recording):
        assert f"1 of 10039 labelled utterances has no recording; the first is {recording.stem}" in error(broken_tree)


def test_an_empty_recording_is_one_line(broken_tree, tensorflow, tmp_path, capsys):
    wav = next(one.audio for one in iemocap.read(broken_tree).utterances if one.emotion == "anger")
    out = tmp_path / "data"
    with taken_away(wav, b""), pytest.raises(SystemExit) as ended:
        main(["prepare-tfrecords", "--corpus", "iemocap", "--root", str(broken_tree), "--out", str(out)])
    assert ended.value.code == 1
    (error,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("Error"))
    assert f"1 of 10039 labelled utterances has an empty recording (0 bytes); the first is {wav}; copy" in error
    assert not out.exists()


# ---- all of it ------------------------------------------------------------------------------------------------------


@pytest.mark.full
def test_the_whole_corpus_is_prepared(iemocap_tree, tensorflow, tmp_path, capsys):
    out = tmp_path / "data"
    with pytest.raises(SystemExit) as ended:
        main(["prepare-tfrecords", "--corpus", "iemocap", "--root", str(iemocap_tree), "--out", str(out)])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert "5531 utterances" in lines[1]
    table = [re.sub(" +", " ", line) for line in lines if re.match(r"\| [1-5] ", line)]
    assert "\n".join(["", *table, ""]) == TABLE


def test_improvised_speech_has_2943_utterances(labelled):
    improvised = labelled.at(subsets.positions_of("improvised", labelled))
    counts = collections.Counter(schema.EMOTIONS[label] for label in improvised.labels)
    assert counts == {"neutral": 1099, "happiness": 947, "sadness": 608, "anger": 289}
    assert len(improvised.ids) == 2943
    assert len(subsets.positions_of("scripted", labelled)) == 5531 - 2943
    for fold in folds("random", improvised):
        assert len(fold.test) in (294, 295)
