"""The systems, one file each; the file's name is the system's (`early_fusion.py` is `early-fusion`).

A system is a module with

* `build(config, num_classes, sizes=Sizes(), dtype=None, use_cudnn="auto") -> keras.Model`: a network over examples with
  named inputs and the outputs of `tfcr.models.network`, its layers named alike in every process;
* `REGULARISED`: whether it has an audio and a text embedding for the regulariser;
* `FEATURES`: the feature sets it takes beside the paper's spectrograms and word embeddings (`tfcr.features.sets`);
* `DEFAULTS`: `field: value` pairs of the configuration that its paper sets, and that go before the preset's;
* `PRESET_DEFAULTS` (optional): preset → pairs that go before `DEFAULTS` where the dataset has that preset.

A preset says what this paper's text, or its authors' code, does to this paper's networks. That means nothing to the
system of another paper, which begins its `DEFAULTS` with `ANOTHER_PAPERS`; protocol, early stopping's measure and the
regulariser stay the preset's.

To add one, add such a file; `--system` finds it by its name, without importing TensorFlow.
"""

import importlib
import pkgutil
from dataclasses import replace
from types import ModuleType
from typing import Any

from tfcr.config import PRESETS, REGULARISER, Config
from tfcr.errors import UsageError

ANOTHER_PAPERS = {  # what a system of another paper takes from no preset
    name: getattr(PRESETS["paper"], name)
    for name in (
        *("standardization", "lstm_layers", "mask_padding", "head_bias", "initializers"),
        *("embedding_dropout", "head_dropout", "audio_head_dropout", "text_head_dropout", "text_norm_penalty"),
        *("start", "batch_size", "adam_epsilon", "epochs", "patience"),
    )
}
DEFAULT_ALPHA = 0.1  # "The hyperparameter alpha is selected as 0.1" (Sec. 4.3)


def names() -> list[str]:
    """The names that `--system` takes."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def system(name: str) -> ModuleType:
    """The module of a system.

    Raises:
        UsageError: no such system.
    """
    if name not in names():
        raise UsageError(f"there is no system {name!r}; expected one of {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")


def defaults_of(name: str, preset: str) -> dict[str, Any]:
    """The `field: value` pairs of a system that go before those of a preset.

    Raises:
        UsageError: no such system.
    """
    module = system(name)
    return {**module.DEFAULTS, **getattr(module, "PRESET_DEFAULTS", {}).get(preset, {})}


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
    if config.system != "fusion":
        return "fresh"
    return "baseline" if config.start == "unimodal" and config.alpha else config.start


def resolve(config: Config) -> Config:
    """The configuration with everything resolved that its system decides: alpha, and where training starts.

    The regulariser's settings mean nothing where alpha is 0; there they are the preset's, so that equal trainings have
    equal configurations.

    Raises:
        UsageError: no such system, or a weight above 0 for a system without a regulariser.
    """
    config = replace(config, alpha=resolve_alpha(config.system, config.alpha))
    if config.alpha == 0:
        preset = PRESETS[config.preset]
        config = replace(config, **{name: getattr(preset, name) for name in REGULARISER})
    return replace(config, start=resolve_start(config))
