"""A corpus made up from a seed, to try the package on: it can be had anywhere, and the truth about it is known.

Its emotions show in voice and words, neither of which suffices; in a share of the utterances, the conflicts, one of the
two shows another emotion than the label. It lies on disk as IEMOCAP does, quirks included, and is read by the same
reader. `synthetic.csv` beside it says what each utterance's voice and words really show.
"""

import csv
import io
import pathlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile

from tfcr import files
from tfcr.corpora import Corpus, iemocap
from tfcr.corpora.synthetic import voices
from tfcr.errors import TfcrError, UsageError
from tfcr.schema import EMOTIONS, MERGE, SAMPLE_RATE

LICENCE = "none: this package makes it, and it may be used for anything"

MARKER = "synthetic.json"  # written last: the corpus is complete
PARTIAL = "synthetic.partial"  # written first: the folder is ours, the corpus incomplete
TRUTH = "synthetic.csv"
REVISION = 1  # raise it whenever a seed gives another corpus than before: older ones are then written anew

# How much of an utterance's emotion can be read. A content word follows the emotion of the text with the first
# probability, some other emotion with the second; otherwise it is one that everybody uses.
WORD_FOLLOWS_EMOTION = 0.55
WORD_MISLEADS = 0.08

SCRIPT_REPEATS = 0.5  # share of the scripted utterances that say a line of the script; the others are off it
SCRIPT_LINES = 6  # lines per script and emotion
MIN_UTTERANCES = 40
SECONDS_PER_UTTERANCE = 0.015  # that writing takes on a laptop
_EXTRA_EVERY = 33  # one further utterance in so many has a label that the default emotions leave out (3 %)

_SPEAKERS = tuple((session, gender) for session in range(1, 6) for gender in "FM")


def read(root: str | pathlib.Path, seed: int = 0, conflict_rate: float = 0.2, utterances: int = 1200) -> Corpus:
    """Writes the corpus to `root`, unless it is there, and reads it.

    Args:
        root: a folder that is empty, does not exist or holds a synthetic corpus; one of other parameters is replaced.
        seed: of every draw. An utterance's words and voice depend on the seed and its number alone.
        conflict_rate: probability, from 0 to 1, that voice or words show another emotion than the label.
        utterances: of the four default emotions; about 3 % of others come on top.

    Raises:
        UsageError: a parameter outside its range.
        TfcrError: `root` holds something else.
    """
    root = pathlib.Path(root)
    parameters = _checked(seed, conflict_rate, utterances)
    try:
        _refuse_foreign(root)
        corpus = _complete(root, parameters)  # asked before the folder is held: it may be read-only
        if corpus is None:
            with files.held(root, "writing the synthetic corpus in"):
                corpus = _complete(root, parameters)  # by another process, meanwhile
                if corpus is None:
                    with files.full_disk_named(root):
                        _write(root, parameters)
                    corpus = iemocap.read_layout(root)
        return corpus
    except files.NoRoomError:
        raise
    except OSError as error:
        raise TfcrError(f"the synthetic corpus cannot be written to {root} ({error.strerror or error})") from error


def is_written(root: str | pathlib.Path, seed: int = 0, conflict_rate: float = 0.2, utterances: int = 1200) -> bool:
    """Whether `read` finds the corpus in `root`; else it writes it, which takes `SECONDS_PER_UTTERANCE`."""
    try:
        return _complete(pathlib.Path(root), _checked(seed, conflict_rate, utterances)) is not None
    except OSError:
        return False


def _checked(seed: int, conflict_rate: float, utterances: int) -> dict:
    if not isinstance(seed, int) or seed < 0:
        raise UsageError(f"seed is {seed!r}; expected an integer from 0")
    if not isinstance(conflict_rate, (int, float)) or not 0.0 <= conflict_rate <= 1.0:
        raise UsageError(f"conflict_rate is {conflict_rate!r}; expected a number from 0 to 1")
    if not isinstance(utterances, int) or utterances < MIN_UTTERANCES:
        raise UsageError(f"utterances is {utterances!r}; expected an integer from {MIN_UTTERANCES}")
    return {
        "revision": REVISION,
        "seed": seed,
        "conflict_rate": float(conflict_rate),
        "utterances": utterances,
    }


def _refuse_foreign(root: pathlib.Path) -> None:
    if root.exists() and not root.is_dir():
        raise TfcrError(f"{root} is a file; expected a folder to write the synthetic corpus in")
    if not root.exists() or (root / MARKER).exists() or (root / PARTIAL).exists():
        return
    ours = re.compile(r"\.lock|\.synthetic\..*\.tmp")  # all that a first write may leave that is killed at once
    foreign = [path.name for path in root.iterdir() if not ours.fullmatch(path.name)]
    if foreign:
        raise TfcrError(
            f"{root} holds {min(foreign)!r} and no synthetic corpus; expected an empty folder: nothing was written"
        )


def _complete(root: pathlib.Path, parameters: dict) -> Corpus | None:
    """The corpus that lies in `root`, unless it is incomplete, has other parameters or has lost a file since."""
    if (root / PARTIAL).exists() or not (root / MARKER).exists():
        return None
    try:
        return iemocap.read_layout(root) if files.read_json(root / MARKER) == parameters else None
    except TfcrError:
        return None


def _write(root: pathlib.Path, parameters: dict) -> None:
    """Whatever moment this is killed at, the folder says that it is ours and not complete."""
    files.write_text(root / PARTIAL, "The synthetic corpus in this folder is incomplete; it will be written anew.\n")
    files.remove_temporaries(root)
    (root / MARKER).unlink(missing_ok=True)
    (root / TRUTH).unlink(missing_ok=True)
    for session in range(1, 6):
        if (root / f"Session{session}").exists():
            shutil.rmtree(root / f"Session{session}")
    seed = parameters["seed"]
    plans = list(_plans(seed, parameters["conflict_rate"], parameters["utterances"]))
    by_dialog: dict[str, list[_Plan]] = {}
    for plan in plans:
        by_dialog.setdefault(plan.dialog, []).append(plan)
    speakers = {
        (session, gender): voices.Speaker.drawn(gender, _random(seed, "speaker", index))
        for index, (session, gender) in enumerate(_SPEAKERS)
    }
    for dialog, in_dialog in by_dialog.items():
        turns = [_performed(plan, speakers[plan.session, plan.gender], seed) for plan in in_dialog]
        write_dialog(root / f"Session{in_dialog[0].session}", dialog, turns, _random(seed, "layout", *dialog.encode()))
    files.write_text(root / TRUTH, _truth(plans))
    files.write_json(root / MARKER, parameters)
    (root / PARTIAL).unlink()


def _truth(plans: list["_Plan"]) -> str:
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["id", "emotion", "audio_emotion", "text_emotion"])
    rows.writerows(sorted((plan.id, plan.emotion, plan.audio_emotion, plan.text_emotion) for plan in plans))
    return table.getvalue()


# ---- what is said, by whom, and how ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Plan:
    """One utterance before it is spoken; `emotion` is its label, the others what its voice and words show."""

    number: int
    id: str
    dialog: str
    session: int
    gender: str
    emotion: str
    audio_emotion: str
    text_emotion: str


def _plans(seed: int, conflict_rate: float, utterances: int) -> Iterator[_Plan]:
    """The utterances, in an order that does not depend on how many are asked for.

    Numbers go round the ten speakers and, for each pair of them, round the dialogs of their session.
    """
    cycles = [_emotions(seed, speaker) for speaker in range(len(_SPEAKERS))]
    number = left = 0
    while left < utterances:
        session, gender = _SPEAKERS[number % len(_SPEAKERS)]
        round_ = number // len(_SPEAKERS)
        dialogs = _dialogs(session)
        dialog = dialogs[round_ % len(dialogs)]
        random = _random(seed, "plan", number)
        emotion = audio = text = next(cycles[number % len(_SPEAKERS)])
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
        yield _Plan(number, id, dialog, session, gender, emotion, audio, text)
        number += 1


def _emotions(seed: int, speaker: int) -> Iterator[str]:
    """A speaker's emotions without end: all four come first, and 20 have IEMOCAP's proportions (31, 30, 20, 20 %)."""
    random = _random(seed, "emotions", speaker)
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


def _performed(plan: _Plan, speaker: voices.Speaker, seed: int) -> "Turn":
    text = _transcript(plan, seed)
    random = _random(seed, "voice", plan.number)
    manner = voices.drawn_manner(plan.audio_emotion, random)
    samples = voices.spoken(text.split(), speaker, manner, random)
    return Turn(plan.id, plan.emotion, text, samples)


def _random(seed: int, purpose: str, *key: int) -> np.random.Generator:
    """The generator of one purpose and thing: it depends on nothing that was drawn for another."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*purpose.encode(), 0, *key)))


# ---- words ----------------------------------------------------------------------------------------------------------

_TEMPLATES = (
    "{opener} {closer}",
    "it was {adjective}",
    "what a {adjective} {noun}",
    "{opener} it was {adjective}",
    "{person} {verb} the {noun}",
    "i {verb} the {noun} {closer}",
    "{person} said it was {adjective}",
    "the {noun} was so {adjective} {closer}",
    "{opener} you {verb} my {noun} {closer}",
    "{opener} {person} {verb} the {adjective} {noun}",
    "did you know that {person} {verb} the {noun}",
    "{opener} we {verb} it and it was {adjective} {closer}",
    "i think {person} {verb} your {adjective} {noun} {closer}",
    "{opener} i {verb} the {noun} and the {noun} was {adjective}",
)
_EVERYBODYS = {
    "opener": "oh well look so listen really maybe actually you_know",
    "adjective": "big small new old long different strange real whole young hard short",
    "noun": "house car door letter phone room story dinner bag kitchen friend picture dog book street coat",
    "verb": "saw took found wanted had heard gave left kept brought",
    "closer": "today yesterday again then there last_night this_morning at_home too",
    "person": "my_mother my_father my_brother she he they somebody the_doctor his_wife our_neighbor",
}
_LEANING = {
    "neutral": {
        "opener": "okay yes right hello alright",
        "adjective": "usual regular next simple plain ready normal open",
        "noun": "form office line address number license window appointment paper schedule",
        "verb": "checked signed filed needed moved read counted",
        "closer": "on_monday at_noon first in_line",
    },
    "happiness": {
        "opener": "wow great hurray fantastic congratulations",
        "adjective": "wonderful amazing lovely beautiful funny sweet perfect exciting",
        "noun": "wedding baby party trip beach present song dance surprise kiss",
        "verb": "loved won enjoyed celebrated married planned adored",
        "closer": "at_last together forever tonight",
    },
    "sadness": {
        "opener": "sorry alas sadly please no",
        "adjective": "lonely empty gone quiet lost broken tired hopeless",
        "noun": "funeral hospital grave goodbye memory tear war accident pain loss",
        "verb": "lost missed buried mourned remembered needed cried_over",
        "closer": "alone anymore without_him for_nothing",
    },
    "anger": {
        "opener": "hey damn stop shut_up enough",
        "adjective": "ridiculous stupid unfair useless rude crazy awful impossible",
        "noun": "fault lie mess insult complaint fight delay mistake nonsense bill",
        "verb": "ruined broke hated blamed stole smashed refused",
        "closer": "right_now every_time god_damn for_once",
    },
}
_TAGS = ("[LAUGHTER]", "[BREATHING]", "[GARBAGE]")


def _transcript(plan: _Plan, seed: int) -> str:
    """The words of an utterance as IEMOCAP writes them, with a tag now and then, and a colon."""
    random = _random(seed, "words", plan.number)
    emotion = MERGE.get(plan.text_emotion, plan.text_emotion)
    sentence = _sentence(emotion, random)
    script = plan.dialog.partition("script")[2].rstrip("b")
    if random.random() < SCRIPT_REPEATS and script:
        line = int(random.integers(SCRIPT_LINES))
        sentence = _sentence(emotion, _random(seed, "script", *script.encode(), EMOTIONS.index(emotion), line))
    words = ["I" if word == "i" else word for word in sentence.split()]
    words[0] = words[0].capitalize()
    if "said" in words and random.random() < 0.5:
        words[words.index("said")] += ":"
    tag = f" {_TAGS[random.integers(len(_TAGS))]}" if random.random() < 0.04 else ""
    end = "?" if words[0] == "Did" else ".!"[int(random.random() < 0.2)]
    return " ".join(words) + end + tag


def _sentence(emotion: str, random: np.random.Generator) -> str:
    """2 to 12 words in lower case, whose content leans to an emotion."""
    template = _TEMPLATES[random.integers(len(_TEMPLATES))]
    return " ".join(
        _content_word(part.strip("{}"), emotion, random) if part.startswith("{") else part for part in template.split()
    )


def _content_word(slot: str, emotion: str, random: np.random.Generator) -> str:
    draw, other = random.random(), random.integers(len(EMOTIONS) - 1)
    if draw >= WORD_FOLLOWS_EMOTION + WORD_MISLEADS or slot not in _LEANING[emotion]:
        words = _EVERYBODYS[slot]
    elif draw < WORD_FOLLOWS_EMOTION:
        words = _LEANING[emotion][slot]
    else:
        words = _LEANING[[candidate for candidate in EMOTIONS if candidate != emotion][other]][slot]
    choices = words.split()
    return choices[random.integers(len(choices))].replace("_", " ")


# ---- IEMOCAP's layout -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Turn:
    """An utterance to be written, with a label of `iemocap.EMOTION_OF_CODE`; samples: int16 [samples], 16 kHz."""

    id: str
    emotion: str
    transcript: str
    samples: np.ndarray


_CODE_OF_EMOTION = {emotion: code for code, emotion in iemocap.EMOTION_OF_CODE.items()}
_RATER_LINES = (  # as they stand in the release: double spaces, missing values, several labels
    "C-E2:\t{name};\t()",
    "C-E4:\t{name}; Other;\t(unsure)",
    "A-E3:\tval 3; act 2; dom  2;\t()",
    "A-E4:\tval 2; act ; dom  3;\t()",
    "C-F1:\t{name};\t()",
    "A-M1:\tval  3; act  3; dom  3;\t()",
)


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
