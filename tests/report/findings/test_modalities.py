"""A fusion beside each modality alone: which of them are compared, and what is said of it."""

import csv
import itertools
from types import SimpleNamespace

import pytest

from tfcr.report import write_report
from tfcr.report.findings import modalities
from tfcr.report.findings.conditions import differing, group_by_condition
from tfcr.report.findings.sections import divide

SPEAKERS = [f"speaker-{number}" for number in range(10)]
HEARD = "Training heard these speakers, so nothing follows for new ones."


@pytest.fixture
def make_system(make_run):
    """A function that makes runs of which every speaker has one utterance of each emotion, `right` of the four right.

    So WA and UA are right / 4, every speaker's difference of two systems is the same, and the p of ten speakers who
    agree is 2 / 1,024.
    """
    numbers = itertools.count()

    def make(system, right, *, speakers=SPEAKERS, folds=(0,), seeds=(0,), **facts):
        every = [speaker for speaker in speakers for _ in range(4)]
        label = [0, 1, 2, 3] * len(speakers)
        predicted = [emotion if emotion < right else (emotion + 1) % 4 for emotion in label]
        alone = {"audio": {"text": None}, "text": {"audio": None}}.get(system, {})
        scores = {"label": label, "predicted": predicted, "audio": predicted, "text": predicted, **alone, **facts}
        return [
            make_run(f"{next(numbers)}", system=system, fold=fold, seed=seed, speakers=every, **scores)
            for fold in folds
            for seed in seeds
        ]

    return make


def beside(*systems):
    """What the report says of each setting of a fusion."""
    [section] = divide(group_by_condition(run for runs in systems for run in runs))
    return section.modalities


def conclusion(*systems):
    [each] = beside(*systems)
    return each.conclusion


def test_a_fusion_that_speakers_and_seeds_call_better_is_better(make_system):
    five = {"seeds": range(5), "protocol": "speaker"}
    runs = make_system("fusion", 4, **five), make_system("audio", 3, **five), make_system("text", 2, **five)
    assert conclusion(*runs) == (
        "On the same 1 fold and 5 seeds, the baseline is better than audio only, the better of the two modalities "
        "(WA 25.0 points higher over 10 speakers, sign-flip p = 0.002): its UA over all utterances is 25.0 points "
        "higher than that of audio only and 50.0 points higher than that of text only."
    )


def test_a_fusion_below_its_better_half_is_worse_and_one_seed_speaks_of_trained_models(make_system):
    runs = make_system("fusion", 2, alpha=0.1), make_system("audio", 1), make_system("text", 3)
    assert conclusion(*runs) == (
        "On the same 1 fold and 1 seed, contrastive regularization with α = 0.1 is, as trained here, worse than text "
        "only, the better of the two modalities (WA 25.0 points lower over 10 speakers, sign-flip p = 0.002): its UA "
        "over all utterances is 25.0 points lower than that of text only and 25.0 points higher than that of audio only"
        ". A conclusion about the systems needs "
        f"at least 5 seeds. {HEARD}"
    )


def test_an_equal_fusion_is_not_better(make_system):
    said = conclusion(make_system("fusion", 3), make_system("audio", 3), make_system("text", 1))
    assert (
        "not better than audio only, the better of the two modalities (WA the same over 10 speakers, sign-flip p"
        in said
    )
    assert (
        "its UA over all utterances is the same as that of audio only and 50.0 points higher than that of text only."
        in said
    )


@pytest.mark.parametrize(("ua", "effect", "verb"), [
    (-0.1, -0.1, "is worse than"), (0.0, -0.1, "is not better than"), (-0.1, 0.0, "is not better than"),
    (0.0, 0.0, "is not better than"), (0.1, 0.0, "is not shown to be better than"), (0.1, 0.1, "is better than"),
])  # fmt: skip
def test_a_difference_of_nothing_is_neither_better_nor_worse(ua, effect, verb):
    agreed = SimpleNamespace(ua=ua, effect=effect, is_agreed_on=True, has_few_seeds=False, is_descriptive=False)
    assert modalities._verb(agreed) == verb


@pytest.mark.parametrize(("ua", "words"), [
    (0.0, "the same as"), (-1e-12, "the same as"), (-0.0004, "under 0.1 points lower than"),
    (0.0004, "under 0.1 points higher than"), (0.0006, "0.1 points higher than"),
])  # fmt: skip
def test_what_is_called_better_or_worse_is_not_called_the_same(ua, words):
    assert modalities._apart(ua) == words


def test_a_fusion_is_not_called_better_where_speakers_or_measures_disagree(make_system):
    label = [0, 1, 2, 3] * 10
    all_right, one_wrong = label, [1, *label[1:]]
    runs = make_system("fusion", 4, predicted=all_right), make_system("audio", 4, predicted=one_wrong)
    # one speaker in ten differs: p = 1
    assert (
        "not shown to be better than audio only (WA 2.5 points higher over 10 speakers, sign-flip p = 1.00"
        in conclusion(*runs)
    )


def test_seeds_that_disagree_leave_room_for_none(make_system):
    audio = make_system("audio", 2, seeds=range(5))
    fusion = [run for seed, right in enumerate((4, 4, 4, 1, 0)) for run in make_system("fusion", right, seeds=[seed])]
    # differences of the seeds in quarters: 2, 2, 2, -1, -2, whose mean is above 0 for every speaker alike
    said = conclusion(fusion, audio)
    assert (
        "is not shown to be better than audio only (WA 15.0 points higher over 10 speakers, sign-flip p = 0.002" in said
    )
    assert "; the seeds leave room for none): its UA" in said


def test_few_speakers_are_described(make_system):
    few = {"speakers": SPEAKERS[:7], "protocol": "speaker"}
    runs = make_system("fusion", 3, **few), make_system("audio", 2, **few), make_system("text", 1, **few)
    assert conclusion(*runs) == (
        "On the same 1 fold and 1 seed, the baseline is above audio only, the better of the two modalities: its UA "
        "over all utterances is 25.0 points higher than that of audio only and 50.0 points higher than that of text "
        "only. "
        "This is a description: a conclusion needs at least 8 speakers and 5 seeds."
    )
    runs = make_system("fusion", 1, fold_seed=1, **few), make_system("audio", 2, fold_seed=1, **few)
    assert "the baseline is not above audio only: its UA over all utterances is 25.0 points lower" in conclusion(*runs)


def test_one_modality_alone_leaves_open_which_is_the_better(make_system):
    said = conclusion(make_system("fusion", 4), make_system("text", 3))
    assert "text only (WA 25.0 points higher over 10 speakers, sign-flip p = 0.002): its UA over all" in said
    assert "The other modality was not trained on these folds, so which of the two is better is open." in said


@pytest.mark.parametrize(
    "elsewhere",
    [{"folds": [1]}, {"fold_seed": 1}, {"protocol": "script"}, {"seeds": [1]}, {"audio_features": "hubert"}],
    ids=lambda facts: next(iter(facts)),
)
def test_what_lies_on_other_folds_is_not_compared(make_system, elsewhere):
    assert beside(make_system("fusion", 4), make_system("audio", 3, **elsewhere)) == []


def test_all_three_are_compared_on_the_folds_and_seeds_that_all_have(make_system):
    audio = make_system("audio", 2, seeds=[0]) + make_system("audio", 4, seeds=[1, 2])
    [each] = beside(make_system("fusion", 4, seeds=range(3)), audio, make_system("text", 3, seeds=[0, 5]))
    # over its own seeds speech would be the better, over the shared one words are
    assert [(one.baseline.condition.system, one.role) for one in each.differences] == [
        ("text", "better modality"),
        ("audio", "other modality"),
    ]
    assert {one.comparison.cells for one in each.differences} == {((0, 0),)}
    assert [one.comparison.ua for one in each.differences] == [pytest.approx(0.25), pytest.approx(0.5)]


def test_the_better_modality_and_the_sentence_go_by_the_ua_of_all_utterances(make_system):
    """Ten speakers in one fold; one in another, which says the opposite and weighs as much in a mean over folds."""

    def trained(system, of_ten, of_one):
        one = make_system(system, of_one, folds=[1], speakers=["speaker-10"], protocol="speaker")
        return make_system(system, of_ten, folds=[0], protocol="speaker") + one

    runs = trained("fusion", 4, 0), trained("audio", 2, 4), trained("text", 3, 2)
    [each] = beside(*runs)
    # over folds speech has 75 %, words 62.5 and the fusion 50; over utterances 54.5, 72.7 and 90.9
    assert [one.baseline.condition.system for one in each.differences] == ["text", "audio"]
    assert "text only, the better of the two modalities" in each.conclusion
    assert "its UA over all utterances is 18.2 points higher than that of text only" in each.conclusion
    assert "and 36.4 points higher than that of audio only" in each.conclusion


def test_modalities_that_share_no_fold_leave_the_one_with_more_of_them(make_system):
    fusion = make_system("fusion", 4, folds=range(3))
    [each] = beside(fusion, make_system("audio", 2, folds=[0]), make_system("text", 3, folds=[1, 2]))
    [only] = each.differences
    assert (only.baseline.condition.system, only.comparison.folds, only.role) == ("text", (1, 2), "only modality")


def test_ones_own_features_stand_beside_the_same_features_alone(make_system):
    own = {"audio_features": "hubert"}
    runs = make_system("fusion", 4, **own), make_system("audio", 3, **own), make_system("audio", 1)
    [each] = beside(*runs, make_system("text", 2))
    assert [one.baseline.condition.system for one in each.differences] == ["audio on hubert", "text"]
    assert "model-level fusion on hubert is, as trained here, better than audio only on hubert," in each.conclusion


@pytest.mark.parametrize(
    ("audio", "text", "systems"),
    [
        ([None, 768], None, ["audio on a, pooled by attention", "text"]),
        ([88], [None, 768], ["audio on a", "text on t, pooled by attention"]),
        ([88], [768], ["audio on a", "text on t"]),
    ],
)
def test_pooling_is_of_what_has_time_and_makes_no_difference_to_what_has_none(make_system, audio, text, systems):
    def facts(**taken):
        shapes = {f"{modality}_features": shape for modality, shape in taken.items() if shape}
        return {"own_features": shapes, **{name: name[0] for name in shapes}}

    def pooled(shape):
        return {"pooling": "attention" if shape and None in shape else "mean"}

    runs = [
        *make_system("fusion", 4, **facts(audio=audio, text=text), settings={"pooling": "attention"}),
        *make_system("audio", 3, **facts(audio=audio), settings=pooled(audio)),
        *make_system("text", 2, **facts(text=text), settings=pooled(text)),
    ]
    [each] = beside(runs)
    conditions = [one.baseline.condition for one in each.differences]
    assert [condition.system + condition.trained for condition in conditions] == systems
    assert [one.confounds for one in each.differences] == [[], []]


def test_another_pooling_of_the_same_features_is_named(make_system):
    own = {"audio_features": "a", "own_features": {"audio_features": [None, 768]}}
    [mean] = make_system("audio", 3, **own)
    [attended] = make_system("audio", 3, **own, settings={"pooling": "attention"})
    assert differing([mean, attended], ignoring=set()) == ["pooling"]


def test_what_else_differs_is_named_and_what_makes_a_system_is_not(make_system):
    fusion = make_system("fusion", 4, settings={"system": "fusion", "start": "unimodal", "lstm_units": 100})
    [each] = beside(fusion, make_system("text", 3, settings={"system": "text", "lstm_units": 200}))
    assert [one.confounds for one in each.differences] == [["lstm_units"]]


def test_decision_level_fusion_is_a_fusion_too_and_feature_level_fusion_has_other_encoders(make_system):
    runs = [make_system(system, 2) for system in ("late-fusion", "early-fusion", "audio", "text")]
    [each] = beside(*runs)
    assert "decision-level fusion is not better than audio only (WA the same over 10 speakers" in each.conclusion


@pytest.mark.parametrize("spread", ["audio", "text"])
def test_of_two_equal_modalities_the_sentence_speaks_of_the_one_that_shows_less(make_system, spread):
    """Both are wrong eight times: one once with each of eight speakers, the other four times with each of two."""
    label = [0, 1, 2, 3] * 10
    once = [label[row] if row % 4 != row // 4 % 4 or row >= 32 else (label[row] + 1) % 4 for row in range(40)]
    twice = [(emotion + 1) % 4 if row < 8 else emotion for row, emotion in enumerate(label)]
    told = {"audio": once, "text": twice} if spread == "audio" else {"audio": twice, "text": once}
    [each] = beside(make_system("fusion", 4), *(make_system(name, 4, predicted=said) for name, said in told.items()))
    other = "text" if spread == "audio" else "audio"
    assert (
        f"is not shown to be better than {other} only (WA 20.0 points higher over 10 speakers, sign-flip p = 0.50"
        in (each.conclusion)
    )
    assert "the better of the two" not in each.conclusion
    assert {one.role for one in each.differences} == {"equal modality"}


def test_a_lower_wa_than_that_of_the_other_modality_is_said(make_system):
    """Two emotions, the first three times as frequent: speech says it always, words get the other one right too."""
    label = [0, 0, 0, 1] * 10
    said = {"fusion": [0, 1, 0, 1], "audio": [0, 0, 0, 0], "text": [0, 1, 1, 1]}
    [each] = beside(*(make_system(name, 4, label=label, predicted=row * 10) for name, row in said.items()))
    # UA: 5/6, 1/2 and 2/3; WA: 3/4, 3/4 and 1/2
    assert "better than text only, the better of the two modalities (WA 25.0 points higher" in each.conclusion
    assert "Its WA" not in each.conclusion
    said["fusion"] = [1, 1, 0, 1]  # WA 1/2
    [each] = beside(*(make_system(name, 4, label=label, predicted=row * 10) for name, row in said.items()))
    assert each.conclusion.count(" Its WA over speakers is 25.0 points lower than that of audio only.") == 1


def test_every_form_of_the_report_has_the_sentence_and_the_differences(make_system, tmp_path):
    fusions = make_system("fusion", 2) + make_system("fusion", 4, alpha=0.1)
    runs = [*fusions, *make_system("audio", 3), *make_system("text", 1), *make_system("mdre", 1)]
    report = write_report(runs, tmp_path / "report")
    texts = {path.name: path.read_text(encoding="utf-8") for path in (report.page, *report.tables)}
    sentences = (
        "the baseline is, as trained here, worse than audio only, the better of the two modalities",
        "is, as trained here, better than audio only, the better of the two modalities",
    )
    for text in (texts["report.html"], texts["table1.md"], texts["modalities.tex"], report.summary):
        assert all(sentence in " ".join(text.split()) for sentence in sentences)
    assert "| Model-level fusion (baseline) | 50.00 | Audio only | 75.00 | −25.00" in texts["table1.md"]
    assert texts["modalities.tex"].count(r"\addlinespace") == 4
    rows = [row for row in csv.DictReader(texts["comparison.csv"].splitlines()) if row["measure"] == "UA, pooled"]
    found = [(row["system_before"], row["alpha_after"], row["role"], float(row["estimate"])) for row in rows]
    assert found == [
        ("fusion", "0.1", "primary", 50),
        ("audio", "0.0", "better modality", -25),
        ("text", "0.0", "other modality", 25),
        ("audio", "0.1", "better modality", 25),
        ("text", "0.1", "other modality", 75),
    ]
    systems = [row["system"] for row in csv.DictReader(texts["table1.csv"].splitlines()) if row["source"] == "measured"]
    assert systems == ["fusion", "fusion", "audio", "text", "mdre"]
    table = texts["table1.md"]
    assert table.index("| Audio only | ours") < table.index("| MDRE | published")  # beside the fusion they are part of


def test_without_runs_of_one_modality_nothing_is_said(make_system, tmp_path):
    report = write_report(make_system("fusion", 2), tmp_path / "report")
    assert "modalit" not in report.summary + (tmp_path / "report" / "table1.md").read_text(encoding="utf-8")
    assert "No run of one modality" in (tmp_path / "report" / "modalities.tex").read_text(encoding="utf-8")
    assert "one modality" not in report.page.read_text(encoding="utf-8")
