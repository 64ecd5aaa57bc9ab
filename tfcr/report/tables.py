"""Table 1 and the confusion matrices as CSV, Markdown and plain text."""

import csv
import html
import io
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tfcr import published
from tfcr.published import PublishedRow
from tfcr.report.conditions import BASELINE_SYSTEM, PAPER_ALPHA, PROTOCOLS
from tfcr.report.results import Difference, Result, Spread

MISSING = "–"

_TERMINAL_WIDTH = 100

_CSV_HEADER = (
    "source",
    "dataset",
    "dataset_sha256",
    "preset",
    "protocol",
    "fold_seed",
    "system",
    "alpha",
    "name",
    "wa_percent",
    "wa_deviation",
    "ua_percent",
    "ua_deviation",
    "pooled_wa_percent",
    "pooled_ua_percent",
    "wa_seed_deviation",
    "ua_seed_deviation",
    "folds",
    "seeds",
    "runs",
    "predictions",
    "conflict_percent",
    "conflict_centred_percent",
    "wa_audio_percent",
    "wa_text_percent",
    "comparable",
    "measured",
    "split",
)


@dataclass(frozen=True)
class Section:
    """One dataset's part of the report.

    Attributes:
        dataset: its name.
        label: its name, with its preset or its hash where two datasets share the name.
        synthetic, transductive: what a reader must be warned of.
        embeddings: where its word vectors come from, if the runs say so.
    """

    dataset: str
    label: str
    sha256: str
    synthetic: bool
    transductive: bool
    embeddings: str | None
    results: list[Result]
    differences: list[Difference]

    @property
    def protocols(self) -> list[dict[str, str]]:
        """The protocols that occur, each said plainly."""
        names = sorted({result.group.condition.protocol for result in self.results})
        return [{"name": name, "meaning": PROTOCOLS.get(name, "not one of this package's own")} for name in names]

    @property
    def rows(self) -> list[tuple[PublishedRow | None, list[Result]]]:
        """Our results by system and alpha, each with the paper's row; systems that only the paper has come last."""
        rows: dict[tuple[str, float], tuple[PublishedRow | None, list[Result]]] = {}
        for result in self.results:
            key = result.group.condition.system, result.group.condition.alpha
            rows.setdefault(key, (published.table_1_row(*key), []))[1].append(result)
        for row in published.TABLE_1:
            rows.setdefault((row.system, row.alpha), (row, []))
        return sorted(rows.values(), key=_place_in_table)


def percent(fraction: float | None, digits: int = 2) -> str:
    """A fraction as a percentage without its sign."""
    return MISSING if fraction is None else f"{100 * fraction:.{digits}f}"


def points(difference: float) -> str:
    """A difference of fractions in percentage points, with its sign."""
    text = f"{100 * difference:+.2f}"
    return text.replace("-", "−") if float(text) else "0.00"


def spread(value: Spread | None) -> str:
    """`mean ± deviation` in percent; without ± where there is one fold."""
    if value is None:
        return MISSING
    if value.deviation is None:
        return percent(value.mean)
    return f"{percent(value.mean)} ± {percent(value.deviation)}"


def printed(value: float | None) -> str:
    """A figure as a paper prints it."""
    return MISSING if value is None else str(value)


def folds_and_seeds(result: Result) -> str:
    """How many folds and seeds, and what is missing from them."""
    group = result.group
    folds, seeds = len(group.folds), len(group.seeds)
    of_all = group.num_folds
    text = f"{folds} of {of_all} folds" if of_all and folds < of_all else counted(folds, "fold")
    text += f" × {counted(seeds, 'seed')}"
    return text if group.is_complete else f"{text}, {len(group.runs)} runs of {folds * seeds}"


def counted(number: int, noun: str) -> str:
    """`1 fold`, `2 folds`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def comparability(result: Result) -> str:
    """Whether the paper's figure for the row can be held against ours, and why."""
    condition = result.group.condition
    row = published.table_1_row(condition.system, condition.alpha)
    if row is None:
        return "no published figure"
    if not row.on_test_set:
        return f"no: published figure is of {row.measured}"
    if result.on_published_test_set:
        if condition.preset == "authors":
            return "yes: same test utterances, the authors' settings"
        return f"test utterances are the same; settings are not (preset {condition.preset})"
    if (
        condition.protocol == published.PROTOCOL
        and published.FOLD in result.group.folds
        and len(result.group.folds) > 1
    ):
        return "no: mean over shifted splits, of which only fold 0 is the published one"
    if condition.protocol == published.PROTOCOL and result.group.folds == [published.FOLD]:
        return "no: other utterances"
    return f"no: other test sets (protocol {condition.protocol})"


def is_comparable(result: Result) -> bool:
    """Whether the paper's figure was measured on the same test utterances."""
    condition = result.group.condition
    row = published.table_1_row(condition.system, condition.alpha)
    return row is not None and row.on_test_set and result.on_published_test_set


def table_1_csv(sections: Iterable[Section]) -> str:
    """Table 1 with a row per condition, and the paper's rows; percentages with six decimals."""
    rows = [_published_record(row) for row in published.TABLE_1]
    rows += [_measured_record(section, result) for section in sections for result in section.results]
    return _csv(_CSV_HEADER, [[row.get(name, "") for name in _CSV_HEADER] for row in rows])


def table_1_markdown(sections: Iterable[Section]) -> str:
    """Table 1 for a README or a paper's draft."""
    header = ["System", "Source", "WA, %", "UA, %", "Pooled WA", "Pooled UA", "Conflicts, %", "Folds", "Comparable"]
    parts = []
    for section in sections:
        rows = []
        for row, results in section.rows:
            if row:
                figures = [printed(row.wa), printed(row.ua)] + [MISSING] * 3
                rows.append([row.name, "published", *figures, row.measured, MISSING])
            for result in results:
                rows.append(_markdown_row(result))
        lines = [_markdown_line(cells) for cells in (header, ["---"] * len(header), *rows)]
        parts.append("\n".join([f"### {_markdown(section.label)}", "", *_warnings(section), *lines]))
    return "\n\n".join(parts) + "\n"


def confusion_csv(sections: Iterable[Section]) -> str:
    """Every cell of every confusion matrix: one row each, pooled over test predictions."""
    header = ["dataset", "dataset_sha256", "preset", "protocol", "fold_seed", "system", "alpha", "true", "predicted"]
    rows = []
    for section in sections:
        for result in section.results:
            condition, emotions = result.group.condition, result.group.emotions
            place = [section.dataset, section.sha256, condition.preset, condition.protocol, condition.fold_seed]
            for true, counts in zip(emotions, result.confusion.tolist(), strict=True):
                for predicted, count in zip(emotions, counts, strict=True):
                    share = f"{100 * count / sum(counts):.6f}" if sum(counts) else ""
                    rows.append([*place, condition.system, condition.alpha, true, predicted, count, share])
    return _csv([*header, "count", "percent_of_true"], rows)


def summary_text(sections: Iterable[Section]) -> str:
    """For the terminal: our rows beside the paper's, then the differences and warnings."""
    return "\n\n".join(_section_text(section) for section in sections)


def _place_in_table(row: tuple[PublishedRow | None, list[Result]]) -> tuple:
    paper, results = row
    system = paper.system if paper else results[0].group.condition.system
    alpha = paper.alpha if paper else results[0].group.condition.alpha
    of_paper = system == BASELINE_SYSTEM
    rank = published.TABLE_1.index(paper) if paper else len(published.TABLE_1)
    return (0, alpha, 0, "") if of_paper else (1, 0 if results else 1, rank, f"{system} {alpha:.6f}")


def _published_record(row: PublishedRow) -> dict:
    return {
        "source": "published",
        "system": row.system,
        "alpha": row.alpha,
        "name": row.name,
        "wa_percent": row.wa,
        "ua_percent": "" if row.ua is None else row.ua,
        "measured": row.measured,
    }


def _measured_record(section: Section, result: Result) -> dict:
    group, condition = result.group, result.group.condition
    return {
        "source": "measured",
        "dataset": section.dataset,
        "dataset_sha256": section.sha256,
        "preset": condition.preset,
        "protocol": condition.protocol,
        "fold_seed": condition.fold_seed,
        "system": condition.system,
        "alpha": condition.alpha,
        "name": condition.name,
        "wa_percent": _number(result.wa.mean),
        "wa_deviation": _number(result.wa.deviation),
        "ua_percent": _number(result.ua.mean),
        "ua_deviation": _number(result.ua.deviation),
        "pooled_wa_percent": _number(result.pooled_wa),
        "pooled_ua_percent": _number(result.pooled_ua),
        "wa_seed_deviation": _number(result.wa.seed_deviation),
        "ua_seed_deviation": _number(result.ua.seed_deviation),
        "folds": len(group.folds),
        "seeds": len(group.seeds),
        "runs": len(group.runs),
        "predictions": result.predictions,
        "conflict_percent": _mean(result.conflict_rate),
        "conflict_centred_percent": _mean(result.conflict_rate_centred),
        "wa_audio_percent": _mean(result.wa_audio),
        "wa_text_percent": _mean(result.wa_text),
        "comparable": "yes" if is_comparable(result) else "no",
        "measured": comparability(result),
    }


def _markdown_row(result: Result) -> list[str]:
    condition = result.group.condition
    return [
        condition.name,
        f"ours, {condition.preset}, {condition.protocol}",
        spread(result.wa),
        spread(result.ua),
        percent(result.pooled_wa),
        percent(result.pooled_ua),
        spread(result.conflict_rate),
        folds_and_seeds(result),
        comparability(result),
    ]


def _number(fraction: float | None) -> str:
    return "" if fraction is None else f"{100 * fraction:.6f}"


def _mean(value: Spread | None) -> str:
    return "" if value is None else _number(value.mean)


def _csv(header: Sequence[str], rows: Iterable[Sequence]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def _markdown_line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_markdown(cell) for cell in cells) + " |"


def _markdown(text: str) -> str:
    escaped = html.escape(text.replace("\\", "\\\\"), quote=False).replace("|", "\\|")
    return " ".join(escaped.split())


def _warnings(section: Section) -> list[str]:
    return [line for warning in warnings_of(section) for line in (f"> {warning}", "")]


def warnings_of(section: Section) -> list[str]:
    """What a reader must know before the first figure."""
    warnings = []
    if section.synthetic:
        warnings.append(
            "This corpus is synthetic: its figures prove that the pipeline works, and say nothing about the paper."
        )
    if section.transductive:
        warnings.append(
            "Transductive: the word vectors were trained on this corpus's own transcripts, test utterances included "
            "(without labels). Figures for a paper want pretrained vectors."
        )
    for result in section.results:
        if result.group.differing_settings:
            condition, settings = result.group.condition, ", ".join(result.group.differing_settings)
            warnings.append(
                f"{condition.name} ({condition.protocol}): its runs differ in {settings}; their mean mixes settings."
            )
    return warnings


def _section_text(section: Section) -> str:
    remarks = [_difference_text(difference) for difference in section.differences]
    if not any(is_comparable(result) for result in section.results):
        remarks.append("None of the paper's figures was measured on these test sets.")
    remarks += warnings_of(section)
    wrapped = [textwrap.fill(remark, _TERMINAL_WIDTH, subsequent_indent="  ") for remark in remarks]
    return "\n".join([section.label, *_summary_table(section), *wrapped])


def _summary_table(section: Section) -> list[str]:
    rows = [("", "WA, %", "UA, %", "paper WA / UA", "")]
    for row, results in section.rows:
        paper = f"{printed(row.wa)} / {printed(row.ua)}" if row else MISSING
        rows += [_summary_row(result, paper) for result in results]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"{name:<{widths[0]}}  {wa:>{widths[1]}}  {ua:>{widths[2]}}  {paper:>{widths[3]}}  {place}".rstrip()
        for name, wa, ua, paper, place in rows
    ]


def _summary_row(result: Result, paper: str) -> tuple[str, str, str, str, str]:
    condition = result.group.condition
    place = f"{condition.protocol}, {folds_and_seeds(result)}"
    return condition.name, spread(result.wa), spread(result.ua), paper, place


def _difference_text(difference: Difference) -> str:
    condition = difference.proposed.condition
    return (
        f"{condition.name} − {difference.baseline.condition.name} ({condition.protocol}, "
        f"{counted(len(difference.cells), 'run')} each): "
        f"WA {points(difference.wa)}, UA {points(difference.ua)} points; "
        f"+{difference.gained} −{difference.lost} of {difference.predictions:,} predictions. Descriptive, no test."
    )


def proposed_alpha(alphas: Iterable[float]) -> float | None:
    """The alpha that stands for the method beside the baseline: the paper's 0.1, else the smallest above 0."""
    positive = sorted(alpha for alpha in alphas if alpha > 0)
    return PAPER_ALPHA if PAPER_ALPHA in positive else next(iter(positive), None)
