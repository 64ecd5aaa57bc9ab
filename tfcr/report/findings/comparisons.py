"""Two conditions on the same folds: the statistics of `tfcr.statistics`, and what besides alpha differs."""

from dataclasses import dataclass, field

from tfcr import statistics
from tfcr.config import REGULARISER
from tfcr.report.findings.conditions import BASELINE_SYSTEM, Condition, Group, differing
from tfcr.runs import WHERE
from tfcr.statistics import Comparison

MAY_DIFFER = {"alpha", "run", *WHERE, "threads", "distribution", *REGULARISER}  # the baseline has no regulariser
_OF_SYSTEM = {"system", "start", "audio_features", "text_features", "features_sha256"}  # may differ between two systems


@dataclass(frozen=True)
class Difference:
    """Proposed minus baseline, on the folds and seeds both have.

    Attributes:
        comparison: every figure of it.
        confounds: configuration fields in which the two differ, other than alpha and those that make the system.
        role: "primary", the one named before looking; "chosen per fold"; or "grid", one of many. Where `baseline` is
            one modality alone, a role of `tfcr.report.findings.modalities`.
    """

    baseline: Group
    proposed: Group
    comparison: Comparison = field(repr=False)
    confounds: list[str]
    role: str = "grid"

    @property
    def conclusion(self) -> str:
        """What can and cannot be concluded, in words."""
        return statistics.conclusion(
            self.comparison,
            before=within_a_sentence(self.baseline.condition),
            after=within_a_sentence(self.proposed.condition),
            speakers_were_heard=self.proposed.speakers_were_heard,
        )


def difference_of(baseline: Group, proposed: Group, role: str) -> Difference | None:
    """Proposed minus baseline; None if they share no fold and seed.

    Raises:
        TfcrError: two runs of the same fold tested different utterances.
    """
    cells = sorted(baseline.runs.keys() & proposed.runs.keys())
    if not cells:
        return None
    pairs = [[baseline.runs[cell], proposed.runs[cell]] for cell in cells]
    may_differ = MAY_DIFFER | (_OF_SYSTEM if baseline.condition.system != proposed.condition.system else set())
    confounds = {name for pair in pairs for name in differing(pair, ignoring=may_differ)}
    comparison = statistics.compare(baseline.predictions, proposed.predictions)
    return Difference(baseline, proposed, comparison, sorted(confounds), role)


def within_a_sentence(condition: Condition) -> str:
    """The system, its alpha, and how it was trained, as a noun of a sentence."""
    return _noun(condition) + condition.trained.replace(",", "")


def _noun(condition: Condition) -> str:
    of_paper = condition.system == BASELINE_SYSTEM
    if condition.is_continued:
        return "the baseline trained on"
    if condition.alpha == 0:
        return "the baseline" if of_paper else f"{condition.system_name} without it"
    method = "contrastive regularization" if of_paper else f"{condition.system_name} + contrastive"
    return f"{method} with {condition.alpha_text}"
