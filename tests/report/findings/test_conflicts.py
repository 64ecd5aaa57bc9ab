"""Where speech and words disagree, counted by hand."""

import numpy as np
import pytest

from tfcr.report.findings.conditions import group_by_condition
from tfcr.report.findings.conflicts import find_conflicts


@pytest.fixture
def conflict(make_run):
    """Five utterances: both agree on the first two and conflict on three."""
    facts = {
        "label": [0, 0, 1, 1, 2],
        "predicted": [0, 1, 1, 0, 2],
        "audio": [0, 1, 1, 0, 3],
        "text": [0, 1, 0, 2, 2],
    }
    return found(make_run(**facts))


def found(*runs):
    (group,) = group_by_condition(runs)
    return find_conflicts(group)


def test_conflicts_are_counted_where_the_maxima_differ(conflict):
    # One of the two that agree is right. Of the conflicts the fused prediction is right on the 3rd and the 5th; audio
    # on the 3rd, text on the 5th, neither on the 4th.
    assert conflict.overall.rate == pytest.approx(3 / 5)
    assert conflict.overall.wa_agree == pytest.approx(1 / 2)
    assert conflict.overall.wa_conflict == pytest.approx(2 / 3)
    assert (conflict.audio_right, conflict.text_right, conflict.neither_right) == pytest.approx((1 / 3, 1 / 3, 1 / 3))


def test_every_emotion_has_its_own_rate_and_accuracies(conflict):
    # neutral: two utterances, no conflict, one right; happiness: both in conflict, one right; sadness: one in conflict,
    # right; anger: none.
    neutral, happiness, sadness, anger = conflict.by_emotion.values()
    assert (neutral.predictions, neutral.rate, neutral.wa_agree, neutral.wa_conflict) == (2, 0, 0.5, None)
    assert (happiness.predictions, happiness.rate, happiness.wa_agree, happiness.wa_conflict) == (2, 1, None, 0.5)
    assert (sadness.rate, sadness.wa_conflict) == (1, 1)
    assert (anger.predictions, anger.rate, anger.wa_agree) == (0, None, None)


def test_the_agreement_matrix_has_speech_in_rows_and_words_in_columns(conflict):
    # (0, 0), (1, 1), (1, 0), (0, 2), (3, 2); the fused prediction is right on the 1st, 3rd and 5th.
    expected = np.zeros((4, 4), int)
    for audio, text in ((0, 0), (1, 1), (1, 0), (0, 2), (3, 2)):
        expected[audio, text] += 1
    assert conflict.agreement.tolist() == expected.tolist()
    assert np.argwhere(conflict.agreement_right).tolist() == [[0, 0], [1, 0], [3, 2]]
    off_diagonal = conflict.agreement.sum() - np.trace(conflict.agreement)
    assert off_diagonal == conflict.overall.conflicts


def test_where_words_say_nothing_both_neither_agree_nor_conflict(make_run):
    # The 1st and the 2nd have no words: their text scores are all zero, whose first maximum would be class 0. The 3rd
    # is a conflict, the 4th and 5th agree, and the fused prediction is right on the 1st and the 4th.
    conflict = found(
        make_run(label=[1, 0, 1, 1, 2], predicted=[1, 1, 0, 1, 1], audio=[1, 0, 1, 1, 1], text=[None, None, 0, 1, 1])
    )
    assert (conflict.overall.predictions, conflict.overall.conflicts, conflict.silent) == (5, 1, 2)
    assert (conflict.overall.wa_agree, conflict.overall.wa_conflict) == (1 / 2, 0)
    assert conflict.agreement.tolist() == [[0, 0, 0, 0], [1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert conflict.agreement_right[1, 1] == conflict.agreement_right.sum() == 1
    # Of anger there is nothing, and of the second's emotion, neutral, nothing that agrees or conflicts.
    neutral = conflict.by_emotion["neutral"]
    assert (neutral.predictions, neutral.rate, neutral.wa_agree, neutral.wa_conflict) == (1, 0, None, None)


def test_centring_takes_each_runs_training_means_away(make_run):
    # One-hot scores: audio says 0, text says 1. Less the means, audio is (0, 0, 0, 0) - (-1 ...) = see below.
    means = {"audio_logits": [1.0, -0.5, 0.0, 0.0], "text_logits": [0.0, 0.0, 0.0, 0.0]}
    # audio (1, 0, 0, 0) - (1, -0.5, 0, 0) = (0, 0.5, 0, 0): class 1, as text says. No conflict is left.
    run = make_run(label=[1], predicted=[1], audio=[0], text=[1], training_means=means)
    overall = found(run).overall
    assert (overall.rate, overall.rate_centred) == (1, 0)


def test_without_training_means_there_is_no_centred_rate(conflict):
    assert conflict.overall.rate_centred is None
    assert {part.rate_centred for part in conflict.by_emotion.values()} == {None}


def test_one_run_without_means_leaves_no_centred_rate_for_all(make_run):
    means = {"audio_logits": [0.0] * 4, "text_logits": [0.0] * 4}
    assert found(make_run("a", training_means=means), make_run("b", seed=1)).overall.rate_centred is None


def test_a_system_of_one_modality_has_no_conflicts(make_run):
    assert found(make_run(system="text", audio=None)) is None


def test_the_interval_of_the_rate_draws_whole_speakers_with_all_their_predictions(make_run):
    # Four speakers have one utterance of two in conflict with either seed, four both: a draw has 1/2 + k / 16, where k
    # of eight are of the latter. One of eight has a probability of 0.035 or less, none of 0.004.
    facts = {"label": [0, 0, 1, 1] * 4, "audio": [0, 0, 1, 1] * 4, "text": [0, 1, 0, 0] * 4}
    speakers = [f"{name} {number}" for number in range(4) for name in ("Ann", "Ann", "Bob", "Bob")]
    runs = [make_run(f"{n}", seed=n, predicted=facts["label"], speakers=speakers, **facts) for n in (0, 1)]
    conflict = found(*runs)
    assert (conflict.overall.rate, conflict.interval) == (3 / 4, (9 / 16, 15 / 16))
    assert conflict.interval_centred is None


def test_a_rate_over_few_speakers_has_no_interval(make_run):
    """Drawn anew, seven speakers are the same seven."""
    label = [0, 1] * 7
    speakers = [f"speaker {number}" for number in range(7) for _ in range(2)]
    conflict = found(make_run(label=label, predicted=label, audio=label, text=[0] * 14, speakers=speakers))
    assert (conflict.overall.rate, conflict.interval) == (1 / 2, None)


def test_one_speaker_has_no_interval(conflict):
    assert conflict.interval is None
