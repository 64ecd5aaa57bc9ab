"""A run under noise: the clean grade is its own test, what is cut off goes on, and nothing else changes."""

import csv
import json
import shutil

import numpy as np
import pytest

from tfcr import cli, runs
from tfcr.corpora.audio import read_audio
from tfcr.errors import TfcrError, UsageError
from tfcr.noise.grades import KINDS, Grade
from tfcr.noise.results import NOISE, read_noise
from tfcr.training.degradation import TRANSCRIPTS, Degradation
from tfcr.training.evaluate_noise import SUMMARY, evaluate_noise

KINDS_OF_TEST = ("white", "babble", "silence", "deleted", "no-words")


@pytest.fixture(scope="module")
def run(trained_run, tmp_path_factory):
    """A copy of the run that tests share, for files are put beside it."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    shutil.copytree(trained_run.folder, folder)
    return runs.Run(folder)


@pytest.fixture(scope="module")
def evaluated(run):
    """Under some kinds of noise, drawn in the spectrograms."""
    return evaluate_noise(run, kinds=KINDS_OF_TEST)


def test_without_noise_the_runs_own_scores_come_out_bit_for_bit(run, evaluated):
    assert evaluated.figures["clean"] == run.metrics["test"]
    clean = read_noise(run.folder).clean
    for name in ("id", "speaker", "label", "logits", "audio_logits", "text_logits"):
        assert np.array_equal(getattr(clean, name), getattr(run.predictions, name)), name


def test_nothing_added_gives_the_pictures_and_the_words_of_the_dataset(run, small_dataset, small_corpus):
    """What is made anew, of recordings and of words, is what the dataset holds, so that all of a change is noise."""
    from tfcr.training.experiment import pipeline_of, plan, read_run_config

    config = read_run_config(run.folder)
    positions = plan(config, small_dataset.folder).split.test
    pipeline = pipeline_of(config, small_dataset, restored(run, config, small_dataset))
    degradation = Degradation(small_dataset, pipeline, positions, small_corpus, 0)
    for x, those in pipeline.utterances(positions).as_numpy_iterator():
        for picture, position in zip(x["spectrogram"], those, strict=True):
            row = small_dataset.index[position]
            pictures, _ = degradation.preset.pictures(read_audio(degradation.speech.paths[row.id]))
            np.testing.assert_array_equal(pictures, picture[: row.num_segments])
        changed = degradation.words.at(Grade(KINDS["deleted"], 0.0))(x, those)
        for name in ("embeddings", "num_tokens"):
            np.testing.assert_array_equal(changed[name], x[name])


def restored(run, config, dataset):
    from tfcr.models.restore import restore_network
    from tfcr.models.systems import sizes_of

    return restore_network(config, len(run.emotions), run.folder / runs.WEIGHTS, sizes_of(config, dataset))


def test_noise_in_speech_changes_what_speech_says_and_nothing_of_the_words(run, evaluated):
    found = read_noise(run.folder)
    for name, said in found.by_grade.items():
        if name == "clean":
            continue
        modality = KINDS[name.partition("-")[0] if name != "no-words" else name].modality
        same = "text_logits" if modality == "audio" else "audio_logits"
        np.testing.assert_array_equal(getattr(said, same), getattr(found.clean, same), err_msg=name)
        changed = "audio_logits" if modality == "audio" else "text_logits"
        assert not np.array_equal(getattr(said, changed), getattr(found.clean, changed)), name


def test_without_words_the_text_says_the_same_of_every_utterance(run, evaluated):
    """Silence does not: an utterance's length is still seen."""
    found = read_noise(run.folder).by_grade
    np.testing.assert_allclose(np.ptp(found["no-words"].text_logits, axis=0), 0, atol=1e-6)


def test_the_same_call_tests_nothing_again_and_other_kinds_are_added(run, evaluated):
    before, ahead = (run.folder / NOISE).read_bytes(), []
    evaluate_noise(run, kinds=KINDS_OF_TEST, start=ahead.append)
    assert (run.folder / NOISE).read_bytes() == before and ahead == [0]
    more = evaluate_noise(run, kinds=["telephone"], start=ahead.append)
    assert ahead == [0, run.metrics["sizes"]["test"]]
    assert set(more.figures) == {*evaluated.figures, "telephone"}
    assert set(json.loads((run.folder / SUMMARY).read_text())["grades"]) == set(more.figures)


def test_what_is_cut_off_goes_on_to_the_same_bytes(run, tmp_path):
    whole, cut = (runs.Run(tmp_path / name) for name in ("whole", "cut"))
    for each in (whole, cut):
        shutil.copytree(run.folder, each.folder, ignore=shutil.ignore_patterns("noise*"))
    evaluate_noise(whole, kinds=["replaced"])
    done = []

    def interrupt(utterances):
        done.append(utterances)
        if sum(done) > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_noise(cut, kinds=["replaced"], advance=interrupt)
    assert 0 < len(read_noise(cut.folder).by_grade) < 5
    evaluate_noise(cut, kinds=["replaced"])
    for name in (NOISE, SUMMARY, TRANSCRIPTS):
        assert (cut.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
    with pytest.raises(TfcrError, match=r"has noise in the spectrograms by seed 0, .* or move the file away"):
        evaluate_noise(cut, kinds=["telephone"], seed=1)
    assert (cut.folder / NOISE).read_bytes() == (whole.folder / NOISE).read_bytes()
    (cut.folder / NOISE).unlink()
    evaluate_noise(cut, kinds=["silence"], seed=1)
    assert not (cut.folder / TRANSCRIPTS).exists()  # it listed the words of the other seed


def test_the_transcript_of_every_degraded_utterance_is_listed(run, evaluated):
    with open(run.folder / TRANSCRIPTS, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    words = {}
    for row in rows:
        words.setdefault(row["grade"], {})[row["id"]] = row["transcript"].split()
    assert list(words["clean"]) == list(run.predictions.id)
    total = sum(map(len, words["clean"].values()))
    for share in KINDS["deleted"].levels:
        left = sum(map(len, words[f"deleted-{share:g}"].values()))
        assert total - left == int(share * total + 0.5)
    assert not any(words["no-words"].values())


def test_the_command_lists_the_words_and_shows_the_figures(run, evaluated, capfd):
    with pytest.raises(SystemExit) as end:
        cli.main(["evaluate", str(run.folder), "--noise", "--kinds", "no-words", "--list"])
    said = capfd.readouterr()
    assert end.value.code == 0 and "Noise was added to the spectrograms" in said.err and "deleted-0.4" in said.err
    assert said.out == (run.folder / TRANSCRIPTS).read_text(encoding="utf-8")


def test_words_that_could_not_change_are_told(run, tmp_path, monkeypatch, capfd):
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder, ignore=shutil.ignore_patterns("noise*"))
    monkeypatch.setattr("tfcr.noise.words.nearest", lambda words, vectors: {})
    with pytest.raises(SystemExit) as end:
        cli.main(["evaluate", str(folder), "--noise", "--kinds", "neighbours"])
    told = json.loads((folder / SUMMARY).read_text())["words"]
    assert end.value.code == 0 and list(told) == [f"neighbours-{share:g}" for share in KINDS["neighbours"].levels]
    assert all(each["changed"] == 0 < each["wanted"] for each in told.values())
    wanted = told["neighbours-0.4"]["wanted"]
    assert f"neighbours-0.4: 0 words have changed instead of {wanted}," in " ".join(capfd.readouterr().err.split())
    assert "words" not in json.loads((run.folder / SUMMARY).read_text())  # where all that should have changed


def test_noise_in_recordings_and_in_spectrograms_is_told_apart(run, small_corpus, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder, ignore=shutil.ignore_patterns("noise*"))
    found = evaluate_noise(runs.Run(folder), root=small_corpus, kinds=["babble"])
    assert found.place == "recordings" == read_noise(folder).identity.place
    assert found.figures["clean"] == run.metrics["test"]


def test_what_cannot_be_tested_is_one_line(run, small_corpus, small_dataset, tiny_corpus, authors_dataset):
    with pytest.raises(UsageError, match="no kind of noise 'brown'; expected some of white, "):
        evaluate_noise(run, kinds=iter(["brown"]))
    with pytest.raises(TfcrError, match=r"is not the one that .* was trained on"):
        evaluate_noise(run, data=authors_dataset.folder)
    with pytest.raises(TfcrError, match=r"--root .*/none is no folder; expected that of corpus synthetic"):
        evaluate_noise(run, root=tiny_corpus / "none")
