"""How a report is divided: a section per dataset, and in it a setting per system, protocol and fold seed.

Within a setting conditions differ in alpha alone: there is a baseline, a proposed method, perhaps a grid between them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tfcr import published
from tfcr.published import PublishedRow
from tfcr.report.findings.comparisons import Difference, difference_of
from tfcr.report.findings.conditions import BASELINE_SYSTEM, ON, PAPER_ALPHA, Condition, Group
from tfcr.report.findings.modalities import MODALITIES, BesideModalities, beside_modalities
from tfcr.report.findings.noise import NoiseFindings, under_noise
from tfcr.report.findings.results import Result, measure
from tfcr.report.findings.selection import LEAST_ALPHAS, Choice, choose_alphas, chosen_group
from tfcr.runs import Run
from tfcr.schema import EMBEDDING_DIM
from tfcr.wording import counted

_STARTS = {"unimodal": " from encoders of one modality", "baseline": " from the baseline's encoders"}


@dataclass(frozen=True)
class Setting:
    """Conditions that differ in alpha alone.

    Attributes:
        results: one per alpha, ascending.
        choices: every fold's alpha, chosen on validation; empty without a grid.
        chosen: the runs of these choices.
        differences: primary first, then the chosen one, then the rest of the grid.
        label: tells it from the section's other settings.
    """

    results: list[Result]
    choices: list[Choice]
    chosen: Result | None
    differences: list[Difference]
    label: str

    @property
    def condition(self) -> Condition:
        """One that stands for all in everything but alpha."""
        return self.results[0].group.condition

    @property
    def baseline(self) -> Result | None:
        """α = 0."""
        return next((result for result in self.results if result.group.condition.alpha == 0), None)

    @property
    def proposed(self) -> Result | None:
        """What stands for the method: the paper's α of 0.1, else the smallest above 0."""
        alpha = proposed_alpha(result.group.condition.alpha for result in self.results)
        return next((result for result in self.results if result.group.condition.alpha == alpha), None)

    @property
    def is_grid(self) -> bool:
        """Whether there are enough alphas to call it a grid."""
        return len(self.results) >= LEAST_ALPHAS

    @property
    def has_even_grid(self) -> bool:
        """Whether every alpha has the same folds and seeds."""
        return len({frozenset(result.group.runs) for result in self.results}) == 1

    @property
    def main(self) -> list[Result]:
        """What Table 1 shows: of a grid its baseline, the proposed method and the chosen one; else everything."""
        if not self.is_grid:
            return self.results
        return [result for result in (self.baseline, self.proposed, self.chosen) if result]

    @property
    def pair(self) -> list[Result]:
        """Baseline and proposed method, or whichever of the two there is."""
        return [result for result in (self.baseline, self.proposed) if result]

    @property
    def others(self) -> list[Result]:
        """Conditions beside the pair."""
        paired = {result.group.condition.alpha for result in self.pair}
        return [result for result in self.results if result.group.condition.alpha not in paired]

    @property
    def primary(self) -> Difference | None:
        """The comparison that was named before looking: proposed against baseline."""
        return next((difference for difference in self.differences if difference.role == "primary"), None)

    @property
    def named(self) -> list[Difference]:
        """The comparisons that get a table of their own: all but the grid's."""
        return [difference for difference in self.differences if difference.role != "grid"]

    def difference_at(self, alpha: float | None) -> Difference | None:
        """The comparison of one alpha with the baseline."""
        found = (each for each in self.differences if each.proposed.condition.alpha == alpha)
        return next(found, None)


@dataclass(frozen=True)
class Section:
    """One dataset's part of the report.

    Attributes:
        dataset: its name.
        label: its name, with its preset or its hash where two datasets share the name.
        synthetic, transductive: what a reader must be warned of.
        embedding_dims: the widths of its runs' word vectors.
        unreadable: recordings that were left out of it because they cannot be read.
        modalities: per setting of a fusion, what it adds to the better of speech alone and words alone.
        noise: per system that was tested under noise, what that did.
    """

    dataset: str
    label: str
    sha256: str
    synthetic: bool
    transductive: bool
    settings: list[Setting]
    modalities: list[BesideModalities]
    noise: Sequence[NoiseFindings] = ()
    unreadable: int = 0
    embedding_dims: Sequence[int] = (EMBEDDING_DIM,)

    @property
    def results(self) -> list[Result]:
        """Every condition, and after each grid its chosen one."""
        every = (
            result for setting in self.settings for result in [*setting.results, setting.chosen] if result is not None
        )
        return sorted(every, key=lambda result: result.group.condition.order)

    @property
    def main_results(self) -> list[Result]:
        """What Table 1 shows."""
        every = (result for setting in self.settings for result in setting.main)
        return sorted(every, key=lambda result: result.group.condition.order)

    @property
    def differences(self) -> list[Difference]:
        """Every comparison."""
        return [difference for setting in self.settings for difference in setting.differences]

    @property
    def runs(self) -> list[Run]:
        """Every run, once."""
        return [run for setting in self.settings for result in setting.results for run in result.group.runs.values()]

    @property
    def grids(self) -> list[Setting]:
        """Settings with enough alphas for a curve."""
        return [setting for setting in self.settings if setting.is_grid]

    @property
    def protocols(self) -> list[dict[str, str]]:
        """The protocols that occur, each said plainly."""
        groups = [setting.results[0].group for setting in self.settings]
        meanings = {group.condition.protocol: group.split for group in groups}
        return [{"name": name, "meaning": meaning} for name, meaning in sorted(meanings.items())]

    @property
    def rows(self) -> list[tuple[PublishedRow | None, list[Result]]]:
        """Table 1: our results by system and alpha with the paper's row; systems that only the paper has come last."""
        rows: dict[tuple, tuple[PublishedRow | None, list[Result]]] = {}
        for result in self.main_results:
            condition = result.group.condition
            key = condition.system, condition.alpha, condition.is_continued, condition.trained, condition.noise
            rows.setdefault(key, (condition.published_row, []))[1].append(result)
        for row in published.TABLE_1:
            rows.setdefault((row.system, row.alpha, False, "", ""), (row, []))
        return sorted(rows.values(), key=_place_in_table)

    @property
    def warnings(self) -> list[str]:
        """What a reader must know before the first figure."""
        warnings = []
        if self.synthetic:
            warnings.append(
                "This corpus is synthetic: its figures prove that the pipeline works, and say nothing about the paper."
            )
        if self.transductive:
            warnings.append(
                "Transductive: the word vectors were trained on this dataset's own transcripts, test utterances "
                "included (without labels). Figures for a paper want pretrained vectors."
            )
        if list(self.embedding_dims) != [EMBEDDING_DIM]:
            widths = " and ".join(map(str, self.embedding_dims))
            warnings.append(f"The word vectors have {widths} numbers; the paper's have {EMBEDDING_DIM}.")
        if self.unreadable:
            recordings = counted(
                self.unreadable, "recording cannot be read and is", "recordings cannot be read and are"
            )
            warnings.append(
                f"{recordings} not in this dataset (--skip-unreadable): its figures are not those of the whole corpus."
            )
        return warnings + _of_folds(self.runs) + _mixtures(self.results)


def _of_folds(runs: Sequence[Run]) -> list[str]:
    """Warnings of runs whose fold tests what it trained on, or whose training part lacks an emotion."""
    warnings = []
    counts = [run.metrics.get("recordings_shared", 0) for run in runs]
    if most := max(counts):
        warnings.append(
            f"In {sum(map(bool, counts))} of {counted(len(runs), 'run')}, up to {counted(most, 'recording')} of a fold "
            "stood in two of its parts under different ids: what was learned was tested again."
        )
    lacking = [run.metrics.get("untaught", []) for run in runs]
    if any(lacking):
        names = ", ".join(sorted({emotion for emotions in lacking for emotion in emotions}))
        of = f"{sum(map(bool, lacking))} of {counted(len(runs), 'run')}"
        warnings.append(f"In {of}, an emotion has no training utterance: {names}.")
    return warnings


def mixture_of(result: Result) -> str | None:
    """A warning that a condition's mean is over different settings; None where it is not."""
    if not result.group.differing_settings:
        return None
    condition, settings = result.group.condition, ", ".join(result.group.differing_settings)
    return f"{condition.name} ({condition.protocol}): its runs differ in {settings}; their mean mixes settings."


def _mixtures(results: Sequence[Result]) -> list[str]:
    """The warnings of `mixture_of`, one for all conditions that mix the same settings."""
    by_settings: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        if mixture_of(result):
            by_settings.setdefault(tuple(result.group.differing_settings), []).append(result)
    return [
        mixture_of(some[0])
        if len(some) == 1
        else f"In {len(some)} conditions runs differ in {', '.join(settings)}; their means mix settings: "
        + "; ".join(f"{result.group.condition.name} ({result.group.condition.protocol})" for result in some)
        + "."
        for settings, some in by_settings.items()
    ]


def proposed_alpha(alphas: Iterable[float]) -> float | None:
    """The alpha that stands for the method beside the baseline: the paper's 0.1, else the smallest above 0."""
    positive = sorted(alpha for alpha in alphas if alpha > 0)
    return PAPER_ALPHA if PAPER_ALPHA in positive else next(iter(positive), None)


def divide(groups: Sequence[Group]) -> list[Section]:
    """One section per dataset, in the order of names.

    Raises:
        TfcrError: a run contradicts itself, or two of the same fold tested different utterances.
    """
    by_dataset: dict[str, list[Group]] = {}
    for group in groups:
        by_dataset.setdefault(group.condition.dataset_sha256, []).append(group)
    names = {sha256: _dataset_name(members) for sha256, members in by_dataset.items()}
    labels = _labels(names, {sha256: members[0].condition.preset for sha256, members in by_dataset.items()})
    ordered = sorted(by_dataset, key=lambda sha256: (labels[sha256], sha256))
    return [_section(sha256, names[sha256], labels[sha256], by_dataset[sha256]) for sha256 in ordered]


def _section(sha256: str, name: str, label: str, groups: list[Group]) -> Section:
    runs = [run for group in groups for run in group.runs.values()]
    by_setting: dict[tuple, list[Group]] = {}
    for group in groups:
        by_setting.setdefault(group.condition.setting, []).append(group)
    fold_seeds = {group.condition.fold_seed for group in groups}
    presets = {group.condition.preset for group in groups}
    settings = [
        _setting(members, _setting_label(members[0].condition, len(presets) > 1, len(fold_seeds) > 1))
        for members in by_setting.values()
    ]
    beside = (
        beside_modalities(setting.label, [result.group for result in setting.main], groups) for setting in settings
    )
    return Section(
        dataset=name,
        label=label,
        sha256=sha256,
        synthetic=name.startswith("synthetic") or any(run.metrics.get("corpus") == "synthetic" for run in runs),
        transductive=any(run.metrics.get("transductive") for run in runs if run.takes_word_vectors),
        settings=settings,
        modalities=[each for each in beside if each],
        noise=_under_noise(groups, settings),
        embedding_dims=sorted({run.embedding_dim for run in runs if run.takes_word_vectors}) or [EMBEDDING_DIM],
        unreadable=max(run.metrics.get("unreadable", 0) for run in runs),
    )


def _under_noise(groups: Sequence[Group], settings: Sequence[Setting]) -> list[NoiseFindings]:
    """Baseline and proposed method of every system under noise, each trained on clean speech and under noise."""
    labels = {setting.condition.setting: setting.label for setting in settings}
    pairs = {
        (setting.condition.setting, result.group.condition.alpha) for setting in settings for result in setting.pair
    }
    by_setting: dict[tuple, list[Group]] = {}
    for group in groups:
        if (group.condition.setting, group.condition.alpha) in pairs:
            by_setting.setdefault(replace(group.condition, noise="").setting, []).append(group)
    found = []
    for members in by_setting.values():
        members.sort(key=lambda group: (group.condition.noise, group.condition.alpha))
        first = members[0].condition
        label = labels[first.setting].replace(first.under_noise, "")
        found.append(under_noise(label, members))
    return [each for each in found if each]


def _setting(groups: list[Group], label: str) -> Setting:
    results = {group.condition.alpha: measure(group) for group in groups}
    choices = choose_alphas(groups)
    chosen = measure(chosen_group(groups, choices)) if choices else None
    baseline = next((group for group in groups if group.condition.alpha == 0), None)
    return Setting(
        results=list(results.values()),
        choices=choices,
        chosen=chosen,
        differences=_differences(baseline, groups, chosen) if baseline else [],
        label=label,
    )


def _differences(baseline: Group, groups: list[Group], chosen: Result | None) -> list[Difference]:
    """The primary one, the chosen one and the rest of the grid, each against the baseline."""
    primary = proposed_alpha(group.condition.alpha for group in groups)
    others = [(group, "grid") for group in groups if group.condition.alpha not in (0, primary)]
    wanted = [(group, "primary") for group in groups if group.condition.alpha == primary]
    wanted += [(chosen.group, "chosen per fold")] if chosen else []
    found = (difference_of(baseline, group, role) for group, role in wanted + others)
    return [difference for difference in found if difference]


def _setting_label(condition: Condition, name_preset: bool, name_fold_seed: bool) -> str:
    preset = f", preset {condition.preset}" if name_preset else ""
    fold_seed = f", fold seed {condition.fold_seed}" if name_fold_seed else ""
    start = _STARTS.get(condition.start, "") + condition.trained
    return f"{condition.system_name}{start}, protocol {condition.protocol}{preset}{fold_seed}"


def _place_in_table(row: tuple[PublishedRow | None, list[Result]]) -> tuple:
    paper, results = row
    system = paper.system if paper else results[0].group.condition.system
    alpha = paper.alpha if paper else results[0].group.condition.order[3]
    of_paper = system == BASELINE_SYSTEM
    alone = system.partition(ON)[0] in MODALITIES  # right below the paper's system, which is made of them
    rank = published.TABLE_1.index(paper) if paper else -1 if alone else len(published.TABLE_1)
    stage = [result.group.condition.stage for result in results[:1]]
    return (0, alpha, stage, "") if of_paper else (1, 0 if results else 1, rank, f"{system} {alpha:.6f}")


def _labels(names: dict[str, str], presets: dict[str, str]) -> dict[str, str]:
    """By dataset, the shortest label that tells it from the others: its name, with its preset, or with its hash."""
    for label in (
        names,
        {sha256: f"{name}, preset {presets[sha256]}" for sha256, name in names.items()},
    ):
        if len(set(label.values())) == len(label):
            return label
    return {sha256: f"{name} ({sha256[:12]})" for sha256, name in names.items()}


def _dataset_name(groups: list[Group]) -> str:
    """The name the runs give their dataset, or the start of its hash."""
    metrics = (run.metrics for group in groups for run in group.runs.values())
    named = sorted({str(each["dataset"]) for each in metrics if each.get("dataset")})
    return named[0] if named else f"dataset {groups[0].condition.dataset_sha256[:8]}"
