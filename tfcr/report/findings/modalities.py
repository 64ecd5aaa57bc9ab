"""A fusion beside speech alone and words alone on the same folds: is it better than the better of the two?"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from tfcr import statistics
from tfcr.report.findings.comparisons import Difference, difference_of, within_a_sentence
from tfcr.report.findings.conditions import BASELINE_SYSTEM, ON, Cell, Condition, Group
from tfcr.report.findings.results import Spread, recorded
from tfcr.statistics import Comparison
from tfcr.wording import counted

FUSIONS = ("fusion", "late-fusion")  # built of the encoders that the systems of one modality have
MODALITIES = ("audio", "text")
BETTER, OTHER, EQUAL, ONLY = "better modality", "other modality", "equal modality", "only modality"  # of a difference
_TIE = 1e-9  # figures that are this close are equal


@dataclass(frozen=True)
class FusionComparison:
    """A fusion minus each modality alone, on the folds and seeds that all of them have.

    Attributes:
        fusion: the fusion's runs on those folds and seeds.
        differences: the better modality first, that is the one with the higher UA over all test utterances there; of
            two equal ones the one that the fusion gains less on by speakers.
    """

    fusion: Group
    differences: Sequence[Difference]

    @property
    def sentence(self) -> str:
        """Whether the fusion is better than the better modality, with both differences."""
        c = self.differences[0].comparison
        names = [_name(each.baseline.condition) for each in self.differences]
        figures = (
            f"{_apart(each.comparison.ua)} that of {name}" for each, name in zip(self.differences, names, strict=True)
        )
        chosen = ", the better of the two modalities" if self.differences[0].role == BETTER else ""
        return (
            f"On the same {counted(len(c.folds), 'fold')} and {counted(len(c.by_seed), 'seed')}, "
            f"{_name(self.fusion.condition)} {_verb(c)} {names[0]}{chosen}{_evidence(c)}: "
            f"its UA over all utterances is {' and '.join(figures)}."
            + "".join(
                f" Its WA over speakers is {_distance(each.comparison.effect)} than that of {name}."
                for each, name in zip(self.differences[1:], names[1:], strict=True)
                if each.comparison.effect < -_TIE
            )
        )

    @property
    def caveats(self) -> list[str]:
        """What the sentence does not show."""
        here = self.differences[0]
        one = "The other modality was not trained on these folds, so which of the two is better is open."
        limits = statistics.caveats(here.comparison, self.fusion.speakers_were_heard)
        return [one, *limits] if here.role == ONLY else limits


@dataclass(frozen=True)
class BesideModalities:
    """The fusions of one setting, which differ in alpha alone, each beside both modalities.

    Attributes:
        label: tells the setting from the section's others.
    """

    label: str
    fusions: Sequence[FusionComparison]

    @property
    def conclusion(self) -> str:
        """A sentence for each fusion, and what they do not show."""
        caveats = dict.fromkeys(caveat for each in self.fusions for caveat in each.caveats)
        return " ".join([*(each.sentence for each in self.fusions), *caveats])

    @property
    def differences(self) -> list[Difference]:
        """Every fusion minus every modality."""
        return [difference for each in self.fusions for difference in each.differences]


def beside_modalities(label: str, fusion_groups: Iterable[Group], groups: Sequence[Group]) -> BesideModalities | None:
    """The fusions of one setting beside the runs of one modality; None where none lies on the same folds.

    Args:
        fusion_groups: the groups of the setting.
        groups: all of the dataset.

    Raises:
        TfcrError: two runs of the same fold tested different utterances.
    """
    by_condition = {group.condition: group for group in groups}
    fusions = [compared for fusion in fusion_groups if (compared := _compare_fusion(fusion, by_condition))]
    return BesideModalities(label, fusions) if fusions else None


def ua_of(group: Group) -> Spread:
    """UA over the folds of a group, as its runs recorded it."""
    spread = recorded(group, "ua")
    assert spread is not None  # every system has a UA
    return spread


def _compare_fusion(fusion: Group, groups: Mapping[Condition, Group]) -> FusionComparison | None:
    if fusion.condition.system.partition(ON)[0] not in FUSIONS:
        return None
    alone = [groups[condition] for modality in MODALITIES if (condition := _alone(fusion, modality)) in groups]
    fusion, *alone = _on_same_cells(fusion, alone)
    if not alone:
        return None
    found = [each for group in alone if (each := difference_of(group, fusion, ONLY))]
    if len(found) > 1:  # the better modality is the one that the fusion gains less on
        found.sort(key=lambda difference: _gained(difference.comparison))
        equal = found[1].comparison.ua - found[0].comparison.ua <= _TIE
        roles = (EQUAL, EQUAL) if equal else (BETTER, OTHER)
        found = [replace(each, role=role) for each, role in zip(found, roles, strict=True)]
    return FusionComparison(fusion, found)


def _gained(c: Comparison) -> tuple[float, float, float]:
    """What sorts modalities, the better one first: UA, then the mean over speakers, then how far these agree."""
    return round(c.ua / _TIE), round(c.effect / _TIE), -(c.p or 0)


def _alone(fusion: Group, modality: str) -> Condition:
    """The condition of the runs that have one of a fusion's encoders and nothing else."""
    run, field = next(iter(fusion.runs.values())), f"{modality}_features"
    own = run.metrics.get(field)
    system = ON.join([modality, *([own] if own else [])])
    pooling = fusion.condition.pooling if field in run.pooled_features else "mean"
    return replace(fusion.condition, system=system, alpha=0.0, start="fresh", pooling=pooling)


def _on_same_cells(fusion: Group, alone: Sequence[Group]) -> list[Group]:
    """The fusion and the modalities that it can be held beside, each with the folds and seeds that all of them have.

    Where the three share none, the modality that shares more of the fusion's stays.
    """
    by_shared = sorted(alone, key=lambda group: -len(fusion.runs.keys() & group.runs.keys()))
    for some in (by_shared, by_shared[:1]):
        cells = set(fusion.runs).intersection(*(group.runs for group in some))
        if some and cells:
            return [_part(group, cells) for group in (fusion, *some)]
    return [fusion]


def _part(group: Group, cells: Set[Cell]) -> Group:
    if group.runs.keys() == cells:
        return group
    return Group(group.condition, {cell: run for cell, run in group.runs.items() if cell in cells})


def _name(condition: Condition) -> str:
    """A system as a noun of a sentence."""
    if condition.alpha == 0 and condition.system != BASELINE_SYSTEM:
        return condition.system_name[0].lower() + condition.system_name[1:]
    return within_a_sentence(condition)


def _verb(c: Comparison) -> str:
    if c.is_descriptive:
        return "is above" if c.ua > _TIE else "is not above"
    least, most = min(c.ua, c.effect), max(c.ua, c.effect)
    if c.is_agreed_on and (least > _TIE or most < -_TIE):
        trained = ", as trained here," if c.has_few_seeds else ""
        return f"is{trained} {'better' if least > _TIE else 'worse'} than"
    return "is not better than" if most <= _TIE else "is not shown to be better than"


def _evidence(c: Comparison) -> str:
    """The difference that the verb is about beside UA, and its p."""
    if c.p is None:
        return ""
    disagree = "; the seeds leave room for none" if c.p < statistics.LEVEL and not c.is_agreed_on else ""
    over = counted(len(c.by_speaker), "speaker")
    return f" (WA {_distance(c.effect)} over {over}, sign-flip p {statistics.p_in_words(c.p)}{disagree})"


def _apart(ua: float) -> str:
    """How far a UA is from another one."""
    return "the same as" if abs(ua) <= _TIE else f"{_distance(ua)} than"


def _distance(difference: float) -> str:
    """A difference in words; what is called better or worse is never called the same."""
    if abs(difference) <= _TIE:
        return "the same"
    points = f"{abs(100 * difference):.1f}"
    return f"{'under 0.1' if points == '0.0' else points} points {'higher' if difference > 0 else 'lower'}"
