"""A section with its figures: what the page shows, and what lies beside it as SVG and PNG."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from tfcr.report.figures.alpha_figure import draw_alpha_curve
from tfcr.report.figures.comparison_figure import draw_speakers
from tfcr.report.figures.conflict_figure import draw_conflicts
from tfcr.report.figures.curves import draw_curves
from tfcr.report.figures.drawing import Drawing
from tfcr.report.figures.embeddings_figure import draw_embeddings
from tfcr.report.figures.matrices import draw_agreements, draw_confusions
from tfcr.report.figures.noise_figure import draw_noise
from tfcr.report.figures.reliability import draw_reliability
from tfcr.report.findings.noise import NoiseFindings
from tfcr.report.findings.results import Result
from tfcr.report.findings.sections import Section, Setting
from tfcr.report.page.provenance import Provenance, provenance_of

_CONFUSIONS = (
    "Confusion matrices after the paper's Fig. 2. Rows are true classes, columns what the system said; each cell has "
    "its share of the row in % and its count, over the test predictions of all runs (an utterance counts once per "
    "seed). Colours run from 0 (white) to 100 % (dark blue)."
)
_AGREEMENTS = (
    "What speech alone says (rows, argmax of s_a) against what words alone say (columns, argmax of s_t). Cells are "
    "shares of all test predictions in %; those on the diagonal agree, the others are conflicts, and utterances where "
    "one of both says nothing (its scores are all equal, as without words) are in none. Below each share stands how "
    "often the fused prediction is right there. One scale of colours."
)


@dataclass(frozen=True)
class Illustrated:
    """A setting with its figures; None where there is nothing to draw.

    Attributes:
        confusions: baseline and proposed side by side; `other_confusions` those of the other alphas.
        reliability: baseline and proposed side by side.
        speakers: the primary comparison.
        alpha: the curve over the grid.
        conflicts, agreements, embeddings: before and after.
        other_curves: training curves of the other alphas.
    """

    setting: Setting
    confusions: Drawing
    other_confusions: Drawing | None
    reliability: Drawing
    speakers: Drawing | None
    alpha: Drawing | None
    conflicts: Drawing | None
    agreements: Drawing | None
    embeddings: Drawing | None
    other_curves: Drawing | None

    @property
    def drawings(self) -> list[Drawing]:
        """All of them."""
        drawings = (
            *(self.confusions, self.other_confusions, self.reliability, self.speakers, self.alpha),
            *(self.conflicts, self.agreements, self.embeddings, self.other_curves),
        )
        return [drawing for drawing in drawings if drawing]


@dataclass(frozen=True)
class NoiseChapter:
    """What noise did to one system, with a figure for every measure."""

    findings: NoiseFindings
    drawings: list[Drawing]


@dataclass(frozen=True)
class Chapter:
    """A dataset's section with its figures.

    Attributes:
        noise: one for every system that was tested under noise.
        curves: training curves of baselines and proposed methods.
    """

    section: Section
    illustrated: list[Illustrated]
    curves: Drawing | None
    provenance: Provenance
    noise: list[NoiseChapter]

    @property
    def drawings(self) -> list[Drawing]:
        """All of them."""
        of_settings = [drawing for each in self.illustrated for drawing in each.drawings]
        of_noise = [drawing for each in self.noise for drawing in each.drawings]
        return [*of_settings, *of_noise, *([self.curves] if self.curves else [])]


def illustrate(sections: list[Section]) -> list[Chapter]:
    """Draws what each section has."""
    names: set[str] = set()
    return [_chapter(section, names) for section in sections]


def _chapter(section: Section, names: set[str]) -> Chapter:
    place = _slug(section.label)
    main = [result.group for setting in section.settings for result in setting.pair]
    return Chapter(
        section=section,
        illustrated=[_illustrated(section, setting, place, names) for setting in section.settings],
        curves=draw_curves(_free_name(names, f"curves-{place}"), f"Training curves on {section.label}", main),
        provenance=provenance_of(section),
        noise=[_noise_chapter(section, findings, place, names) for findings in section.noise],
    )


def _noise_chapter(section: Section, findings: NoiseFindings, place: str, names: set[str]) -> NoiseChapter:
    condition = findings.systems[0].condition
    drawings = []
    for measure in findings.measures:
        name = _slug(f"noise-{measure}-{place}-{condition.protocol}-{condition.system}")
        title = f"{measure} under noise on {section.label}: {findings.label}"
        drawings.append(
            draw_noise(_free_name(names, name), title, findings.systems, findings.kinds, findings.place, measure)
        )
    return NoiseChapter(findings, drawings)


def _illustrated(section: Section, setting: Setting, place: str, names: set[str]) -> Illustrated:
    condition = setting.condition
    parts = [result for result in setting.pair if result.conflict]

    def draw(draw_it: Callable, kind: str, what: str, *arguments, suffix: str = "") -> Drawing | None:
        name = _free_name(names, _slug(f"{kind}-{place}-{condition.protocol}-{condition.system}{suffix}"))
        return draw_it(name, f"{what} on {section.label}: {setting.label}", *arguments)

    alone = f"-a{setting.pair[0].group.condition.alpha:g}" if len(setting.pair) == 1 else ""
    others = _headed(setting.others)
    return Illustrated(
        setting=setting,
        confusions=draw(draw_confusions, "confusion", "Confusion", _headed(setting.pair), _CONFUSIONS, suffix=alone),
        other_confusions=draw(
            draw_confusions, "confusion", "Confusion of other α", others, _CONFUSIONS, suffix="-other-alphas"
        )
        if others
        else None,
        reliability=draw(draw_reliability, "reliability", "Reliability", _headed(setting.pair), suffix=alone),
        speakers=draw(draw_speakers, "speakers", "Difference per speaker", setting.primary)
        if setting.primary
        else None,
        alpha=draw(draw_alpha_curve, "alpha", "Alpha curve", setting) if setting.is_grid else None,
        conflicts=draw(
            draw_conflicts,
            "conflicts",
            "Conflicts per emotion",
            [(result.group.condition.name, result) for result in parts],
        )
        if parts
        else None,
        agreements=draw(draw_agreements, "agreement", "Agreement of speech and words", _headed(parts), _AGREEMENTS)
        if parts
        else None,
        embeddings=draw(
            draw_embeddings,
            "embeddings",
            "Embeddings in two dimensions",
            [(_heading(result), result.group) for result in setting.pair],
        ),
        other_curves=draw(
            draw_curves,
            "curves",
            "Training curves of other α",
            [result.group for result in setting.others],
            suffix="-other-alphas",
        ),
    )


def _headed(results: list[Result]) -> list[tuple[str, Result]]:
    return [(_heading(result), result) for result in results]


def _heading(result: Result) -> str:
    condition = result.group.condition
    return f"{condition.name}\nprotocol {condition.protocol}"


def _free_name(taken: set[str], name: str) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    taken.add(free)
    return free


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "dataset"
