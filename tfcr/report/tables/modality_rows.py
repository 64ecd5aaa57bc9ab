"""Fusions minus each modality alone as rows of plain text: what Markdown and LaTeX share."""

from collections.abc import Iterator

from tfcr.report.findings.comparisons import Difference
from tfcr.report.findings.modalities import ua_of
from tfcr.report.findings.sections import Section
from tfcr.report.formatting import p_value, percent, points, points_interval

MODALITIES = (
    "Fusions minus one modality, in percentage points. UA is the mean over folds; ΔUA is over all test utterances and "
    "can point the other way. p is that of ΔWA by speaker:"
)
HEADER = ("Fusion", "UA, %", "Minus", "UA, %", "ΔUA, pooled", "ΔWA by speaker", "p", "Runs each")


def modality_rows(section: Section) -> Iterator[list[str]]:
    """A row for every fusion and modality, under `HEADER`; figures of the folds and seeds that all have."""
    return (_row(difference) for each in section.modalities for difference in each.differences)


def modality_conclusions(section: Section) -> list[str]:
    """Whether fusions are better than the better modality, a paragraph for every setting."""
    many = len(section.modalities) > 1
    return [f"{each.label}: {each.conclusion}" if many else each.conclusion for each in section.modalities]


def _row(difference: Difference) -> list[str]:
    c = difference.comparison
    return [
        difference.proposed.condition.name,
        percent(ua_of(difference.proposed).mean),
        difference.baseline.condition.name,
        percent(ua_of(difference.baseline).mean),
        f"{points(c.ua)} {points_interval(c.ua_interval)}".strip(),
        f"{points(c.effect)} {points_interval(c.interval)}".strip(),
        p_value(c.p),
        f"{difference.proposed.condition.protocol}, {len(c.cells)}",
    ]
