"""What made a report: data, configuration, folds, seeds and versions of its runs."""

from collections.abc import Iterable
from dataclasses import dataclass

import yaml

from tfcr import __version__
from tfcr.config import REGULARISER, Config
from tfcr.features.own import in_words
from tfcr.report.findings.conditions import CELL_SETTINGS, Group, flat
from tfcr.report.findings.sections import Section
from tfcr.runs import Run

_OF_THE_CONDITION = {"system", "alpha", "protocol", "split_sha256", "subset", "fold_seed"}
_PACKAGES = {"python": "Python", "tensorflow": "TensorFlow", "keras": "Keras", "numpy": "NumPy"}


@dataclass(frozen=True)
class Deviation:
    """A configuration field in which runs of a section differ: a value, and the conditions that have it."""

    field: str
    value: str
    conditions: list[str]


@dataclass(frozen=True)
class Provenance:
    """What made a section.

    Attributes:
        facts: names and values, as they are to be read.
        shared: YAML of the configuration that all runs share.
        deviations: the rest of it, but for what names a condition or a cell.
    """

    facts: list[tuple[str, str]]
    shared: str
    deviations: list[Deviation]


def provenance_of(section: Section) -> Provenance:
    """What the runs of a section recorded of their making."""
    groups = [result.group for setting in section.settings for result in setting.results]
    shared, deviations = _configuration(groups)
    return Provenance(_facts(section, groups), shared, deviations)


def _facts(section: Section, groups: list[Group]) -> list[tuple[str, str]]:
    metrics = [run.metrics for run in section.runs]

    def recorded(name: str) -> str:
        return _listed(each.get(name) for each in metrics)

    seconds = [each["seconds"] for each in metrics if each.get("seconds") is not None]
    facts = [
        ("Dataset", section.dataset),
        ("Corpus", recorded("corpus")),
        ("SHA-256 of the dataset", section.sha256),
        ("Word vectors", recorded("embeddings")),
        ("Numbers of a word vector", _listed(run.embedding_dim for run in section.runs)),
        ("SHA-256 of the word vectors", recorded("embeddings_sha256")),
        *_extractors(section.runs),
        ("Emotions", ", ".join(groups[0].emotions)),
        ("Preset", recorded("preset")),
        ("Protocols", _listed(group.condition.protocol for group in groups)),
        ("Files of --split", recorded("split")),
        ("SHA-256 of these files", recorded("split_sha256")),
        ("Fold seeds", _listed(group.condition.fold_seed for group in groups)),
        ("Folds", _listed(fold for group in groups for fold in group.folds)),
        ("Seeds", _listed(seed for group in groups for seed in group.seeds)),
        ("Runs", f"{len(metrics):,}"),
        ("Training time", f"{sum(seconds) / 3600:,.1f} hours together" if seconds else ""),
        ("Threads of a training", recorded("threads")),
        ("Precision", recorded("precision")),
        ("Devices of a training", recorded("replicas")),
        ("Trained by", f"tfcr {recorded('version') or 'of unknown version'}"),
        *_package_versions(metrics),
        ("Report written by", f"tfcr {__version__}"),
    ]
    return [(name, value) for name, value in facts if value]


def _extractors(runs: Iterable[Run]) -> list[tuple[str, str]]:
    """What made each of the runs' own features, where a file said it."""
    made = {run.metrics[field]: extractor for run in runs for field, extractor in run.extractors.items()}
    return [(f"Features {name}", in_words(extractor)) for name, extractor in sorted(made.items())]


def _package_versions(metrics: list[dict]) -> list[tuple[str, str]]:
    versions = [each.get("versions") or {} for each in metrics]
    return [(label, _listed(each.get(name) for each in versions)) for name, label in _PACKAGES.items()]


def _listed(values: Iterable) -> str:
    """The different values, sorted, as one text; runs of three and more whole numbers as a range."""
    different = {value for value in values if value is not None}
    if len(different) > 2 and all(type(value) is int for value in different):
        low, high = min(different), max(different)
        if len(different) == high - low + 1:
            return f"{low} to {high}"
    numbers = all(isinstance(value, int | float) for value in different)
    return ", ".join(str(value) for value in sorted(different, key=None if numbers else str))


def _configuration(groups: list[Group]) -> tuple[str, list[Deviation]]:
    hidden = CELL_SETTINGS | _OF_THE_CONDITION
    values: dict[str, dict[str, list[str]]] = {}
    first: dict[str, object] = {}
    defaults = Config().to_dict()  # what a field counts as that is younger than a run
    configurations = [(group.condition, flat(run.config)) for group in groups for run in group.runs.values()]
    regularised = [(condition, config) for condition, config in configurations if config.get("alpha") != 0]
    names = dict.fromkeys(name for _, config in configurations for name in config)
    for name in names:
        if name.split(".")[-1] in hidden:
            continue
        by_value = values.setdefault(name, {})
        for condition, config in (name in REGULARISER and regularised) or configurations:
            value = config.get(name, defaults.get(name, "not set"))
            first.setdefault(name, value)
            holders = by_value.setdefault(str(value), [])
            label = f"{condition.name} ({condition.protocol})"
            if label not in holders:
                holders.append(label)
    shared = {name: first[name] for name, by_value in values.items() if len(by_value) == 1}
    deviations = [
        Deviation(name, value, holders)
        for name, by_value in values.items()
        if len(by_value) > 1
        for value, holders in by_value.items()
    ]
    return yaml.safe_dump(shared, sort_keys=False, allow_unicode=True), deviations
