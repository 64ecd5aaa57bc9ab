"""Who says what with which emotion: the utterances of a synthetic corpus before they are spoken."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tfcr.schema import EMOTIONS, MERGE

MIN_UTTERANCES = 40
_EXTRA_EVERY = 33  # one further utterance in so many has a label that the default emotions leave out (3 %)

SPEAKERS = tuple((session, gender) for session in range(1, 6) for gender in "FM")


@dataclass(frozen=True)
class Plan:
    """One utterance before it is spoken; `emotion` is its label, the others what its voice and words show."""

    number: int
    id: str
    dialog: str
    session: int
    gender: str
    emotion: str
    audio_emotion: str
    text_emotion: str


def planned(seed: int, conflict_rate: float, utterances: int) -> Iterator[Plan]:
    """The utterances, in an order that does not depend on how many are asked for.

    Numbers go round the ten speakers and, for each pair of them, round the dialogs of their session.
    """
    cycles = [_emotions(seed, speaker) for speaker in range(len(SPEAKERS))]
    number = left = 0
    while left < utterances:
        session, gender = SPEAKERS[number % len(SPEAKERS)]
        round_ = number // len(SPEAKERS)
        dialogs = _dialogs(session)
        dialog = dialogs[round_ % len(dialogs)]
        random = generator(seed, "plan", number)
        emotion = audio = text = next(cycles[number % len(SPEAKERS)])
        conflict, in_audio, other = random.random(), random.random(), random.integers(len(EMOTIONS) - 1)
        if conflict < conflict_rate:
            merged = MERGE.get(emotion, emotion)
            shown = [candidate for candidate in EMOTIONS if candidate != merged][other]
            audio, text = (shown, text) if in_audio < 0.5 else (audio, shown)
        if number >= MIN_UTTERANCES and number % _EXTRA_EVERY == _EXTRA_EVERY - 1:
            emotion = "frustration" if random.random() < 0.42 else "undecided"  # 1849 to 2507 in IEMOCAP
        else:
            left += 1
        id = f"{dialog}_{gender}{round_ // len(dialogs):03d}"
        yield Plan(number, id, dialog, session, gender, emotion, audio, text)
        number += 1


def _emotions(seed: int, speaker: int) -> Iterator[str]:
    """A speaker's emotions without end: all four come first, and 20 have IEMOCAP's proportions (31, 30, 20, 20 %)."""
    random = generator(seed, "emotions", speaker)
    while True:
        first = random.permutation(EMOTIONS)
        rest = random.permutation(np.repeat(EMOTIONS, (5, 5, 3, 3)))
        for emotion in (*first, *rest):
            excited = random.random() < 0.64  # 1041 of 1636
            yield "excitement" if emotion == "happiness" and excited else str(emotion)


def _dialogs(session: int) -> list[str]:
    """A session's dialogs, improvised and scripted in turn; the odd names of IEMOCAP come first."""
    improvised = [f"Ses0{session}{'F' if part < 5 else 'M'}_impro0{part}" for part in (5, 8, 1, 2, 3, 4, 6, 7)]
    parts = ("01_1", "01_2", "01_3", "02_1", "02_2", "03_1", "03_2")
    scripted = [f"Ses0{session}{'MF'[index % 2]}_script{part}" for index, part in enumerate(parts)]
    if session == 3:
        improvised[:2] = [f"Ses03M_impro0{part}" for part in ("5a", "5b", "8a", "8b")]
    if session == 5:
        scripted.insert(1, "Ses05M_script01_1b")
    in_turn = [dialog for pair in zip(improvised, scripted, strict=False) for dialog in pair]
    shorter = min(len(improvised), len(scripted))
    return in_turn + improvised[shorter:] + scripted[shorter:]


def generator(seed: int, purpose: str, *key: int) -> np.random.Generator:
    """The generator of one purpose and thing: it depends on nothing that was drawn for another."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*purpose.encode(), 0, *key)))
