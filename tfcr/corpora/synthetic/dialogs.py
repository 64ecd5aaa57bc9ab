"""Dialogs written as IEMOCAP's release has them, quirks included."""

import io
import pathlib
from dataclasses import dataclass

import numpy as np
import soundfile

from tfcr.corpora import iemocap
from tfcr.schema import SAMPLE_RATE

_CODE_OF_EMOTION = {emotion: code for code, emotion in iemocap.EMOTION_OF_CODE.items()}
_RATER_LINES = (  # as they stand in the release: double spaces, missing values, several labels
    "C-E2:\t{name};\t()",
    "C-E4:\t{name}; Other;\t(unsure)",
    "A-E3:\tval 3; act 2; dom  2;\t()",
    "A-E4:\tval 2; act ; dom  3;\t()",
    "C-F1:\t{name};\t()",
    "A-M1:\tval  3; act  3; dom  3;\t()",
)


@dataclass(frozen=True)
class Turn:
    """An utterance to be written, with a label of `iemocap.EMOTION_OF_CODE`; samples: int16 [samples], 16 kHz."""

    id: str
    emotion: str
    transcript: str
    samples: np.ndarray


def write_dialog(session: pathlib.Path, dialog: str, turns: list[Turn], random: np.random.Generator) -> None:
    """Writes one dialog in IEMOCAP's layout: a label file, a transcript and a WAV file per turn.

    The quirks of the release are there: header and rater lines, blank lines, transcript lines without an id or with
    an id that has no label, and another order in the transcript than in the labels.

    Args:
        session: the folder `Session<N>`.
        dialog: say, `Ses01F_impro01`.
        turns: in the order they are spoken.
        random: draws pauses, ratings and the quirks' places.
    """
    recordings = session / "sentences" / "wav" / dialog
    recordings.mkdir(parents=True, exist_ok=True)
    starts = np.cumsum([random.uniform(0.2, 1.5) + len(turn.samples) / SAMPLE_RATE for turn in turns])
    labels = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    lines = []
    for turn, end in zip(turns, starts, strict=True):
        wav = io.BytesIO()  # libsndfile itself would not say why it cannot write
        soundfile.write(wav, turn.samples, SAMPLE_RATE, subtype="PCM_16", format="WAV")
        (recordings / f"{turn.id}.wav").write_bytes(wav.getvalue())
        start = end - len(turn.samples) / SAMPLE_RATE
        code = _CODE_OF_EMOTION[turn.emotion]
        ratings = ", ".join(f"{rating:.4f}" for rating in random.integers(2, 11, 3) / 2)
        labels.append(f"[{start:.4f} - {end:.4f}]\t{turn.id}\t{code}\t[{ratings}]")
        labels += [line.format(name=turn.emotion.capitalize()) for line in _RATER_LINES]
        labels.append("")
        lines.append(f"{turn.id} [{start:08.4f}-{end:08.4f}]: {turn.transcript}")
    # Labels come in the order of ids, transcripts in the order of time, where one line may overtake another.
    if len(lines) > 1:
        place = int(random.integers(len(lines) - 1))
        lines[place : place + 2] = lines[place + 1], lines[place]
    lines.insert(int(random.integers(len(lines) + 1)), "M: sorry")
    end = starts[-1]
    lines.append(f"{dialog}_FXX0 [{end + 0.1:08.4f}-{end + 0.9:08.4f}]: Mm-hmm.")
    _write_lines(session / "dialog" / "EmoEvaluation" / f"{dialog}.txt", labels)
    _write_lines(session / "dialog" / "transcriptions" / f"{dialog}.txt", lines)


def _write_lines(path: pathlib.Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
