"""What an export says of one recording and its words, and what led to it, as HTML for the page."""

import base64
import io
import os
import pathlib
import threading
import unicodedata
from dataclasses import dataclass

import jinja2
import numpy as np
import soundfile
from matplotlib.figure import Figure

from tfcr.errors import TfcrError
from tfcr.features.presets import PRESETS
from tfcr.features.spectrogram import POOLING
from tfcr.schema import FFT_LENGTH, HOP_LENGTH, MAX_TOKENS, NUM_BINS, SAMPLE_RATE
from tfcr.serving.server.served import ServedModel
from tfcr.serving.wav_bytes import recording_bytes
from tfcr.wording import counted

MAX_CHARACTERS = 5000  # of the words that are typed; the model reads 30 words

_TEMPLATES = pathlib.Path(__file__).parent / "templates"
_COLOURS = "magma"  # as in `tfcr inspect`: lightness alone orders it
_SHOWN = (5, 99.9)  # per cent of the values: between them colours differ
_BIN_KHZ = SAMPLE_RATE / FFT_LENGTH / 1000
_DRAWING = threading.Lock()  # Matplotlib draws for one thread at a time
_MAX_COLUMNS = 2000  # of a drawn spectrogram; a longer one is thinned


@dataclass(frozen=True)
class Word:
    """A word that was typed.

    Attributes:
        attention: its weight, from 0 to 1; None for a word that the model did not read.
        known: whether it has a vector.
    """

    text: str
    attention: float | None
    known: bool


@dataclass(frozen=True)
class Explanation:
    """An answer and its reasons. What the model has no modality for is None.

    Attributes:
        emotion: the fused answer.
        together, speech, words: emotion → probability, of both, of speech alone and of words alone. Of words that say
            nothing it is None too.
        conflict: whether speech and words name different emotions.
        read: the words, in their order.
        seconds: how long the recording lasts.
        silent: whether all its samples are zero.
        picture: a PNG file of the spectrogram.
    """

    emotion: str
    together: dict[str, float]
    speech: dict[str, float] | None
    words: dict[str, float] | None
    conflict: bool | None
    read: list[Word] | None
    seconds: float | None
    silent: bool
    picture: bytes | None


def explain(model: ServedModel, recording: str | os.PathLike | None, transcript: str | None) -> Explanation:
    """Asks the signature `explain`.

    Args:
        recording: a file of any format, named for the reader by its last part.
        transcript: may be empty.

    Raises:
        TfcrError: no recording, or one that cannot be answered; in one sentence.
    """
    inputs, transcript = {}, unicodedata.normalize("NFC", transcript or "")
    if "audio_bytes" in model.inputs:
        inputs["audio_bytes"] = _content(recording)
    if "transcript" in model.inputs:
        if len(transcript) > MAX_CHARACTERS:
            raise TfcrError(f"there are {len(transcript)} characters of words; expected at most {MAX_CHARACTERS}")
        inputs["transcript"] = transcript.encode(errors="replace")
    outputs = model.ask("explain", {name: np.array([value], object) for name, value in inputs.items()})
    row = {name: array[0] for name, array in outputs.items()}
    if row["error"]:
        raise TfcrError(row["error"].decode())

    def of(name):
        return dict(zip(model.emotions, map(float, row[name]), strict=True))

    says = "text_logits" in row and np.ptp(row["text_logits"]) > 0
    audio = inputs.get("audio_bytes")
    samples = None if audio is None else soundfile.read(io.BytesIO(audio), dtype="int16")[0]
    return Explanation(
        emotion=row["emotion"].decode(),
        together=of("probabilities"),
        speech=of("audio_probabilities") if "audio_probabilities" in row else None,
        words=of("text_probabilities") if says else None,
        conflict=bool(row["conflict"]) if "conflict" in row else None,
        read=_read(transcript, model, row["tokens"], row["attention"]) if "tokens" in row else None,
        seconds=None if samples is None else len(samples) / SAMPLE_RATE,
        silent=samples is not None and not samples.any(),
        picture=draw_spectrogram(row["spectrogram"], int(row["num_frames"]), model.preset) if audio else None,
    )


def render(explanation: Explanation) -> str:
    """The answer as HTML; whatever came from outside is escaped."""
    e = explanation
    image = None if e.picture is None else base64.b64encode(e.picture).decode()
    columns = {"Speech alone": e.speech, "Words alone": e.words, "Together": e.together}
    if e.speech is None or (e.words is None and e.read is None):  # a model of one modality
        columns = {"Answer": e.together}
    return _template("answer.html").render(
        answer=e,
        columns={name: values for name, values in columns.items() if values is not None},
        verdict=_verdict(e),
        remarks=_remarks(e),
        image=image,
    )


def render_error(sentence: str) -> str:
    """What went wrong as HTML."""
    return _template("page_error.html").render(sentence=" ".join(sentence.split()))


def draw_spectrogram(picture: np.ndarray, num_frames: int, preset: str) -> bytes:
    """A PNG file.

    Args:
        picture: float32 [segments, 128 frames, 128 bins].
        num_frames: the real ones.
    """
    frames = picture.reshape(-1, NUM_BINS)[:num_frames]
    hop = HOP_LENGTH / SAMPLE_RATE * (POOLING if preset == "authors" else 1)
    end = len(frames) * hop
    shown = frames[:: -(-len(frames) // _MAX_COLUMNS)]
    low, high = np.percentile(shown, _SHOWN)
    figure = Figure(figsize=(7.2, 2.3), layout="constrained")
    axis = figure.subplots()
    axis.imshow(
        shown.T,
        origin="lower",
        aspect="auto",
        extent=(0, end, -_BIN_KHZ / 2, (NUM_BINS - 0.5) * _BIN_KHZ),
        cmap=_COLOURS,
        vmin=low,
        vmax=max(high, low + 1),
        interpolation="nearest",
    )
    axis.set(xlabel="seconds", ylabel="kHz", ylim=(0, SAMPLE_RATE / 2000), yticks=(0, 2, 4, 6, 8))
    axis.spines[["top", "right"]].set_visible(False)
    content = io.BytesIO()
    with _DRAWING:
        figure.savefig(content, format="png", dpi=140)
    return content.getvalue()


def _content(recording: str | os.PathLike | None) -> bytes:
    if recording is None:
        raise TfcrError("there is no speech yet; record some, or drop a file")
    path = pathlib.Path(recording)
    try:
        return recording_bytes(path)
    except TfcrError as error:  # a stranger has no use for the place where the server keeps it
        raise TfcrError(str(error).replace(str(path), path.name)) from None
    except OSError as error:
        raise TfcrError(f"{path.name} cannot be read ({error.strerror or error})") from None


def _read(transcript: str, model: ServedModel, tokens: np.ndarray, attention: np.ndarray) -> list[Word]:
    """Every word, or its parts, with the attention. `tokens` are the forms that were looked up, up to the 30th."""
    preset = PRESETS[model.preset]
    read = [(token.decode(), float(weight)) for token, weight in zip(tokens, attention, strict=True) if token]
    words, place = [], 0
    for written in preset.split_words(transcript):
        for text, form in preset.look_up.parts(written, model.vocabulary):
            if place < len(read) and read[place][0] == form:
                words.append(Word(text, read[place][1], True))
                place += 1
            else:
                words.append(Word(text, None, form is not None and place == MAX_TOKENS))
    return words


def _verdict(e: Explanation) -> str:
    """A sentence on what speech and words say, where there are both."""
    if e.speech is None or e.read is None:
        return ""
    if not any(word.known and word.attention is not None for word in e.read):
        why = "None of the words is in the model's vocabulary" if e.read else "No words were typed"
        if e.words is None:
            return f"{why}: speech decides alone."
        return f"{why}. This model gives even missing words a say; what it shows of words alone means nothing."
    speech, words = map(_largest, (e.speech, e.words))
    if e.conflict:
        return f"Speech and words conflict: speech alone says {speech}, words alone say {words}."
    return f"Speech and words agree: both say {speech}." if speech == words else "Speech says nothing of its own."


def _remarks(e: Explanation) -> list[str]:
    remarks = []
    if e.silent:
        remarks.append("The recording is silent, and what speech says of it means nothing.")
    if e.read is not None:
        unknown = sum(word.attention is None and not word.known for word in e.read)
        late = sum(word.attention is None and word.known for word in e.read)
        if unknown:
            is_, has = ("is", "it has") if unknown == 1 else ("are", "they have")
            remarks.append(
                f"{counted(unknown, 'word')} {is_} not in the model's vocabulary; {has} no part in the answer."
            )
        if late:
            remarks.append(f"The model reads {MAX_TOKENS} words; {counted(late, 'word')} behind them had no part.")
    return remarks


def _template(name: str) -> jinja2.Template:
    loader = jinja2.FileSystemLoader(_TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["largest"] = _largest
    return environment.get_template(name)


def _largest(values: dict[str, float]) -> str:
    return max(values, key=values.get)
