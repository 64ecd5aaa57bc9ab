"""A made-up corpus of IEMOCAP's size, counts and quirks, in the layout of `IEMOCAP_full_release`.

The names of the dialogs and the counts are the release's; words, voices and who says what in which dialog are made up,
so no figure that depends on the real ids (say, the emotions of a test set) can be checked on it.

    python tests/iemocap_tree.py FOLDER [--seed N] [--true-durations]
"""

import argparse
import collections
import os
import pathlib
import re
import struct
from dataclasses import dataclass

import numpy as np

SAMPLE_RATE = 16_000

# Labels of the complete release: improvised, scripted.
LABELS = {
    "neu": (1099, 609),
    "hap": (284, 311),
    "exc": (663, 378),
    "sad": (608, 476),
    "ang": (289, 814),
}
OTHER_LABELS = {"fru": 1849, "fea": 40, "sur": 107, "dis": 2, "oth": 3, "xxx": 2507}
OTHERS_IMPROVISED = 1841  # of the 4,508; 4,784 of all 10,039 are improvised

# Per session: neutral, happiness with excitement, sadness, anger; what F and M say of these; and all labels.
SESSIONS = {
    1: ((384, 278, 194, 229), (528, 557), 1819),
    2: ((362, 327, 197, 137), (481, 542), 1811),
    3: ((320, 286, 305, 240), (522, 629), 2136),
    4: ((258, 303, 143, 327), (528, 503), 2103),
    5: ((384, 442, 245, 170), (590, 651), 2170),
}
CLASSES = (("neu",), ("hap", "exc"), ("sad",), ("ang",))
FOUR_CLASSES = tuple(code for codes in CLASSES for code in codes)

OTHER_MARKERS = 2750  # of the 5,531: who speaks is not who wears the markers
ODD_DIALOGS = {  # 174 of the 5,531; how many in each is made up
    "Ses03M_impro05a": 38,
    "Ses03M_impro05b": 30,
    "Ses03M_impro08a": 36,
    "Ses03M_impro08b": 34,
    "Ses05M_script01_1b": 36,
}

PORTIONS = ("script01_1", "script01_2", "script01_3", "script02_1", "script02_2", "script03_1", "script03_2")

# Which classes (neutral, happiness, sadness, anger) a scene leans to; made up, but no scene is of one emotion only.
_LEANING = {
    "impro01": (4, 1, 1, 3), "impro02": (2, 1, 6, 1), "impro03": (2, 6, 1, 1), "impro04": (5, 1, 1, 3),
    "impro05": (3, 1, 1, 6), "impro06": (2, 1, 6, 1), "impro07": (2, 7, 1, 1), "impro08": (6, 1, 1, 2),
    "script01_1": (4, 2, 2, 2), "script01_2": (3, 2, 1, 4), "script01_3": (2, 5, 2, 4), "script02_1": (2, 2, 5, 1),
    "script02_2": (2, 2, 6, 2), "script03_1": (3, 6, 1, 1), "script03_2": (1, 1, 1, 7),
}  # fmt: skip

SECONDS = 25_164  # of the four classes: 6.99 h, 4.55 s an utterance
SHORTEST, LONGEST = 0.6, 34.1  # seconds
MEAN_WORDS, MOST_WORDS = 14.0, 113

STRAY_BYTES = {  # dialog → folder of the text file that holds bytes which are not UTF-8
    "Ses02F_impro03": "transcriptions",
    "Ses04M_script02_2": "transcriptions",
    "Ses05F_impro01": "EmoEvaluation",
}
APPLE_DOUBLE = ("Ses01F_impro01", "Ses03M_impro05a", "Ses05M_script01_1b")  # dialogs with ._ files beside theirs
_APPLE_DOUBLE_BYTES = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        \x00\x02\x00\x00\x00\x09\xff\xfe\x0a[\xe9"


def dialogs(session: int) -> list[str]:
    """The names of a session's dialogs; 28, 30, 32, 30 and 31 of them."""
    names = []
    for marker in "FM":
        parts = [f"impro{part:02d}" for part in range(1, 8 if session == 1 else 9)] + list(PORTIONS)
        if (session, marker) == (3, "M"):
            parts = [part for part in parts if part not in ("impro05", "impro08")]
            parts += ["impro05a", "impro05b", "impro08a", "impro08b"]
        if (session, marker) == (5, "M"):
            parts.append("script01_1b")
        names += [f"Ses0{session}{marker}_{part}" for part in parts]
    return sorted(names)


@dataclass(frozen=True)
class Turn:
    """An utterance of the tree."""

    id: str
    dialog: str
    gender: str
    code: str
    seconds: float
    words: int


def turns(seed: int = 0) -> list[Turn]:
    """The 10,039 utterances, by dialog, each dialog in the order of time."""
    random = np.random.default_rng(seed)
    spoken = [*_four_classes(random), *_others(random)]  # (dialog, gender, code)
    seconds = _durations(random, sum(code in FOUR_CLASSES for _, _, code in spoken))
    words = _word_counts(random, seconds)
    extra = random.choice(seconds, len(spoken) - len(seconds))
    lengths = [*zip(seconds, words, strict=True), *((length, 1 + int(3 * length)) for length in extra)]
    in_dialog = collections.defaultdict(list)
    for (dialog, gender, code), (length, count) in zip(spoken, lengths, strict=True):
        in_dialog[dialog].append((gender, code, float(length), int(count)))
    result = []
    for dialog in sorted(in_dialog):
        numbers = collections.Counter()
        for place in random.permutation(len(in_dialog[dialog])):
            gender, code, length, count = in_dialog[dialog][place]
            result.append(Turn(f"{dialog}_{gender}{numbers[gender]:03d}", dialog, gender, code, length, count))
            numbers[gender] += 1
    return result


def _four_classes(random: np.random.Generator) -> list[tuple[str, str, str]]:
    """Dialog, speaker's letter and code of the 5,531, with every count of the release."""
    per_class = np.array([counts for counts, _, _ in SESSIONS.values()])
    improvised = [_shares(sum(LABELS[code][0] for code in codes), per_class[:, place])
                  for place, codes in enumerate(CLASSES)]  # fmt: skip
    cells = collections.defaultdict(list)  # session → (code, improvised) of every utterance
    for style in (True, False):
        for place, codes in enumerate(CLASSES):
            here = improvised[place] if style else per_class[:, place] - improvised[place]
            first = _shares(LABELS[codes[0]][0 if style else 1], here)
            for session, count, of_first in zip(SESSIONS, here, first, strict=True):
                cells[session] += [(codes[0], style)] * of_first + [(codes[-1], style)] * (count - of_first)
    differing = _shares(OTHER_MARKERS, per_class.sum(axis=1))
    result = []
    for (session, (_, speakers, _)), differ in zip(SESSIONS.items(), differing, strict=True):
        order = random.permutation(len(cells[session]))
        genders = random.permutation(np.repeat(["F", "M"], speakers))
        other = random.permutation(np.arange(len(order)) < differ)
        by_marker = collections.defaultdict(list)
        for place, gender, differs in zip(order, genders, other, strict=True):
            code, style = cells[session][place]
            marker = {"F": "M", "M": "F"}[gender] if differs else gender
            by_marker[marker, style].append((str(gender), code))
        for (marker, style), utterances in by_marker.items():
            result += _in_dialogs(session, str(marker), style, utterances, random)
    return result


def _in_dialogs(session, marker, style, utterances, random) -> list[tuple[str, str, str]]:
    """Spreads utterances over the dialogs of a session, a marker and a style, as the scenes lean; the odd ones fill."""
    names = [name for name in dialogs(session) if name[5] == marker and ("impro" in name) == style]
    odd = [name for name in names if name in ODD_DIALOGS]
    places = [name for name in odd for _ in range(ODD_DIALOGS[name])]
    result = [(name, *utterance) for name, utterance in zip(places, utterances, strict=False)]
    usual = [name for name in names if name not in ODD_DIALOGS]
    leaning = np.array([_LEANING[name[7:]] for name in usual], float)
    for gender, code in utterances[len(places) :]:
        weights = leaning[:, [code in codes for codes in CLASSES].index(True)]
        result.append((usual[random.choice(len(usual), p=weights / weights.sum())], gender, code))
    return result


def _others(random: np.random.Generator) -> list[tuple[str, str, str]]:
    """Dialog, speaker's letter and code of the 4,508 of other labels."""
    codes = random.permutation([code for code, count in OTHER_LABELS.items() for _ in range(count)])
    per_session = np.array([every - sum(counts) for counts, _, every in SESSIONS.values()])
    improvised = _shares(OTHERS_IMPROVISED, per_session)
    result = []
    for session, count, of_improvised in zip(SESSIONS, per_session, improvised, strict=True):
        for place in range(count):
            names = [name for name in dialogs(session) if ("impro" in name) == (place < of_improvised)]
            result.append((names[random.integers(len(names))], "FM"[random.integers(2)], str(codes[len(result)])))
    return result


def _shares(total: int, weights) -> np.ndarray:
    """Divides `total` in proportion to the weights, by largest remainders; no share exceeds its weight."""
    exact = total * np.asarray(weights) / np.sum(weights)
    shares = np.floor(exact).astype(int)
    shares[np.argsort(shares - exact, kind="stable")[: total - shares.sum()]] += 1
    return shares


def _durations(random: np.random.Generator, count: int) -> np.ndarray:
    """Seconds, roughly log-normal, with the release's sum, shortest and longest; whole samples."""
    seconds = np.exp(random.normal(np.log(3.6), 0.68, count))
    for _ in range(50):
        seconds = np.clip(seconds * SECONDS / seconds.sum(), SHORTEST, LONGEST)
    seconds[[seconds.argmin(), seconds.argmax()]] = SHORTEST, LONGEST
    return np.round(seconds * SAMPLE_RATE) / SAMPLE_RATE


def _word_counts(random: np.random.Generator, seconds: np.ndarray) -> np.ndarray:
    """Words that go with the durations: about 14 in the mean, 113 at most, one at least."""
    words = seconds * random.uniform(2.2, 4.0, len(seconds))
    for _ in range(50):
        words = np.clip(words * MEAN_WORDS / np.round(words).mean(), 1, MOST_WORDS - 1)
    words[words.argmax()] = MOST_WORDS
    return np.round(words).astype(int)


# ---- words ----------------------------------------------------------------------------------------------------------

_COMMON = (
    "i you to the it a and that what know no of is in me don't my this just for have do not like be we so was it's "
    "are but with on all your well go get can't want i'm he about she they think out up one how if here there yeah "
    "mean really right would could going they're that's okay why time when at because then him her did say been "
    "will see them now good from good-bye larry friend brother sister mother father door house moon fish beach town "
    "line form bag plane war letter night year work married baby wait tell thing people way life feel need make take"
)
_LEANING_WORDS = {
    "neu": "okay license address form number counter office computer street simple",
    "hap": "wonderful funny beautiful happy excited party wedding congratulations smile awesome",
    "exc": "wonderful funny beautiful happy excited party wedding congratulations smile awesome",
    "sad": "died alone miss sorry gone lonely funeral cancer leave crying",
    "ang": "stupid damn stop ridiculous hell shut crap fault insane enough",
}
_TAGS = ("[LAUGHTER]", "[BREATHING]", "[GARBAGE]", "[LIPSMACK]")


def _text(turn: Turn, random: np.random.Generator) -> str:
    """`turn.words` words as IEMOCAP writes them, with a colon, a tag or a bracket now and then."""
    common = _COMMON.split()
    leaning = _LEANING_WORDS.get(turn.code, _COMMON).split()
    draws, ranks = random.random((3, turn.words)), random.random(turn.words)
    words = [
        leaning[int(ranks[place] * len(leaning))] if draws[0, place] < 0.12
        else _rare(draws[2, place]) if draws[1, place] < 0.1
        else common[int(len(common) ** ranks[place]) - 1]  # roughly Zipf's law
        for place in range(turn.words)
    ]  # fmt: skip
    words = ["I" + word[1:] if re.match(r"i\b", word) else word for word in words]
    words[0] = words[0][0].upper() + words[0][1:]
    quirk = random.random()
    if quirk < 0.03 and turn.words > 3:
        words[1] += ":"
    if quirk < 0.005 and turn.words > 3:
        words[2] = f"[{words[2]}]:"  # the text itself may look like the end of the times
    if 0.03 < quirk < 0.08:
        words.insert(int(random.integers(len(words) + 1)), _TAGS[random.integers(len(_TAGS))])
    return " ".join(words) + ".?!"[int(random.integers(3))]


def _rare(draw: float) -> str:
    """A made-up word; few come often and many seldom."""
    rank = int(2500**draw)
    return "".join("bdfgklmnprst"[rank // 5**power % 12] + "aeiou"[rank // 12**power % 5] for power in range(3))


# ---- files ----------------------------------------------------------------------------------------------------------


def write_tree(root: str | pathlib.Path, seed: int = 0, true_durations: bool = False) -> pathlib.Path:
    """Writes the tree.

    Args:
        root: becomes `IEMOCAP_full_release`; it may not exist yet.
        seed: of every draw.
        true_durations: recordings of the four classes last as long as the release's, 6.99 h or 0.8 GB of noise at the
            level of speech. Else, and for other labels always, 0.1 s; these are hard links to one file a dialog: to
            change one, remove it first.

    Returns:
        root.
    """
    root = pathlib.Path(root)
    root.mkdir(parents=True)
    by_dialog = collections.defaultdict(list)
    for turn in turns(seed):
        by_dialog[turn.dialog].append(turn)
    noise = _noise(np.random.default_rng([seed, 1]))
    for number, (dialog, in_dialog) in enumerate(by_dialog.items()):
        session = root / f"Session{dialog[4]}"
        random = np.random.default_rng([seed, 2, number])
        _write_recordings(session, dialog, in_dialog, noise, true_durations, random)
        _write_texts(session, dialog, in_dialog, random)
    return root


def _write_recordings(session, dialog, in_dialog, noise, true_durations, random) -> None:
    folder = session / "sentences" / "wav" / dialog
    folder.mkdir(parents=True)
    short = None
    for turn in in_dialog:
        path = folder / f"{turn.id}.wav"
        if true_durations and turn.code in FOUR_CLASSES:
            path.write_bytes(_wav(noise, round(turn.seconds * SAMPLE_RATE), random))
        elif short is None:
            path.write_bytes(_wav(noise, SAMPLE_RATE // 10, random))
            short = path
        else:
            os.link(short, path)
    if dialog in APPLE_DOUBLE:
        (folder / f"._{in_dialog[0].id}.wav").write_bytes(_APPLE_DOUBLE_BYTES)


def _noise(random: np.random.Generator) -> np.ndarray:
    """Two minutes of noise, int16, as loud as speech and with its slope (-6 dB an octave) and syllables."""
    count = 120 * SAMPLE_RATE
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum /= np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE), 200.0)
    sound = np.fft.irfft(spectrum, count)
    syllables = np.repeat(random.uniform(0.05, 1.0, count // 4000), 4000)  # four a second
    sound *= np.convolve(syllables, np.hanning(1600) / np.hanning(1600).sum(), "same")
    return np.round(sound * 0.05 * 2**15 / sound.std()).clip(-32768, 32767).astype("<i2")  # 0.05: -26 dB


def _wav(noise: np.ndarray, count: int, random: np.random.Generator) -> bytes:
    """A WAV file, 16 kHz mono PCM-16, of `count` samples from anywhere in the noise."""
    start = int(random.integers(len(noise) - count))
    size = 2 * count
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16, b"data", size,
    )  # fmt: skip
    return header + noise[start : start + count].tobytes()


_NAMES = {"neu": "Neutral", "hap": "Happiness", "exc": "Excited", "sad": "Sadness", "ang": "Anger"} | {
    "fru": "Frustration", "fea": "Fear", "sur": "Surprise", "dis": "Disgust", "oth": "Other", "xxx": "Other",
}  # fmt: skip


def _write_texts(session, dialog, in_dialog, random) -> None:
    """The dialog's labels and transcripts, and what other raters said."""
    labels = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    others = list(labels)
    lines, end = [], 5.0
    blocks = {}
    for turn in in_dialog:
        start = end + random.uniform(0.1, 1.5)
        end = start + turn.seconds
        values = ", ".join(f"{value:.4f}" for value in random.integers(4, 21, 3) / 4)
        name = _NAMES[turn.code]
        blocks[turn.id] = [
            f"[{start:.4f} - {end:.4f}]\t{turn.id}\t{turn.code}\t[{values}]",
            f"C-E2:\t{name};\t()",
            f"C-E3:\t{name}; Frustration;\t(annoyed: a little)",
            "C-E4:\t;\t()",
            f"C-{turn.gender}1:\t{name}; Other;\t(unsure)",
            "A-E3:\tval 3; act 2; dom  2;\t()",
            "A-E4:\tval ; act 3; dom  ;\t()",
            f"A-{turn.gender}1:\tval  3; act  3; dom  3;\t()",
            "",
        ]
        others.append(f"[{start:.4f} - {end:.4f}]\t{turn.id}\t{'ang' if turn.code != 'ang' else 'neu'}\t[{values}]")
        lines.append(f"{turn.id} [{start:08.4f}-{end:08.4f}]: {_text(turn, random)}")
    for id in sorted(blocks):  # transcripts go by time
        labels += blocks[id]
    lines.insert(len(lines) // 2, f"{dialog[5]}: sorry")
    lines.insert(len(lines) // 3, f"{dialog}_{dialog[5]}XX{random.integers(10)} [{end:08.4f}-{end + 1:08.4f}]: Mm-hmm.")
    evaluation = session / "dialog" / "EmoEvaluation"
    stray = STRAY_BYTES.get(dialog)
    _write(evaluation / f"{dialog}.txt", labels, (b"(unsure)", b"(na\xefve)") if stray == "EmoEvaluation" else None)
    transcripts = session / "dialog" / "transcriptions" / f"{dialog}.txt"
    _write(transcripts, lines, (b"]: ", b"]: [\xc9H] ") if stray == "transcriptions" else None)
    for folder, suffix in ("Attribute", "_e2_atr"), ("Categorical", "_e2_cat"), ("Self-evaluation", "_f"):
        _write(evaluation / folder / f"{dialog}{suffix}.txt", others)
    if dialog in APPLE_DOUBLE:
        for folder in "EmoEvaluation", "transcriptions":
            (session / "dialog" / folder / f"._{dialog}.txt").write_bytes(_APPLE_DOUBLE_BYTES)


def _write(path: pathlib.Path, lines: list[str], replaced: tuple[bytes, bytes] | None = None) -> None:
    """Writes a text file; the first occurrence of some bytes in it gives way to others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "\n".join([*lines, ""]).encode()
    path.write_bytes(content.replace(*replaced, 1) if replaced else content)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write a made-up corpus of IEMOCAP's size, counts and quirks.")
    parser.add_argument("folder", type=pathlib.Path, help="becomes IEMOCAP_full_release; may not exist yet")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--true-durations", action="store_true", help="6.99 h of noise, 0.8 GB, instead of 0.1 s each")
    arguments = parser.parse_args()
    write_tree(arguments.folder, arguments.seed, arguments.true_durations)
