"""What a model card says, and where its figures come from."""

import dataclasses
import re

import numpy as np
import pytest

from tfcr import corpora, runs
from tfcr.dataset_info import open_dataset
from tfcr.serving.export.model_card import model_card


@pytest.fixture(scope="module")
def card(trained_run, small_dataset):
    return model_card(trained_run, "tfcr", "3", small_dataset, num_words=191)


def test_it_names_data_protocol_licence_use_and_limits(card, trained_run):
    metrics = trained_run.metrics
    assert card.startswith("# tfcr, version 3\n")
    for part in (
        f"| dataset | small (SHA-256 {metrics['dataset_sha256']}) |",
        "| utterances | 120, 0.05 h, of 10 speakers |",
        f"| licence of the recordings | {corpora.licence('synthetic')} |",
        "| words that it knows | 191; others are passed over |",
        "(transductive: trained on the dataset's own transcripts, test ones included)",
        "System `fusion`, alpha 0.1, protocol `random`, fold 0 of 10, seed 0:\n96 utterances to train, 12 to",
        "The speakers of the test part are in training too",
        "## Intended use",
        "## Limits",
        "Do not decide about people with it",
    ):
        assert part in card, part


def test_its_figures_are_those_of_the_run_within_their_intervals(card, trained_run):
    test = trained_run.metrics["test"]
    for name, value in (
        *(("WA", test["wa"]), ("UA", test["ua"]), ("WA of audio alone", test["wa_audio"])),
        *(("macro F1", test["macro_f1"]), ("weighted F1", test["weighted_f1"])),
    ):
        shown, low, high = map(float, re.search(rf"\| {name} \| ([\d.]+) \| ([\d.]+) to ([\d.]+) \|", card).groups())
        assert shown == pytest.approx(100 * value, abs=0.0501)  # one decimal, a half rounded to even
        assert low <= shown <= high
    rows = re.findall(r"^\| (?:neutral|happiness|sadness|anger) \|((?: \d+ \|){4})$", card, re.MULTILINE)
    assert [[int(count) for count in re.findall(r"\d+", row)] for row in rows] == test["confusion"]


def test_of_words_and_vectors_it_says_only_what_is_inside(card, trained_run, small_dataset):
    known, licence = "only the words in `assets/vocabulary.txt`", "The word vectors inside it have a licence"
    assert known in card and licence not in card  # trained on transcripts that are free

    changed = {**trained_run.metrics, "transductive": False, "embeddings": "vectors.txt"}

    class Pretrained(runs.Run):
        metrics = property(lambda run: changed)

    pretrained = Pretrained(trained_run.folder)
    assert licence in model_card(pretrained, "tfcr", "3", small_dataset, num_words=191)
    onnx = model_card(pretrained, "tfcr", "3", small_dataset, onnx=True)
    assert known not in onnx and licence not in onnx


def test_every_table_is_one(card):
    for block in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
        lines = block.splitlines()
        assert len({line.count("|") for line in lines}) == 1, block
        assert re.fullmatch(r"\|(?:-+\|)+", lines[1]), block
    assert "{" not in card and "None" not in card


def test_without_the_dataset_it_says_what_the_run_knows(trained_run):
    card = model_card(trained_run, "tfcr", "1", None, num_words=7)
    assert "| corpus | synthetic |" in card and "| utterances |" not in card


def test_recordings_that_were_left_out_are_counted(trained_run):
    class Partly(runs.Run):
        metrics = trained_run.metrics | {"unreadable": 3}

    row = "| left out of it | recordings that cannot be read: 3 |"
    assert row in model_card(Partly(trained_run.folder), "tfcr", "1", None)
    assert row.split(":")[0] not in model_card(trained_run, "tfcr", "1", None)


def test_few_speakers_have_no_interval_which_is_said(trained_run):
    predictions = trained_run.predictions
    number = len(predictions.id)
    named = {"id": np.array([f"u{row}" for row in range(number)]), "speaker": np.array(["s1"] * number)}

    class Alone(runs.Run):
        predictions = dataclasses.replace(trained_run.predictions, **named)

    card = model_card(Alone(trained_run.folder), "tfcr", "1", None)
    assert "| 95 % interval, by speaker |" in card and re.search(r"\| WA \| [\d.]+ \| – \|", card)
    assert "There are no intervals over so few speakers (1)." in card


def test_every_corpus_says_what_its_recordings_may_be_used_for():
    for name in corpora.names():
        assert corpora.licence(name) != "unknown: ask its owner" or name == "manifest"
    assert corpora.licence("somebody's own") == "unknown: ask its owner"


def test_an_export_has_its_card(exported, trained_run):
    dataset = open_dataset(trained_run.config["data"])
    words = (exported / "assets" / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
    assert (exported / "README.md").read_text(encoding="utf-8") == model_card(
        trained_run, "tfcr", "1", dataset, num_words=len(words)
    )


def test_a_stroke_in_the_name_of_an_emotion_ends_no_cell(trained_run, small_dataset):
    emotions = ["a|b", *trained_run.emotions[1:]]

    class Stroke(runs.Run):
        metrics = trained_run.metrics | {"emotions": emotions}

    card = model_card(Stroke(trained_run.folder), "tfcr", "3", small_dataset)
    rows = [line for line in card.splitlines() if r"a\|b" in line and line.startswith("| ")]
    assert len(rows) == 2
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {2 + len(emotions)}
