"""MELD's tables and folders, on a miniature typed out here, and what is said about each way to get them wrong."""

from collections import Counter

import pytest

from tfcr import protocols
from tfcr.corpora import meld, read
from tfcr.errors import TfcrError

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
TIMES = '8,21,"00:16:16,059","00:16:21,731"\n'
FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
TABLES = {
    "train": HEADER
    + f"1,You must\x92ve had your hands full.,The Interviewer,neutral,neutral,0,0,{TIMES}"
    + f'2,"Well, that\u2019s it!",Chandler,joy,positive,0,1,{TIMES}',
    "dev": HEADER + f'1,"Well, that\'s it!",Chandler,anger,negative,0,0,{TIMES}',
    "test": HEADER + f"1,...,Phoebe,surprise,positive,0,0,{TIMES}",
}


def add_recordings(folder, *stems, suffix=".wav"):
    folder.mkdir(parents=True, exist_ok=True)
    for stem in stems:
        (folder / f"{stem}{suffix}").write_bytes(b"")


@pytest.fixture
def release(tmp_path):
    for split, table in TABLES.items():
        (tmp_path / f"{split}_sent_emo.csv").write_text(table, encoding="utf-8")
        add_recordings(tmp_path / FOLDERS[split], "dia0_utt0")
    add_recordings(tmp_path / "train_splits", "dia0_utt1")
    return tmp_path


def message(root, **options) -> str:
    with pytest.raises(TfcrError) as raised:
        meld.read(root, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def by_id(corpus):
    return {utterance.id: utterance for utterance in corpus.utterances}


def append(root, split, row):
    path = root / f"{split}_sent_emo.csv"
    path.write_text(path.read_text(encoding="utf-8") + row, encoding="utf-8")


def test_a_row_becomes_an_utterance_of_its_split(release):
    utterance = by_id(meld.read(release))["train_dia0_utt1"]
    assert utterance.audio == release / "train_splits" / "dia0_utt1.wav"
    assert utterance.transcript == "Well, that's it!"
    assert (utterance.speaker, utterance.emotion) == ("Chandler", "happiness")
    assert (utterance.session, utterance.script) == ("", "well that s it")


def test_ids_are_unique_over_the_splits_which_all_begin_at_0(release):
    assert list(by_id(meld.read(release))) == [
        "dev_dia0_utt0",
        "test_dia0_utt0",
        "train_dia0_utt0",
        "train_dia0_utt1",
    ]


def test_the_same_words_are_one_script_and_no_words_are_one_of_their_own(release):
    found = by_id(meld.read(release))
    assert found["train_dia0_utt1"].script == found["dev_dia0_utt0"].script
    assert found["test_dia0_utt0"].script == "test_dia0_utt0"


def test_it_is_the_corpus_called_meld(release):
    assert read("meld", release) == meld.read(release)


@pytest.mark.parametrize(
    ("garbled", "meant"),
    [
        ("must\x92ve", "must've"),  # Windows-1252 read as Latin-1
        ("he\u2019s", "he's"),
        ("heâ€™s", "he's"),  # UTF-8 read as Windows-1252
        ("he\u00e2\u0080\u0099s", "he's"),  # UTF-8 read as Latin-1
        ("\x93Wow\x94", '"Wow"'),
        ("\u201cWow\u201d", '"Wow"'),
        ("to\x97you-you", "to - you-you"),
        ("Wait\u2014No", "Wait - No"),
        ("Ah\x85 yes", "Ah... yes"),
        ("fiancÃ©", "fiancé"),
        ("fiancé", "fiancé"),
        ("a\u00a0 b\x81", "a b"),  # 0x81 is nothing in Windows-1252
        ("naïve café", "naïve café"),
        ("Hm\a.\t \x7f\x1fNo", "Hm. No"),
        ("Oh, that?s it! I DON?T. You?re", "Oh, that's it! I DON'T. You're"),  # an apostrophe that was lost
        ("It\ufffds five o?clock, y?know, ma?am", "It's five o'clock, y'know, ma'am"),
        ("Really?I mean what?So? Who?s that?", "Really?I mean what?So? Who's that?"),  # questions stay
        ("Really?All of you? Okay?Know what? Music?Mon dieu!", "Really?All of you? Okay?Know what? Music?Mon dieu!"),
        ("D?you know, y?all? C?mon!", "D'you know, y'all? C'mon!"),
        ("Is that you?", "Is that you?"),
    ],
)
def test_quotation_marks_and_garbled_letters_become_plain(garbled, meant):
    assert meld.plain(garbled) == meant
    assert meld.plain(meld.plain(garbled)) == meant


def test_a_table_in_windows_1252_is_read_with_a_note(release):
    path = release / "train_sent_emo.csv"
    path.write_bytes((HEADER + f"1,You must\u2019ve.,Chandler,joy,positive,0,0,{TIMES}").encode("cp1252"))
    corpus = meld.read(release)
    assert by_id(corpus)["train_dia0_utt0"].transcript == "You must've."
    assert f"{path} is not UTF-8 (byte 0x92 in line 2); it was read as cp1252." in corpus.notes


@pytest.mark.parametrize(
    "places",
    [
        {split: (split, f"{split}/{folder}") for split, folder in FOLDERS.items()},  # as the archives unpack
        {split: (".", split) for split in FOLDERS},
        {split: (split, split) for split in FOLDERS},
        {split: ("MELD.Raw", f"MELD.Raw/{folder}") for split, folder in FOLDERS.items()},
        {split: ("data/MELD", folder) for split, folder in FOLDERS.items()},  # as the authors' repository
    ],
    ids=["folder in folder", "folder of the split", "beside the table", "MELD.Raw", "repository"],
)
def test_tables_and_recordings_may_lie_elsewhere(tmp_path, places):
    for split, (table, recordings) in places.items():
        (tmp_path / table).mkdir(parents=True, exist_ok=True)
        (tmp_path / table / f"{split}_sent_emo.csv").write_text(TABLES[split], encoding="utf-8")
        add_recordings(tmp_path / recordings, "dia0_utt0", "dia0_utt1")
    assert len(meld.read(tmp_path).utterances) == 4


def test_other_formats_are_found_and_wav_comes_first(release):
    (release / "dev_splits_complete" / "dia0_utt0.wav").unlink()
    add_recordings(release / "dev_splits_complete", "dia0_utt0", suffix=".mp3")
    add_recordings(release / "train_splits", "dia0_utt0", suffix=".flac")
    found = by_id(meld.read(release))
    assert found["dev_dia0_utt0"].audio.suffix == ".mp3"
    assert found["train_dia0_utt0"].audio.suffix == ".wav"


def test_clips_without_a_row_and_hidden_files_are_passed_over(release):
    before = meld.read(release)
    add_recordings(release / FOLDERS["test"], "final_videos_testdia77_utt0", "._dia0_utt0", "dia66_utt9")
    assert meld.read(release) == before


@pytest.mark.parametrize("suffix", [".wav", ".mp4"])
def test_clips_of_another_version_are_counted_and_the_plain_name_is_read(release, suffix):
    before = meld.read(release)
    (release / FOLDERS["test"] / f"final_videos_testdia0_utt0{suffix}").write_bytes(b"another")
    found = meld.read(release)
    assert found.utterances == before.utterances
    [note] = [note for note in found.notes if note not in before.notes]
    assert note.startswith("MELD: 1 recording has another version beside it, named final_videos_test…")
    assert note.endswith("The first is final_videos_testdia0_utt0, beside dia0_utt0.wav.")


def test_the_number_of_rows_is_compared_with_the_release(release):
    assert f"{release / 'train_sent_emo.csv'} has 2 utterances; the release has 9989." in meld.read(release).notes


def test_the_two_utterances_without_a_clip_are_left_out_with_a_note(release):
    append(release, "train", f"3,Hm.,Ross,neutral,neutral,125,3,{TIMES}")
    append(release, "dev", f"2,Hm.,Phoebe,neutral,neutral,110,7,{TIMES}")
    missing = meld.read(release)
    # What an extraction of the corrupt clip leaves is no recording either.
    add_recordings(release / "train_splits", "dia125_utt3")
    for corpus in missing, meld.read(release):
        assert len(corpus.utterances) == 4
        assert "MELD: the release has no sound of train_dia125_utt3; left out." in corpus.notes
        assert "MELD: the release has no sound of dev_dia110_utt7; left out." in corpus.notes


def test_missing_recordings_are_counted_and_the_first_is_named(release):
    (release / "train_splits" / "dia0_utt1.wav").unlink()
    (release / "dev_splits_complete" / "dia0_utt0.wav").unlink()
    problem = (
        f"MELD at {release}: 2 of 4 labelled utterances have no recording; "
        f"the first is train_dia0_utt1, expected at {release / 'train_splits' / 'dia0_utt1.wav'}"
    )
    assert message(release) == f"{problem}. Is the copy complete? (--allow-partial to go on)"
    corpus = meld.read(release, allow_partial=True)
    assert list(by_id(corpus)) == ["test_dia0_utt0", "train_dia0_utt0"]
    assert f"{problem}; left out." in corpus.notes


def test_clips_without_extracted_sound_give_the_command_to_extract_it(release):
    for folder in FOLDERS.values():
        for path in (release / folder).glob("*.wav"):
            path.rename(path.with_suffix(".mp4"))
    said = message(release)
    assert "4 of 4 labelled utterances have no recording" in said
    clips = " ".join(f"{release / folder}/dia*.mp4" for folder in FOLDERS.values())
    assert (
        f'Of 4 the clip is there; extract the sound by `for clip in {clips}; do ffmpeg -nostdin -n -i "$clip" '
        '-vn -ac 1 -ar 16000 "${clip%.mp4}.wav"; done`'
    ) in said
    assert "4 of 4 labelled utterances" in message(release, allow_partial=True)  # nothing to go on with


def test_a_missing_table_is_named(release):
    (release / "dev_sent_emo.csv").unlink()
    assert message(release) == (
        f"MELD at {release}: there is no dev_sent_emo.csv. Is the copy complete? (--allow-partial to go on)"
    )
    assert len(meld.read(release, allow_partial=True).utterances) == 3


def test_a_root_that_is_something_else_is_one_clear_line(tmp_path):
    assert f"MELD: {tmp_path / 'nowhere'} does not exist; expected train_sent_emo.csv" in message(tmp_path / "nowhere")
    assert f"MELD: {tmp_path} holds none of the tables; expected train_sent_emo.csv" in message(tmp_path)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (f"3,Hm.,Ross,bliss,positive,1,0,{TIMES}", "line 4: Emotion is 'bliss'; expected one of neutral, joy,"),
        (f"3,Hm.,Ross,joy,positive,one,0,{TIMES}", "line 4: Dialogue_ID is 'one'; expected a number"),
        (f"3,Hm.,Ross,joy,positive,1,,{TIMES}", "line 4: Utterance_ID is ''; expected a number"),
        (f"3,Hm., ,joy,positive,1,0,{TIMES}", "line 4: Speaker is empty"),
        (f"3,Hm.,Ross,joy,positive,0,1,{TIMES}", "line 4: train_dia0_utt1 stands in line 3 already"),
        ("3,Hm.,Ross,joy,pos", "line 4: 5 values for 11 columns; is the file cut short or edited? Copy it again"),
        ('3,"Hm.,Ross,joy', "line 4: not CSV"),
        ("3,Hm.\0", "line 4: holds NUL bytes"),
    ],
)
def test_a_broken_row_names_table_and_line(release, row, complaint):
    append(release, "train", row)
    assert f"{release / 'train_sent_emo.csv'}, {complaint}" in message(release)


def test_a_table_of_other_columns_or_none_is_named(release):
    path = release / "train_sent_emo.csv"
    path.write_text(HEADER.replace("Speaker", "Who"))
    assert f"{path}, line 1: column 'Speaker' is missing; expected Utterance, Speaker," in message(release)
    path.write_text("")
    assert f"{path} is empty; expected a CSV file with the columns Utterance, Speaker," in message(release)


def test_lost_apostrophes_are_noted_with_their_number(release):
    append(release, "dev", f"2,Who?s there? I can?t see.,Ross,fear,negative,1,0,{TIMES}")
    add_recordings(release / FOLDERS["dev"], "dia1_utt0")
    corpus = meld.read(release)
    assert by_id(corpus)["dev_dia1_utt0"].transcript == "Who's there? I can't see."
    table = release / "dev_sent_emo.csv"
    expected = (
        f"{table}: 2 apostrophes that were question marks are put back; the first: \"Who's there? I can't see.\"."
    )
    assert expected in corpus.notes


def test_names_that_differ_in_case_and_punctuation_alone_are_one_speaker(release):
    for number, name in enumerate(("Phoebe Sr", "Phoebe Sr.", "Phoebe Sr.", "Ross", "ROSS", "Rachel")):
        append(release, "dev", f"2,Hm.,{name},fear,negative,1,{number},{TIMES}")
    add_recordings(release / FOLDERS["dev"], *(f"dia1_utt{number}" for number in range(6)))
    corpus = meld.read(release)
    speakers = [by_id(corpus)[f"dev_dia1_utt{number}"].speaker for number in range(6)]
    # Phoebe Sr. stands twice; of ROSS and Ross, once each, the first by letters
    assert speakers == ["Phoebe Sr."] * 3 + ["ROSS"] * 2 + ["Rachel"]
    expected = (
        "MELD: 2 speakers have names in several spellings, which became one: "
        "'Phoebe Sr' and 'Phoebe Sr.'; 'ROSS' and 'Ross'."
    )
    assert expected in corpus.notes


# Utterances of each emotion in the release.
RELEASE = {
    "train": {
        "neutral": 4710,
        "joy": 1743,
        "sadness": 683,
        "anger": 1109,
        "surprise": 1205,
        "fear": 268,
        "disgust": 271,
    },
    "dev": {"neutral": 470, "joy": 163, "sadness": 111, "anger": 153, "surprise": 150, "fear": 40, "disgust": 22},
    "test": {"neutral": 1256, "joy": 402, "sadness": 208, "anger": 345, "surprise": 281, "fear": 50, "disgust": 68},
}


@pytest.fixture(scope="module")
def whole_release(tmp_path_factory):
    """A tree of the release's size and counts; who says what is made up, and recordings are empty."""
    root = tmp_path_factory.mktemp("meld")
    for split, counts in RELEASE.items():
        words = [word for word, count in counts.items() for _ in range(count)]
        places = [divmod(number, 10) for number in range(len(words))]
        rows = (
            f"{number},Hm.,Ross,{word},neutral,{dialogue},{utterance},{TIMES}"
            for number, (word, (dialogue, utterance)) in enumerate(zip(words, places, strict=True), start=1)
        )
        (root / f"{split}_sent_emo.csv").write_text(HEADER + "".join(rows), encoding="utf-8")
        there = [f"{split}_dia{dialogue}_utt{utterance}" for dialogue, utterance in places]
        stems = (id.removeprefix(f"{split}_") for id in there if id not in meld.WITHOUT_CLIP)
        add_recordings(root / FOLDERS[split], *stems)
    return root


def test_the_official_parts_are_the_releases(whole_release):
    utterances = meld.read(whole_release).utterances
    # The release has 9,989, 1,109 and 2,610 utterances; a clip of the first part and one of the second have no sound.
    assert Counter(each.part for each in utterances) == {"train": 9988, "validation": 1108, "test": 2610}
    name = {"train": "train", "validation": "dev", "test": "test"}
    assert all(each.id.startswith(f"{name[each.part]}_") for each in utterances)


def test_official_tests_the_test_part_and_trains_on_nothing_of_it(whole_release):
    utterances = meld.read(whole_release).utterances
    columns = {name: [getattr(each, name) for each in utterances] for name in ("id", "speaker", "session", "script")}
    labelled = protocols.Labelled(
        **{f"{name}s": values for name, values in columns.items()},
        labels=[0] * len(utterances),
        parts=[each.part for each in utterances],
    )
    fold = protocols.split("official", 0, labelled)
    ids = [{labelled.ids[position] for position in part} for part in (fold.train, fold.validation, fold.test)]
    assert sum(map(len, ids)) == len(set.union(*ids)) == len(utterances)
    assert {id.split("_")[0] for id in ids[2]} == {"test"} and not any(id.startswith("test") for id in ids[0] | ids[1])
