"""The configuration of a training, as frozen data that is checked once. No TensorFlow.

`configs/*.yaml` spell the presets out; a test proves them equal to the defaults here.
"""

import dataclasses
import math
import os
import pathlib
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from tfcr import protocols
from tfcr.errors import UsageError
from tfcr.protocols import subsets
from tfcr.schema import NUM_BINS, SEGMENT_FRAMES
from tfcr.training_noise import TrainingNoise

Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]
Preset = Literal["paper", "authors"]
Distribution = Literal["none", "mirrored"]
NegativesScope = Literal["global", "replica"]


@dataclass(frozen=True)
class Config:
    """Everything that decides the bits of a trained model, but the dataset and the machine; and `threads`.

    Raises:
        UsageError: a value outside its range, or of another type.
    """

    # The experiment
    preset: Preset = "paper"
    protocol: str = "random"  # "10-fold cross validation with a 8:1:1 split" (Sec. 4.3)
    subset: str | None = None  # of the dataset, before folds are drawn: improvised, scripted, speaker=…, session=…
    fold: int = 0  # the part that is tested; counts from 0
    fold_seed: int = 0  # draws the folds, and nothing else
    system: str = "fusion"  # model-level fusion (Sec. 3.1)
    seed: int = 0  # initialisation, shuffling, dropout and drawn negatives; never the folds

    # The regulariser (Sec. 3.2)
    alpha: float | None = None  # Eq. 7; 0.1 was the paper's choice (Sec. 4.3); null: 0.1 with a regulariser, else 0
    negatives: Literal["other-emotion", "any"] = "other-emotion"  # "different emotions" (Sec. 3.2)
    negatives_per_anchor: int | None = None  # null: all in the batch; 64: "N is equal to batch size" (Sec. 3.2)
    negative_weights: Literal["uniform", "balanced"] = "uniform"  # balanced: equal weight for each other emotion

    negatives_scope: NegativesScope = "global"  # of a mirrored batch: all of it, or what is on the anchor's device
    discriminator: Literal["hidden-layer", "cosine"] = "hidden-layer"  # "a single hidden layer" (Sec. 3.2)
    discriminator_units: int = 320  # width of the hidden layer; the authors' code's

    # The networks (Sec. 3.2 and 4.3)
    standardization: Literal["bins", "none"] = "bins"  # of each bin by the training part (the text is silent)
    conv_blocks: int = 4  # "four-layers CNN"
    conv_filters: int = 8  # "output channels are all 8"
    lstm_layers: int = 2  # "two-layers LSTM"
    lstm_units: int = 200  # "200 hidden nodes"
    mask_padding: bool = True  # LSTM and attention pass over padding (the text is silent)
    head_bias: bool = False  # Eq. 1-3 have none
    initializers: Literal["keras", "pytorch"] = "pytorch"  # the text is silent; the authors' code's

    # The other systems of Table 1, each with defaults of its own (`tfcr.models.systems`), and one's own features
    max_frames: int = 750  # of an MFCC sequence, 10 ms each (MDRE)
    max_token_ids: int = 128  # of a sentence whose word vectors are trained (MDRE)
    recurrent_units: int = 200  # of a GRU or an LSTM over a modality (MDRE)
    hidden_layers: int = 2  # of feature-level fusion (open)
    hidden_units: int = 200  # in each of them (open)
    projection_units: int = 256  # of one's own features, before the mean over time (SUPERB)
    pooling: Literal["mean", "attention"] = "mean"  # of one's own features over time; attention: by learned weights
    decision_weights: Literal["equal", "validation"] = "equal"  # of decision-level fusion; validation: chosen there
    classification_loss: Literal["softmax", "sigmoid"] = "softmax"  # cross-entropy (Eq. 5); sigmoid: MDRE's code
    class_weights: Literal["none", "balanced"] = (
        "none"  # of Eq. 5; balanced: inverse to the training part's frequencies
    )
    audio_features: str | None = None  # the name of one's own, prepared by --audio-features; null: the system's
    text_features: str | None = None  # the name of one's own, prepared by --text-features; null: the system's

    # Regularisation: drop rates, and the weight of a penalty (the text has none)
    embedding_dropout: float = 0.0  # on word embeddings
    head_dropout: float = 0.0  # before the linear head of a fusion
    audio_head_dropout: float = 0.0  # before the linear classifier of speech alone
    text_head_dropout: float = 0.0  # before the linear classifier of words alone
    text_norm_penalty: float = 0.0  # times the sum of the parameters' 2-norms, for words alone
    audio_dropout: float = 0.0  # on an MFCC sequence
    text_dropout: float = 0.0  # on a sequence of trained word vectors

    # Training (Sec. 4.3)
    start: Literal["fresh", "unimodal", "baseline"] = "fresh"  # whose encoders a fusion starts from
    segments: Literal["all", "random"] = "all"  # all: each once per epoch; random: one per utterance and epoch
    batch_size: int = 64  # examples, that is segments
    learning_rate: float = 0.001  # Adam
    adam_epsilon: float = 1e-7  # Keras's
    clip_value: float | None = None  # of each gradient's entries (MDRE)
    clip_norm: float | None = None  # of each gradient (MHA)
    halve_every: int | None = None  # epochs after which the learning rate is halved (DS-LSTM)
    halvings: int = 3  # at most so often
    epochs: int = 100  # at most (the text is silent)
    stop_on: Literal["ua", "macro-f1", "loss", "cross-entropy"] = (
        "ua"  # of validation; loss: Eq. 7 (the text is silent)
    )
    patience: int = 10  # epochs without a better value (the text is silent)
    shuffle_buffer: int = 2048  # segments that the shuffle holds at a time
    freq_mask: int = 0  # SpecAugment: the widest mask over frequency, in bins; the paper has none
    time_mask: int = 0  # SpecAugment: the widest mask over time, in frames; the paper has none
    noise: TrainingNoise | None = None  # added to speech and words in training (`TrainingNoise`); the paper has none

    # The arithmetic
    precision: Precision = "float32"
    threads: int = 2  # of one training: so many operations at a time; changes no bit
    op_threads: int = 1  # that one operation is split over; another number gives other bits
    distribution: Distribution = "none"  # mirrored: on every GPU, which divide a batch

    # The data
    dataset_sha256: str | None = None  # null: any dataset; a run's config.yaml names the one it was trained on
    features_sha256: str | None = None  # likewise of the features beside the paper's, where a system takes some
    split_sha256: str | None = None  # of the file that says the folds, for protocol `file`; null for every other

    def __post_init__(self) -> None:
        object.__setattr__(self, "noise", _noise(self.noise))
        _check_choice("protocol", self.protocol, protocols.names())
        for field in dataclasses.fields(self):
            _check_type(field, getattr(self, field.name), _TYPES[field.name])
        _check_range("alpha", self.alpha, 0, 1)
        for name in ("fold", "fold_seed", "seed"):
            _check_range(name, getattr(self, name), 0, 2**31 - 1)
        for name in (
            *("negatives_per_anchor", "conv_blocks", "conv_filters", "lstm_layers", "lstm_units", "threads"),
            "op_threads",
            *("discriminator_units", "batch_size", "epochs", "patience", "shuffle_buffer", "max_frames"),
            *("max_token_ids", "recurrent_units", "hidden_layers", "hidden_units", "projection_units"),
            *("halve_every", "halvings"),
        ):
            _check_range(name, getattr(self, name), 1, math.inf)
        _check_range("conv_blocks", self.conv_blocks, 1, int(math.log2(SEGMENT_FRAMES)))  # each halves the picture
        _check_range("freq_mask", self.freq_mask, 0, NUM_BINS - 1)
        _check_range("time_mask", self.time_mask, 0, SEGMENT_FRAMES - 1)
        _check_range("text_norm_penalty", self.text_norm_penalty, 0, math.inf)
        for name in (
            *("embedding_dropout", "head_dropout", "audio_head_dropout", "text_head_dropout"),
            *("audio_dropout", "text_dropout"),
        ):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} must be from 0 to below 1; received {getattr(self, name)!r}")
        for name in ("learning_rate", "adam_epsilon", "clip_value", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"{name} must be above 0; received {value!r}")
        if self.noise is not None and self.preset != "paper":
            raise UsageError(f"noise is added to spectrograms in dB; preset {self.preset!r} has other pictures")
        if self.negatives_scope == "replica" and self.distribution == "none":
            raise UsageError("negatives_scope replica needs distribution mirrored; one device has the whole batch")
        if self.subset is not None:
            object.__setattr__(self, "subset", subsets.checked(self.subset))
        if (self.protocol == protocols.FILE) != (self.split_sha256 is not None):
            raise UsageError(
                f"protocol {protocols.FILE!r} and a file that says the folds need each other (--split FILE.csv); "
                f"received protocol {self.protocol!r} and split_sha256 {self.split_sha256!r}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Field → value, in the order of the class; a value that has fields itself is a mapping of them."""
        content = dataclasses.asdict(self)
        if self.noise is not None:
            content["noise"] = {k: list(v) if isinstance(v, tuple) else v for k, v in content["noise"].items()}
        return content


_TYPES = typing.get_type_hints(Config)
REGULARISER = (  # the fields that mean nothing where alpha is 0
    *("negatives", "negatives_per_anchor", "negative_weights", "discriminator", "discriminator_units"),
    "negatives_scope",
)
FIELDS = tuple(field.name for field in dataclasses.fields(Config))


def from_mapping(
    values: Mapping[str, Any], preset: str = "paper", defaults: Mapping[str, Any] = types.MappingProxyType({})
) -> Config:
    """A configuration from `name: value` pairs; what they leave open is the preset's.

    Args:
        preset: where the pairs name none.
        defaults: pairs that go before the preset's.

    Raises:
        UsageError: an unknown name, or a value outside its range.
    """
    check_names(values, FIELDS)
    named = values.get("preset", preset)
    return dataclasses.replace(
        PRESETS[named] if named in typing.get_args(Preset) else Config(), **{**defaults, **values}
    )


def read_yaml(path: str | os.PathLike) -> dict[str, Any]:
    """Reads a configuration file: `name: value` lines, none of them nested but `merge` and `noise`.

    Raises:
        UsageError: no such file, or one that is no YAML mapping.
    """
    path = pathlib.Path(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_NoDuplicates)
    except FileNotFoundError:
        raise UsageError(f"config {path} does not exist; expected a YAML file of `name: value` lines") from None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:  # ValueError: also a day like 2021-99-99
        raise UsageError(f"config {path} is not readable YAML ({' '.join(str(error).split())})") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise UsageError(f"config {path} holds no `name: value` lines")
    return content


def check_names(names: typing.Iterable[str], known: typing.Iterable[str]) -> None:
    """Raises `UsageError` for the first name that is not known, with the nearest one that is."""
    import difflib

    known = sorted(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"
            raise UsageError(f"unknown config key {name!r}; {hint}")


class _NoDuplicates(yaml.SafeLoader):
    """YAML's safe subset; a key that stands twice is an error rather than the last one's win."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


# YAML 1.1 reads 1e-3 as a string; researchers write it as a number.
_NoDuplicates.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def _noise(value: Any) -> TrainingNoise | None:
    """A mapping of a file as what it stands for; `{}` has every default."""
    if value is None or isinstance(value, TrainingNoise):
        return value
    names = [field.name for field in dataclasses.fields(TrainingNoise)]
    if not isinstance(value, Mapping):
        raise UsageError(f"noise must be null or a mapping of {', '.join(names)}; received {value!r}")
    check_names(map(str, value), names)
    return TrainingNoise(**value)


def _check_type(field: dataclasses.Field, value: Any, expected: Any) -> None:
    if typing.get_origin(expected) is Literal:
        _check_choice(field.name, value, typing.get_args(expected))
        return
    allowed = typing.get_args(expected) if isinstance(expected, types.UnionType) else (expected,)
    fits = type(value) in allowed or (float in allowed and type(value) is int)
    if not fits:
        names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in allowed)
        raise UsageError(f"{field.name} must be {names}; received {value!r}")


def _check_choice(name: str, value: Any, choices: typing.Collection[str]) -> None:
    if value not in choices:
        raise UsageError(f"{name} must be one of {', '.join(choices)}; received {value!r}")


def _check_range(name: str, value: float | None, least: float, most: float) -> None:
    if value is not None and not least <= value <= most:
        limits = f"at least {least}" if most == math.inf else f"from {least} to {most}"
        raise UsageError(f"{name} must be {limits}; received {value!r}")


PRESETS = {
    "paper": Config(),  # the text, and our choice where it is silent
    "authors": Config(  # their code, where it differs
        preset="authors",
        protocol="authors",
        negatives="any",
        discriminator="cosine",
        standardization="none",
        lstm_layers=1,
        mask_padding=False,
        head_bias=True,
        embedding_dropout=0.75,
        head_dropout=0.7,
        audio_head_dropout=0.5,
        text_head_dropout=0.4,
        text_norm_penalty=0.0015,
        start="unimodal",
        batch_size=128,
        adam_epsilon=1e-8,
        epochs=1000,
        stop_on="cross-entropy",
        patience=30,
    ),
}
