"""Cross-corpus figures as text, CSV, Markdown and LaTeX."""

import csv
import io
from collections.abc import Iterator, Sequence

from tfcr.report.findings.transfers import Transfer
from tfcr.report.formatting import spread
from tfcr.report.tables.latex import document
from tfcr.report.tables.markdown import markdown_table

_HEADER = (
    *("Trained on", "Tested on", "System", "Protocol", "WA", "UA", "Macro F1", "Weighted F1", "Runs", "Tests"),
    "Left out",
)
_MEASURES = ("wa", "ua", "macro_f1", "weighted_f1")
_CSV = (
    *("trained_on", "tested_on", "classes", "system", "alpha", "name", "preset", "protocol", "fold_seed"),
    *(f"{measure}_{what}" for measure in _MEASURES for what in ("percent", "deviation")),
    *("runs", "tests", "left_out", "untested_runs"),
)


def caption(emotions: Sequence[str]) -> str:
    """What the figures are."""
    return (
        f"Trained on one dataset and tested on another, in %, among the {len(emotions)} classes that all of them "
        f"share: {', '.join(emotions)}. Mean ± standard deviation over folds, seeds averaged within each fold. On "
        "its own dataset a run is tested on its own test part, where that has utterances of these classes, on another "
        "on all utterances that it has not heard. Runs: those that were tested, and of how many if not all were. "
        "Tests: utterances, once for each run. Left out: those of another dataset that the run was trained or stopped "
        "by."
    )


def cross_corpus_text(transfers: Sequence[Transfer]) -> str:
    """For a terminal."""
    rows = [_HEADER, *_rows(transfers)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number < 4 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def cross_corpus_csv(transfers: Sequence[Transfer], emotions: Sequence[str]) -> str:
    """Percentages with six decimals."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _CSV, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_record(transfer, emotions) for transfer in transfers)
    return buffer.getvalue()


def cross_corpus_markdown(transfers: Sequence[Transfer], emotions: Sequence[str]) -> str:
    """The table under its caption."""
    return "\n".join([caption(emotions), "", *markdown_table(_HEADER, _rows(transfers))]) + "\n"


def cross_corpus_latex(transfers: Sequence[Transfer], emotions: Sequence[str]) -> str:
    """The table with its caption."""
    columns = [rf"p{{{share}\linewidth}}" for share in (0.09, 0.09, 0.16, 0.08)] + ["r"] * (len(_HEADER) - 4)
    return document(columns, _HEADER, _rows(transfers), caption(emotions), "tab:cross-corpus")


def _rows(transfers: Sequence[Transfer]) -> Iterator[list[str]]:
    for each in transfers:
        measures = (spread(getattr(each, measure)) for measure in _MEASURES)
        place = each.trained_on, each.tested_on, each.condition.name, each.condition.protocol
        runs = f"{each.runs} of {each.runs + each.untested_runs}" if each.untested_runs else str(each.runs)
        yield [*place, *measures, runs, f"{each.utterances:,}", f"{each.left_out:,}"]


def _record(transfer: Transfer, emotions: Sequence[str]) -> dict:
    condition = transfer.condition
    figures = {measure: getattr(transfer, measure) for measure in _MEASURES}
    return {
        "trained_on": transfer.trained_on,
        "tested_on": transfer.tested_on,
        "classes": " ".join(emotions),
        "name": condition.name,
        **{name: getattr(condition, name) for name in ("system", "alpha", "preset", "protocol", "fold_seed")},
        **{f"{measure}_percent": f"{100 * value.mean:.6f}" for measure, value in figures.items()},
        **{
            f"{measure}_deviation": "" if value.deviation is None else f"{100 * value.deviation:.6f}"
            for measure, value in figures.items()
        },
        "runs": transfer.runs,
        "tests": transfer.utterances,
        "left_out": transfer.left_out,
        "untested_runs": transfer.untested_runs,
    }
