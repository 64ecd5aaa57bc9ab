"""What a comparison shows, in words."""

from tfcr.statistics.agreement import MIN_SEEDS, MIN_SPEAKERS, Agreement
from tfcr.statistics.clusters import Interval
from tfcr.statistics.utterances import LEVEL
from tfcr.wording import counted


def conclusion(
    comparison: Agreement,
    before: str = "the first system",
    after: str = "the second system",
    speakers_were_heard: bool = False,
    tests: int = 1,
) -> str:
    """What the comparison shows and what it does not, in two or three plain sentences.

    Args:
        speakers_were_heard: whether training heard the test speakers (protocols `random`, `authors` and `script`).
        before, after, tests: as of `finding`.
    """
    return " ".join([finding(comparison, before, after, tests), *caveats(comparison, speakers_were_heard)])


def finding(
    comparison: Agreement, before: str = "the first system", after: str = "the second system", tests: int = 1
) -> str:
    """What the comparison shows, in a sentence.

    A difference counts as shown if the sign-flip test over speakers has p below 5 % and the t interval over seeds lies
    on the same side of zero.

    Args:
        before, after: the systems' names within a sentence.
        tests: how many p was corrected for, by Holm's rule.
    """
    speakers, seeds = len(comparison.by_speaker), comparison.seeds
    said = f"{after} is right {_more_often(comparison.effect)} {before}"
    seed = "seed" if len({seed for _, seed in comparison.cells}) == seeds else "complete seed"  # others lack a fold
    over = f"{counted(speakers, 'speaker')} and {counted(seeds, seed)}"
    if comparison.is_descriptive:
        return f"Over {over}, {said}."
    assert comparison.interval is not None and comparison.p is not None
    corrected = f", corrected for {tests} comparisons" if tests > 1 else ""
    p = f"sign-flip p {p_in_words(comparison.p)}{corrected}"
    measured = f"(95 % t interval {interval_in_words(comparison.interval)}, {p})"
    return f"Over {over}, {said} {measured}: {_verdict(comparison)}"


def caveats(comparison: Agreement, speakers_were_heard: bool = False) -> list[str]:
    """What a comparison does not show, a sentence each."""
    sentences = []
    if comparison.is_descriptive:
        needed = f"{MIN_SPEAKERS} speakers" + (f" and {MIN_SEEDS} seeds" if comparison.has_few_seeds else "")
        sentences.append(f"This is a description: a conclusion needs at least {needed}.")
    elif comparison.has_few_seeds:
        sentences.append(f"A conclusion about the systems needs at least {MIN_SEEDS} seeds.")
    if speakers_were_heard:
        sentences.append("Training heard these speakers, so nothing follows for new ones.")
    return sentences


def _verdict(comparison: Agreement) -> str:
    assert comparison.p is not None
    if comparison.has_few_seeds and comparison.p >= LEVEL:
        return "no difference between these trained models is shown, and training them again could change that."
    if comparison.has_few_seeds:
        return "this holds for these trained models, and training them again could change it."
    if comparison.p >= LEVEL:
        return "no difference is shown, which does not show that the two are equal."
    if comparison.is_agreed_on:
        return "a difference is shown."
    assert comparison.seed_interval is not None
    return (
        f"the speakers agree, but the seeds leave room for none (95 % t interval over seeds "
        f"{interval_in_words(comparison.seed_interval)}): no difference between the systems is shown."
    )


def _more_often(effect: float) -> str:
    points = f"{abs(100 * effect):.1f}"
    if points == "0.0":
        return "as often as"
    return f"{points} percentage points {'more' if effect > 0 else 'less'} often than"


def interval_in_words(interval: Interval) -> str:
    """`−0.4 to 2.9`, of differences in percentage points."""
    low, high = (f"{100 * end:.1f}".replace("-0.0", "0.0").replace("-", "−") for end in interval)
    return f"{low} to {high}"


def p_in_words(p: float) -> str:
    """`= 0.012`, or `< 0.001`."""
    if p < 0.001:
        return "< 0.001"
    return f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"
