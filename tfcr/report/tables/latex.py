r"""Table 1 and the alpha grids for a paper; they want `\usepackage{booktabs}` and nothing else."""

from collections.abc import Iterable, Sequence

from tfcr.report.findings.results import Result
from tfcr.report.findings.sections import Section, Setting
from tfcr.report.formatting import MISSING, folds_and_seeds, points, points_interval, printed, spread
from tfcr.report.tables import measure_rows
from tfcr.report.tables.modality_rows import HEADER, modality_conclusions, modality_rows

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "α": r"$\alpha$",
    "±": r"$\pm$",
    "−": "$-$",
    "×": r"$\times$",
    "Δ": r"$\Delta$",
    "–": "--",
    "…": r"\dots{}",
    "“": "``",
    "”": "''",
    "[": "{[}",  # not the optional argument of a line's end
    "]": "{]}",
    "\n": " ",
}
_HEAD = "% Needs \\usepackage{booktabs}.\n"


def table_1_latex(sections: Iterable[Section]) -> str:
    """Table 1, one table per dataset; its caption says how each figure was measured."""
    return _HEAD + "\n".join(_table_1(section, number) for number, section in enumerate(sections, start=1))


def alpha_latex(sections: Iterable[Section]) -> str:
    """WA and UA per alpha, one table per grid; a comment where there is none."""
    tables = [
        _grid(section, setting, number)
        for number, (section, setting) in enumerate(
            ((section, setting) for section in sections for setting in section.grids), start=1
        )
    ]
    return _HEAD + ("\n".join(tables) or "% No setting has three values of alpha or more.\n")


def modalities_latex(sections: Iterable[Section]) -> str:
    """Fusions minus each modality alone, one table per dataset; a comment where there is none."""
    tables = [
        _modalities(section, number)
        for number, section in enumerate((section for section in sections if section.modalities), start=1)
    ]
    return _HEAD + ("\n".join(tables) or "% No run of one modality lies on the folds of a fusion.\n")


def measures_latex(sections: Iterable[Section]) -> str:
    """F1 and calibration, and recall, precision and F1 per class: two tables per dataset."""
    return _HEAD + "\n".join(_measures(section, number) for number, section in enumerate(sections, start=1))


def document(
    columns: Sequence[str], header: Sequence[str], rows: Iterable[Sequence[str]], caption: str, label: str
) -> str:
    """One table of plain text."""
    return _HEAD + _table(columns, header, rows, caption, label, [])


def escape(text: str) -> str:
    """Text that LaTeX sets as it stands; letters of any script stay."""
    return "".join(_ESCAPED.get(character, character) for character in text).replace(r"$\alpha$ = ", r"$\alpha$~=~")


def _table_1(section: Section, number: int) -> str:
    lines = []
    for row, results in section.rows:
        if row:
            lines.append([row.name, "published", printed(row.wa), printed(row.ua), row.measured])
        lines += [_measured(result) for result in results]
    protocols = " ".join(
        f"Protocol {protocol['name']}: {protocol['meaning'].rstrip('.')}." for protocol in section.protocols
    )
    caption = (
        f"Published figures beside ours on {section.label}, in %. Ours: mean ± standard deviation over folds, seeds "
        f"averaged within each fold. WA: accuracy over utterances; UA: mean recall over classes. {protocols}"
    )
    header = ["System", "Source", "WA", "UA", "How measured"]
    columns = [r"p{.24\linewidth}", "l", "r", "r", r"p{.21\linewidth}"]  # the class `article` has no room for more
    return _table(columns, header, lines, caption, f"tab:table1-{number}", section.warnings)


def _measured(result: Result) -> list[str]:
    condition = result.group.condition
    measured = f"protocol {condition.protocol}, {folds_and_seeds(result)}, preset {condition.preset}"
    return [condition.name, "ours", spread(result.wa), spread(result.ua), measured]


def _grid(section: Section, setting: Setting, number: int) -> str:
    chosen = [choice.alpha for choice in setting.choices]
    lines = []
    for result in [*setting.results, *([setting.chosen] if setting.chosen else [])]:
        alpha = result.group.condition.alpha
        name = "per fold" if alpha is None else f"{alpha:g}"
        folds = MISSING if alpha is None else str(chosen.count(alpha))
        difference = setting.difference_at(alpha)
        effect = difference and difference.comparison
        gain = f"{points(effect.effect)} {points_interval(effect.interval)}".strip() if effect else MISSING
        lines.append([name, spread(result.wa), spread(result.ua), gain, folds])
    caption = (
        f"Grid over α: {setting.label}, on {section.label}. WA and UA in %, mean ± standard deviation over folds, "
        "seeds averaged within each fold. ΔWA: difference to α = 0 in percentage points, mean over speakers with its "
        "95 % t interval where there are speakers enough. Chosen: folds whose validation UA is best there. Per fold: "
        "the test figures of these choices."
    )
    header = ["α", "WA", "UA", "ΔWA", "Chosen"]
    return _table("lrrrr", header, lines, caption, f"tab:alpha-{number}", section.warnings)


def _modalities(section: Section, number: int) -> str:
    caption = (
        f"Fusions minus each modality alone on {section.label}, on the folds and seeds that all of them have. UA in %, "
        "mean over folds, seeds averaged within each fold. Differences in percentage points with "
        "95 % intervals where there are clusters enough: ΔUA over all test utterances (bootstrap), ΔWA as the mean "
        "over speakers (t interval), with the p of the sign-flip test."
    )
    columns = [rf"p{{{share}\linewidth}}" if share else "r" for share in (0.17, 0, 0.08, 0, 0.115, 0.115, 0, 0.1)]
    notes = [*section.warnings, *modality_conclusions(section)]
    return _table(columns, HEADER, modality_rows(section), caption, f"tab:modalities-{number}", notes)


def _measures(section: Section, number: int) -> str:
    caption = (
        f"F1 and calibration on {section.label}, in %. Mean ± standard deviation over folds, seeds averaged within "
        "each fold; pooled: over the test utterances of all folds, with the 95 % bootstrap interval, where "
        "there are clusters enough. Macro F1: mean "
        "over the classes that occur. ECE: expected calibration error, scaled: after division of the scores by one "
        "temperature, fitted on the validation part."
    )
    columns = [rf"p{{{share}\linewidth}}" for share in (0.2, 0.09, 0.08, 0.08, 0.12, 0.12, 0.07, 0.07)]
    by_class = f"Recall, precision and F1 per class on {section.label}, in %, over the test predictions of all runs."
    header = measure_rows.class_header(section)
    class_columns = [r"p{.24\linewidth}", "l", "l", *"r" * (len(header) - len(measure_rows.CLASS_HEADER))]
    measures, classes = measure_rows.measure_rows(section), measure_rows.class_rows(section)
    return "\n".join(
        (
            _table(columns, measure_rows.HEADER, measures, caption, f"tab:measures-{number}", section.warnings),
            _table(class_columns, header, classes, by_class, f"tab:classes-{number}", section.warnings),
        )
    )


def _table(
    columns: Sequence[str],
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    caption: str,
    label: str,
    warnings: list[str],
) -> str:
    gap = "\\addlinespace[3pt]" if any(map(_wraps, columns)) else ""
    body = "\n".join(_line(map(_cell, row, columns)) + gap for row in rows)
    notes = "".join(f"\\par\\smallskip\\footnotesize {escape(warning)}\n" for warning in warnings)
    return (
        "\\begin{table}\n\\centering\\footnotesize\n"
        f"\\caption{{{escape(caption)}}}\n\\label{{{label}}}\n\\par\\medskip\n"
        f"\\begin{{tabular}}{{@{{}}{''.join(columns)}@{{}}}}\n"
        f"\\toprule\n{_line(map(escape, header))}\n\\midrule\n{body}\n\\bottomrule\n"
        f"\\end{{tabular}}\n{notes}\\end{{table}}\n"
    )


def _cell(text: str, column: str) -> str:
    """What stands in a column; where lines break they are left ragged, for a narrow column stretches them else."""
    return rf"\raggedright {escape(text)}" if _wraps(column) else escape(text)


def _wraps(column: str) -> bool:
    return column.startswith("p")


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \tabularnewline"  # \\ means something else after \raggedright
