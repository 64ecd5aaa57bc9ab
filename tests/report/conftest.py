"""Runs made up by hand, as fixtures."""

import itertools
import pathlib
from collections.abc import Callable

import numpy as np
import pytest
from fabricated_runs import fabricated

from tfcr.noise.grades import CLEAN, grades
from tfcr.noise.results import Identity, NoiseResults, write_noise
from tfcr.runs import Predictions, Run

MakeRun = Callable[..., Run]
SPEAKERS = [f"speaker-{number}" for number in range(10)]
_BOTH = ("audio_logits", "text_logits")


@pytest.fixture(scope="session")
def fabricate() -> MakeRun:
    """A function that writes a finished run into a folder and opens it."""
    return fabricated


@pytest.fixture
def make_run(tmp_path: pathlib.Path) -> MakeRun:
    """A function that writes a finished run under `tmp_path` and opens it."""

    def make(folder: str = "run", **facts) -> Run:
        return fabricated(tmp_path / "runs" / folder, **facts)

    return make


def said(predictions: Predictions, right: int) -> Predictions:
    """The same utterances, of which each speaker's first `right` of four are right."""
    wanted = np.where(predictions.label < right, predictions.label, (predictions.label + 1) % 4)
    logits = np.eye(4, dtype=np.float32)[wanted]
    other = np.eye(4, dtype=np.float32)[(wanted + 1) % 4]
    text = np.where((predictions.label < right)[:, None], logits, other)  # in conflict where it is wrong
    return Predictions(
        **{name: getattr(predictions, name) for name in ("id", "speaker", "session", "script", "label")},
        logits=logits,
        audio_logits=logits,
        text_logits=text,
    )


@pytest.fixture
def make_tested(make_run):
    """A function that makes runs of 40 utterances, of which `clean` of four are right, and `right` at every grade."""
    numbers = itertools.count()

    def make(
        right,
        *,
        clean=4,
        seeds=(0,),
        kinds=("white", "deleted", "telephone"),
        place="spectrograms",
        noise_seed=0,
        heard=10,
        **facts,
    ):
        label = [0, 1, 2, 3] * heard
        speakers = [speaker for speaker in SPEAKERS[:heard] for _ in range(4)]
        made = []
        for seed in seeds:
            facts_of = {"weights_sha256": f"w{next(numbers)}", "training_means": {n: [0] * 4 for n in _BOTH}, **facts}
            scores = {"label": label, "predicted": label, "audio": label, "text": label, "speakers": speakers}
            run = make_run(f"run-{next(numbers)}", seed=seed, **scores, **facts_of)
            by_grade = {CLEAN: said(run.predictions, clean)}
            by_grade |= {grade.name: said(run.predictions, right) for grade in grades(kinds)}
            identity = Identity(facts_of["weights_sha256"], noise_seed, place)
            write_noise(run.folder, NoiseResults(identity, by_grade))
            made.append(run)
        return made

    return make
