"""The systems, one file each; the file's name is the system's (`early_fusion.py` is `early-fusion`).

A system is a module with

* `build(config, num_classes, sizes=Sizes(), dtype=None, use_cudnn="auto") -> keras.Model`: a network over examples, as
  `tfcr.models.network.connect` makes it of encoders and a head. Inputs say their dtype and layers take `dtype`, so that
  Keras's settings change nothing, and both have names, which are then the same in every process;
* `REGULARISED`: whether it has an audio and a text embedding for the regulariser;
* `FEATURES`: the feature sets it takes beside the paper's spectrograms and word embeddings (`tfcr.features.sets`);
* `DEFAULTS`: `field: value` pairs of the configuration that its paper sets, and that go before the preset's;
* `PRESET_DEFAULTS` (optional): preset → pairs that go before `DEFAULTS` where the dataset has that preset;
* `BATCH_STATISTICS` (optional): whether it normalises by the batch, which then cannot be divided among devices;
* `OWN_FEATURES` (optional): in which of `audio` and `text` one's own features may stand in for the paper's.

A preset says what this paper's text, or its authors' code, does to this paper's networks. That means nothing to the
system of another paper, which begins its `DEFAULTS` with `ANOTHER_PAPERS`; protocol, early stopping's measure and the
regulariser stay the preset's.

To add one, add such a file; `--system` finds it by its name, without importing TensorFlow. A file that holds several
stands in `SEVERAL`, and has a dictionary `SYSTEMS` of them, by name.
"""

import importlib
import pathlib
import pkgutil
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

from tfcr.config import PRESETS, REGULARISER, Config, from_mapping
from tfcr.dataset_info import Dataset, Features, features_sha256
from tfcr.errors import UsageError
from tfcr.models.sizes import Sizes

OWN_FIELDS = {"audio": "audio_features", "text": "text_features"}  # modality → field of the configuration
_ENDING = ".h5"
ANOTHER_PAPERS = {  # what a system of another paper takes from no preset
    name: getattr(PRESETS["paper"], name)
    for name in (
        *("standardization", "lstm_layers", "mask_padding", "head_bias"),
        *("embedding_dropout", "head_dropout", "audio_head_dropout", "text_head_dropout", "text_norm_penalty"),
        *("start", "batch_size", "adam_epsilon", "epochs", "patience"),
    )
} | {"initializers": "keras"}
SEVERAL = {"mha": ("mha-1", "mha-2", "mha-3")}  # file → the systems in it, where it holds more than one
DEFAULT_ALPHA = 0.1  # "The hyperparameter alpha is selected as 0.1" (Sec. 4.3)


def names() -> list[str]:
    """The names that `--system` takes."""
    found = (module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))
    return sorted(name for file in found for name in SEVERAL.get(file, (file,)))


def system(name: str) -> ModuleType | SimpleNamespace:
    """What a system's file says of it.

    Raises:
        UsageError: no such system.
    """
    if name not in names():
        raise UsageError(f"there is no system {name!r}; expected one of {', '.join(names())}")
    file = next((file for file, several in SEVERAL.items() if name in several), name)
    module = importlib.import_module(f"{__name__}.{file.replace('-', '_')}")
    return module.SYSTEMS[name] if file in SEVERAL else module


def configure(values: Mapping[str, Any], preset: str = "paper") -> Config:
    """A configuration from `name: value` pairs; what they leave open is the system's, and then the preset's.

    One's own features may be named by their file: `hubert.h5` holds the features `hubert`.

    Raises:
        UsageError: an unknown name, a value outside its range, no such system, or features that it does not take.
    """
    checked = from_mapping(values, preset)
    named = {name: _of_file(value) for name, value in values.items() if name in OWN_FIELDS.values()}
    for modality, name in OWN_FIELDS.items():
        if named.get(name) is not None and modality not in own_features(checked.system):
            raise UsageError(f"system {checked.system!r} takes no {name}; those that do are {_takers(modality)}")
    return from_mapping({**values, **named}, preset, defaults_of(checked.system, checked.preset))


def own_features(name: str) -> tuple[str, ...]:
    """For which of `audio` and `text` a system can take one's own features."""
    return getattr(system(name), "OWN_FEATURES", ())


def feature_names(config: Config) -> list[str]:
    """The feature sets that a training takes beside the paper's features."""
    own = [getattr(config, name) for name in OWN_FIELDS.values()]
    return [*system(config.system).FEATURES, *(name for name in own if name is not None)]


def check_features(config: Config, dataset: Dataset) -> list[Features]:
    """The feature sets of `feature_names`, of a dataset.

    Raises:
        TfcrError: the dataset was prepared without one; the message names the option that adds it.
        UsageError: one's own features stand for the other modality, or noise in training would not reach them.
    """
    if config.noise and (beyond := feature_names(config)):
        raise UsageError(
            f"noise reaches spectrograms and word embeddings alone; system {config.system!r} takes {', '.join(beyond)}"
        )
    for modality, name in OWN_FIELDS.items():
        own = getattr(config, name)
        if own in dataset.features and dataset.features[own].modality != modality:
            there = dataset.features[own].modality
            what = f"features that were prepared by --{there}-features" if there else "a feature set of tfcr's own"
            raise UsageError(f"{name} {own!r}: dataset {dataset.folder} has {what} by that name")
    return dataset.feature_sets(feature_names(config))


def extractors_of(config: Config, dataset: Dataset) -> dict[str, dict]:
    """What made the own features that a training takes, by the network's input, where their file said it."""
    return {each.fields[0].name: each.extractor for each in check_features(config, dataset) if each.extractor}


def on_dataset(config: Config, dataset: Dataset) -> Config:
    """A resolved configuration with the dataset's identity, and that of the features it takes."""
    features = features_sha256(check_features(config, dataset))
    return replace(config, dataset_sha256=dataset.sha256, features_sha256=features)


def sizes_of(config: Config, dataset: Dataset) -> Sizes:
    """What a network of a resolved configuration has to know of a dataset."""
    shapes = {field.name: field.shape for each in check_features(config, dataset) for field in each.fields}
    return Sizes(
        vocabulary=dataset.info.get("vocabulary", {}).get("words", 0),
        embedding_dim=dataset.embedding_dim,
        **{name: shapes.get(name) for name in OWN_FIELDS.values()},
    )


def _of_file(name: str | None) -> str | None:
    return pathlib.PurePath(name).stem if name is not None and name.endswith(_ENDING) else name


def _takers(modality: str) -> str:
    return ", ".join(name for name in names() if modality in own_features(name))


def defaults_of(name: str, preset: str) -> dict[str, Any]:
    """The `field: value` pairs of a system that go before those of a preset.

    Raises:
        UsageError: no such system.
    """
    module = system(name)
    return {**module.DEFAULTS, **getattr(module, "PRESET_DEFAULTS", {}).get(preset, {})}


def departures(name: str, preset: str, values: Mapping[str, Any]) -> list[str]:
    """In which of `values` a system is other than its defaults, in words: `batch_size 64 rather than 128`."""

    def shown(value):
        return "null" if value is None else value

    return [
        f"{field} {shown(values[field])} rather than {shown(default)}"
        for field, default in defaults_of(name, preset).items()
        if field in values and values[field] != default
    ]


def resolve_alpha(name: str, alpha: float | None) -> float:
    """The weight of the regulariser: 0.1 by default for systems that have one, 0 for the others.

    Raises:
        UsageError: no such system, or a weight above 0 for a system without a regulariser.
    """
    regularised = system(name).REGULARISED
    if alpha is None:
        return DEFAULT_ALPHA if regularised else 0.0
    if alpha and not regularised:
        raise UsageError(f"alpha must be 0 for system {name!r}, which has no regulariser; received {alpha}")
    return float(alpha)


def resolve_start(config: Config) -> str:
    """Whose encoders a training starts from: of speech and words `unimodal`, of the `baseline`, or of nobody (`fresh`).

    `unimodal` with alpha above 0 is the last stage, which starts from the baseline. Only the paper's fusion can start
    from others; every other system starts afresh.
    """
    if config.system != "fusion" or config.audio_features or config.text_features:
        return "fresh"
    return "baseline" if config.start == "unimodal" and config.alpha else config.start


def resolve(config: Config) -> Config:
    """The configuration with everything resolved that its system decides: alpha, features, and where training starts.

    The regulariser's settings mean nothing where alpha is 0; there they are the preset's, so that equal trainings have
    equal configurations.

    Raises:
        UsageError: no such system, a weight above 0 for a system without a regulariser, or `mirrored` for one that
            normalises by the batch.
    """
    if config.distribution == "mirrored" and getattr(system(config.system), "BATCH_STATISTICS", False):
        raise UsageError(
            f"distribution must be none for system {config.system!r}, which normalises by the batch: devices that "
            "divide it would normalise by less"
        )
    unused = [name for modality, name in OWN_FIELDS.items() if modality not in own_features(config.system)]
    config = replace(config, alpha=resolve_alpha(config.system, config.alpha), **dict.fromkeys(unused))
    if config.alpha == 0:
        preset = PRESETS[config.preset]
        config = replace(config, **{name: getattr(preset, name) for name in REGULARISER})
    return replace(config, start=resolve_start(config))
