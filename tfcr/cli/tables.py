"""Tables of results: an evaluation's figures, and what a dataset holds."""

import re
import statistics
import sys
from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tfcr.cli.display import is_terminal
from tfcr.schema import SAMPLE_RATE

_MOST_SPEAKERS = 30  # that a table gives rows to
_MOST_NAMED = 4  # speakers of a session
_WIDEST = 10_000  # columns of a table that nothing cuts


def metrics_table(parts: dict[str, dict]) -> Table:
    """WA, UA, F1, the modalities alone, the conflict rates and the calibration errors of some parts, in per cent."""
    names = {
        "wa": "WA", "ua": "UA", "macro_f1": "macro F1", "weighted_f1": "weighted F1",
        "wa_audio": "WA of s_a", "wa_text": "WA of s_t",
        "conflict_rate": "conflicts", "conflict_rate_centred": "conflicts, centred",
        "ece": "ECE", "ece_scaled": "ECE, scaled",
    }  # fmt: skip
    table = Table("in %", *names.values())
    for part, figures in parts.items():
        cells = (figures.get(name) for name in names)  # of earlier versions without F1
        table.add_row(part, *("–" if value is None else f"{100 * value:.2f}" for value in cells))
    return table


def counts_table(rows: Sequence, emotions: Sequence[str]) -> Table:
    """How many utterances every session has, of each emotion and speaker; without sessions, how many every speaker has.

    Speakers whose names end in a digit and F or M, as IEMOCAP's do, have a column for each letter. Of others a session
    names up to four; more are counted. Beyond 30 speakers without sessions there is one row for all.

    Args:
        rows: one an utterance, with `session`, `speaker` and `emotion`.
        emotions: the columns.
    """
    names = {row.speaker for row in rows}
    by_session = any(row.session for row in rows)
    by_speaker = not by_session and len(names) <= _MOST_SPEAKERS
    lettered = not by_speaker and all(re.search(r"\d[FM]$", name) for name in names)
    letters = sorted({name[-1] for name in names}) if lettered else []
    groups: dict[str, list] = {}
    if by_session or by_speaker:
        for row in rows:
            groups.setdefault((row.session if by_session else row.speaker) or "none", []).append(row)

    table = Table("session" if by_session else "speaker", box=box.MARKDOWN)
    for name in "total", *emotions, *(f"{letter} speaker" for letter in letters):
        table.add_column(_cell(name), justify="right")
    if not by_speaker and not lettered:
        table.add_column("speakers")
    for name, members in [*sorted(groups.items(), key=_natural), ("all", rows)]:
        of_emotion = Counter(row.emotion for row in members)
        of_letter = Counter(row.speaker[-1:] for row in members)
        counts = [
            len(members),
            *(of_emotion[emotion] for emotion in emotions),
            *(of_letter[letter] for letter in letters),
        ]
        who = [] if by_speaker or lettered else [_speakers(Counter(row.speaker or "none" for row in members))]
        table.add_row(*map(_cell, (name, *map(str, counts), *who)))
    return table


def durations_table(rows: Sequence, emotions: Sequence[str]) -> Table:
    """How long the utterances of every emotion last, and how long all do.

    Args:
        rows: one an utterance, with `num_samples` and `emotion`.
        emotions: the rows of the table.
    """
    measures = {"shortest": min, "median": statistics.median, "mean": statistics.mean, "longest": max}
    table = Table("seconds", box=box.MARKDOWN)
    for name in measures:
        table.add_column(name, justify="right")
    groups = [(emotion, [row for row in rows if row.emotion == emotion]) for emotion in emotions]
    for name, members in [*groups, ("all", rows)]:
        seconds = [row.num_samples / SAMPLE_RATE for row in members]
        table.add_row(_cell(name), *(f"{measure(seconds):.2f}" for measure in measures.values()))
    return table


def _cell(text: str) -> Text:
    """A cell of Markdown, in which a stroke would end it."""
    return Text(text.replace("|", "\\|"))


def _speakers(counts: Counter) -> str:
    if len(counts) > _MOST_NAMED:
        return str(len(counts))
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=_natural))


def _natural(item: tuple[str, object]) -> list[tuple]:
    """Sorts by name, s2 before s10."""
    parts = re.split(r"([0-9]+)", item[0])
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def print_table(table: Table, to_log: bool = False) -> None:
    """Prints a table whole: a narrow terminal or a pipe loses no figure of it.

    Args:
        to_log: whether it goes to the error stream; results go to standard output.
    """
    stream = sys.stderr if to_log else sys.stdout
    wide = Console(file=stream, highlight=False, width=_WIDEST, force_terminal=is_terminal(stream))
    wide.width = wide.measure(table).maximum
    with wide.capture() as capture:
        wide.print(table)
    print(capture.get().strip(), file=stream)  # some boxes have blank edges
