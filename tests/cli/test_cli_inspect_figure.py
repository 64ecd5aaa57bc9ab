"""What `tfcr inspect` tells of a dataset's durations, and the picture that it draws."""

import collections
import contextlib
import dataclasses
import errno
import io
import os
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from tfcr.cli import inspect
from tfcr.cli.tables import durations_table, print_table
from tfcr.dataset_info import Dataset, open_dataset
from tfcr.errors import TfcrError
from tfcr.report.figures.drawing import Drawing

Row = collections.namedtuple("Row", "emotion num_samples speaker", defaults=("s1",))


@pytest.fixture
def copied(small_dataset, tmp_path):
    """A copy of the small dataset that may be changed."""
    return shutil.copytree(small_dataset.folder, tmp_path / "small")


# ---- text -----------------------------------------------------------------------------------------------------------


def test_durations_stand_in_a_table():
    rows = [Row("calm", 16_000), Row("calm", 32_000), Row("calm", 96_000), Row("all", 8_000)]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        print_table(durations_table(rows, ["calm", "all"]))
    assert out.getvalue() == textwrap.dedent("""\
        | seconds | shortest | median | mean | longest |
        |---------|----------|--------|------|---------|
        | calm    |     1.00 |   2.00 | 3.00 |    6.00 |
        | all     |     0.50 |   0.50 | 0.50 |    0.50 |
        | all     |     0.50 |   1.50 | 2.38 |    6.00 |
    """)  # the mean of all: 9.5 s / 4; the last row is the table's own, whatever the emotions are called


@pytest.mark.parametrize(
    ("audio", "cut", "unit"),
    [
        ({}, "cut: 25.0 % of the utterances after 30 words", "segments"),
        # 999 frames of 256 samples, 128 apart: 998 x 128 + 256 = 128,000 samples, or 8 s; one more needs 128,128
        ({"frames_at_most": 999}, "cut: 25.0 % of the utterances after 30 words, 50.0 % after 8.00 s", "pictures"),
    ],
)
def test_cuts_and_padding_are_told(audio, cut, unit, capsys):
    Cut = collections.namedtuple("Cut", "num_tokens num_samples num_segments num_frames")
    rows = [Cut(30, 128_127, 1, 128), Cut(31, 128_128, 2, 160), Cut(0, 500_000, 1, 32), Cut(1, 9, 1, 64)]
    inspect.describe_cuts(collections.namedtuple("Stub", "index info")(rows, {"audio": audio}))
    # 5 segments of 128 frames are 640, of which 384 are real
    assert capsys.readouterr().out.splitlines() == [cut, f"padding: 40.0 % of the {unit}"]


def test_what_a_preset_makes_of_an_utterance_has_its_name(small_dataset, authors_dataset, capsys):
    inspect.describe_dataset(small_dataset)
    assert f"{small_dataset.info['segments']} segments" in capsys.readouterr().out
    inspect.describe_dataset(authors_dataset)
    assert "120 pictures" in capsys.readouterr().out  # one an utterance


def test_the_figure_says_what_a_column_of_the_authors_picture_is(authors_dataset, monkeypatch):
    drawn = []
    monkeypatch.setattr("tfcr.report.figures.dataset_figures.draw_dataset", lambda *arguments: drawn.append(arguments))
    inspect.draw(authors_dataset)
    assert drawn[0][3].endswith("in 1/Hz; mean over 8 frames, at most 8 s")


def test_notes_replaced_words_and_utterances_without_a_word_are_told(small_dataset, capsys):
    inspect.describe_dataset(small_dataset)
    told = capsys.readouterr().out
    assert "note: " not in told and "words: " not in told and "no word with a vector" not in told
    transcripts = {"source": "heard.csv", "sha256": "0"}
    info = small_dataset.info | {"notes": ["It is partial: so.", "Another."], "transcripts": transcripts}
    changed = Dataset(small_dataset.folder, info)
    first, *others = small_dataset.index
    changed.__dict__["index"] = [dataclasses.replace(first, num_tokens=0), *others]
    inspect.describe_dataset(changed)
    told = capsys.readouterr().out.splitlines()
    assert "words: heard.csv replaced 120 transcripts" in told
    assert "without words: 1 utterance has no word with a vector" in told
    assert told.index("note: It is partial: so.") + 1 == told.index("note: Another.")


# ---- which utterances -----------------------------------------------------------------------------------------------


def positions(rows, count=3, seed=0):
    from tfcr.data.examples import typical_positions

    return typical_positions(rows, ["calm"], count, seed)["calm"]


def test_examples_are_of_about_the_median_duration():
    rows = [Row("calm", samples, f"s{samples % 7}") for samples in range(100)]
    chosen = {seed: positions(rows, seed=seed) for seed in range(20)}
    # the quarter nearest to 49.5
    assert all(36 <= position <= 62 for found in chosen.values() for position in found)
    assert chosen[0] == positions(rows) and len(set(map(tuple, chosen.values()))) > 10


def test_examples_are_of_different_speakers_where_there_are_some():
    rows = [Row("calm", 1000 + number) for number in range(40)] + [Row("calm", 1, "s2"), Row("calm", 9000, "s3")]
    assert [rows[position].speaker for position in positions(rows)] == ["s1", "s2", "s3"]
    assert len(set(positions(rows[:40]))) == 3  # of one speaker


def test_an_emotion_of_few_utterances_shows_them_all():
    assert positions([Row("calm", 5), Row("fear", 5), Row("calm", 7)]) == [0, 2]


# ---- what is read ---------------------------------------------------------------------------------------------------


def test_the_pictures_are_the_records_without_padding(small_dataset):
    from tfcr.data.examples import typical_examples
    from tfcr.data.pipeline import Pipeline

    examples = typical_examples(small_dataset)
    assert list(examples) == small_dataset.emotions
    rows = {row.id: position for position, row in enumerate(small_dataset.index)}
    shown = {rows[one.id]: (emotion, one) for emotion, some in examples.items() for one in some}
    assert len(shown) == 3 * len(examples)
    pipeline = Pipeline(small_dataset, ["spectrogram"])
    read = zip(pipeline.in_record_order(list(shown)), pipeline.spectrograms(np.array(list(shown))), strict=True)
    for position, (segments, num_frames) in read:
        emotion, one = shown[position]
        row = small_dataset.index[position]
        assert (row.emotion, row.num_samples / 16_000) == (emotion, one.seconds)
        assert len(one.picture) == num_frames == row.num_frames
        np.testing.assert_array_equal(one.picture, segments.numpy().reshape(-1, 128)[:num_frames])
        assert one.transcript.split()


def test_a_shard_that_changed_after_it_was_verified_is_named(copied):
    from tfcr.data.examples import typical_examples

    dataset = open_dataset(copied)
    ((shown, *_), *_) = typical_examples(dataset).values()
    place = dataset.order.index([row.id for row in dataset.index].index(shown.id))
    shard = copied / f"small-{place * 8 // len(dataset.index):05d}-of-00008.tfrecord"  # 15 records each
    whole = shard.read_bytes()
    for broken in whole[:3], whole[: len(whole) // 100], whole[:12] + b"\xff" * (len(whole) - 12):
        shard.write_bytes(broken)
        with pytest.raises(TfcrError, match=shard.name):
            typical_examples(open_dataset(copied))


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_picture_lies_beside_the_shards_and_is_no_part_of_the_dataset(copied, small_corpus, tfcr):
    from tfcr.preparation.options import Preparation
    from tfcr.preparation.prepare import prepare

    before = open_dataset(copied)
    told = tfcr("inspect", copied)
    figure = copied / "inspection.png"
    assert (told.code, told.err) == (0, "")
    assert told.out.endswith(f"figure: {figure}\n")
    assert "| seconds " in told.out and "cut: 0.0 %" in told.out and "padding: " in told.out
    drawn = figure.read_bytes()
    assert drawn.startswith(b"\x89PNG")

    again = prepare(Preparation("synthetic", small_corpus, copied, "small", options={"utterances": 120}))
    assert (again.sha256, again.info) == (before.sha256, before.info)
    assert figure.read_bytes() == drawn


def test_a_file_of_ones_own_is_png_or_svg_by_its_name(small_dataset, tfcr, tmp_path, monkeypatch):
    before = set(small_dataset.folder.iterdir())
    monkeypatch.setattr(inspect, "draw", lambda dataset: Drawing("name", "title", svg=b"the svg", png=b"the png"))
    for name, content in ("new/a.svg", b"the svg"), ("a.PNG", b"the png"):
        told = tfcr("inspect", small_dataset.folder, "--figure", tmp_path / name)
        assert told.code == 0 and told.out.endswith(f"figure: {tmp_path / name}\n")
        assert (tmp_path / name).read_bytes() == content
    assert set(small_dataset.folder.iterdir()) - before <= {small_dataset.folder / ".verified.json"}


def test_without_a_figure_nothing_heavy_is_imported(copied):
    code = f"""if True:
        import sys
        from tfcr.cli import main
        try:
            main(["inspect", {str(copied)!r}, "--no-figure"])
        except SystemExit as ended:
            assert not ended.code
        assert not {{"tensorflow", "matplotlib", "keras"}} & set(sys.modules)
    """
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1].startswith("intact: ")
    assert not (copied / "inspection.png").exists()


def test_a_broken_or_missing_shard_is_one_line_and_no_figure(fails, copied):
    shard = copied / "small-00003-of-00008.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-1])
    assert f"{shard.name} has " in fails("inspect", copied, code=1)
    shard.unlink()
    assert f"{shard.name} is missing" in fails("inspect", copied, code=1)


@pytest.fixture
def read_only(monkeypatch):
    """No file can be made, as on a medium that is read-only; permissions would not stop root."""

    def refuse(path, *rest, **more):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr("tfcr.files.written_whole", refuse)


def test_a_read_only_dataset_is_inspected_without_a_figure(read_only, small_dataset, tfcr):
    told = tfcr("inspect", small_dataset.folder)
    assert told.code == 0 and told.out.splitlines()[-1].startswith("intact: ")
    assert told.err.startswith("no figure: ") and told.err.count("\n") == 1
    assert "Read-only file system" in told.err and "--figure" in told.err


def test_a_file_asked_for_that_cannot_be_written_is_an_error(read_only, small_dataset, fails):
    assert "Read-only file system" in fails("inspect", small_dataset.folder, "--figure", "a.png", code=1)


def test_wrong_usage(small_dataset, fails, tmp_path):
    dataset = small_dataset.folder
    assert "contradict" in fails("inspect", dataset, "--figure", "a.png", "--no-figure", code=2)
    assert "must end in .png or .svg" in fails("inspect", dataset, "--figure", "a.jpg", code=2)
    assert "draws datasets" in fails("inspect", tmp_path, "--figure", "a.png", code=2)
