"""Options that commands share: a YAML file for all of them, and names in a list."""

import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import click
from click.core import ParameterSource

from tfcr.cli.backends import BACKEND_OPTIONS
from tfcr.config import FIELDS, check_names, from_mapping, read_yaml
from tfcr.errors import UsageError
from tfcr.experiments.ranges import shard
from tfcr.protocols import FILE

PATH = click.Path(path_type=pathlib.Path)
_OTHER_FIELDS = "tfcr.cli.fields"
_FILES = "tfcr.cli.config"
_PREPARE = (
    *("corpus", "root", "embeddings", "name", "out", "features", "emotions", "merge", "transcripts", "workers"),
    *("emotion_names", "skip_unreadable"),
)
_BEAM = ("runner",)
_EXTRACT = ("model", "revision", "layer", "pool", "opensmile", "level", "window", "overlap", "batch", "half")
_PREPARATION = ("emotions", "merge")  # a file may say them for several commands; those that train compare them
_OF_CORPORA = ("conflict_rate", "corpus_seed", "utterances", "allow_partial")
_TRAIN = ("data", "run", "split", "part")
_SWEEP = ("systems", "alphas", "folds", "seeds", "shard", "report", "no_report", "dry_run", *BACKEND_OPTIONS)
_EVALUATE = ("noise_seed", "kinds", "list_words")
_WHO_TRAINS = ("protocol", "split", "split_sha256")  # a later file with a protocol or a split replaces all three
_SERVE = ("format", "vocabulary", "transcript", "host", "port", "max_body", "cors_origin", "no_page")
OF_PREPARATION = (*_PREPARE, *_BEAM, *_OF_CORPORA)
# one file may serve several commands
_KNOWN = (*FIELDS, *OF_PREPARATION, *_EXTRACT, *_TRAIN, *_SWEEP, *_EVALUATE, *_SERVE)


def config_option(command: Callable) -> Callable:
    """`--config FILE`: a YAML file of this command's options and the configuration's fields; the command line wins."""
    return click.option(
        "--config",
        type=PATH,
        multiple=True,
        is_eager=True,
        expose_value=False,
        callback=_read,
        help="A YAML file with any of these options and every field of configs/paper.yaml; the command line wins. "
        "Again for several files, of which the later win.",
    )(command)


def fields_of_config(context: click.Context) -> dict:
    """What the `--config` file says beyond the command's own options."""
    return context.meta.get(_OTHER_FIELDS, {})


def config_files(context: click.Context) -> tuple[pathlib.Path, ...]:
    """The `--config` files."""
    return context.meta.get(_FILES, ())


def say_departures(context: click.Context, systems: Iterable[str], preset: str, say: Callable[[str], None]) -> None:
    """Says which defaults of a system the `--config` file sets otherwise: one of all fields names everything."""
    from tfcr.models.systems import departures

    sources = {name: context.get_parameter_source(name) for name in context.params}
    of_file = {name: context.params[name] for name, source in sources.items() if source is ParameterSource.DEFAULT_MAP}
    of_file |= fields_of_config(context)
    for system in systems:
        if found := departures(system, preset, of_file):
            say(f"{system} by the --config file: {', '.join(found)}")


def say_coverage(dataset, say: Callable[[str], None]) -> None:
    """Warns where few of a dataset's words have a vector."""
    if warned := dataset.info["embeddings"].get("warning"):
        say(f"Warning: {warned}")


def system_option(command: Callable) -> Callable:
    """`--system NAME`; its names are looked up later, for that loads TensorFlow."""
    return click.option(
        "--system",
        help="fusion, audio, text, early-fusion, late-fusion, mdre, mha-1, mha-2, mha-3 or ds-lstm.  [default: fusion]",
    )(command)


def own_features_options(command: Callable) -> Callable:
    """`--audio-features` and `--text-features`: which prepared features of one's own stand in for the paper's."""
    for modality, paper in (("text", "word embeddings"), ("audio", "spectrograms")):
        command = click.option(
            f"--{modality}-features",
            metavar="NAME",
            help=f"One's own features in place of the {paper}: the name of the file that was prepared, without .h5.",
        )(command)
    return command


def refuse_other_preparation(context: click.Context, dataset) -> None:
    """Refuses a dataset that was prepared with other `emotions` or `merge` than the `--config` file says.

    Args:
        dataset: an open one (`tfcr.dataset_info`).

    Raises:
        UsageError: which of them, and what the dataset has.
    """
    fields = fields_of_config(context)
    for name in _PREPARATION:
        if name not in fields:
            continue
        wanted = list(Names().convert(fields[name], None, context)) if name == "emotions" else fields[name]
        if wanted != dataset.info[name]:
            raise UsageError(f"{name} of the configuration contradicts dataset {dataset.folder}: {dataset.info[name]}")


class Names(click.ParamType):
    """Names with commas between them, or a YAML list."""

    name = "NAME,NAME,…"

    def convert(self, value, param, ctx):
        if isinstance(value, str):
            value = [name.strip() for name in value.split(",")]
        if not isinstance(value, list | tuple) or not all(isinstance(name, str) and name for name in value):
            self.fail(f"expected names with commas between them; received {value!r}", param, ctx)
        return tuple(value)


class Numbers(click.ParamType):
    """Numbers and ranges, as text or as a YAML list.

    Args:
        name: how the help calls them.
        parse: takes the option's name and the value; see `tfcr.experiments.ranges`.
        word: text that is a value itself, such as `all`.
    """

    def __init__(self, name: str, parse: Callable[[str, Any], tuple], word: str | None = None):
        self.name = name
        self.parse = parse
        self.word = word

    def convert(self, value, param, ctx):
        if self.word is not None and value == self.word:
            return value
        return self.parse(param.name, value)


class Shard(click.ParamType):
    """`i/n`: the i-th of n parts, from 1."""

    name = "I/N"

    def convert(self, value, param, ctx):
        return shard(value) if isinstance(value, str) else value


def _content(path: pathlib.Path) -> dict[str, Any]:
    """Name → value of a file; names may be spelled with dashes, as on the command line."""
    content = {}
    for spelling, value in read_yaml(path).items():
        name = spelling.replace("-", "_")
        if name in content:
            raise UsageError(f"config {path}: {name} stands twice, as {spelling} too")
        content[name] = value
    return content


def _merged(paths: Iterable[pathlib.Path]) -> dict[str, Any]:
    """The content of all files, of which the later win: also a `protocol` over the `split` of an earlier one."""
    content: dict[str, Any] = {}
    for path in paths:
        later = _content(path)
        if later.get("split") is not None or later.get("protocol") not in (None, FILE):
            content = {name: value for name, value in content.items() if name not in _WHO_TRAINS}
        content |= later
    return content


def _read(context: click.Context, parameter: click.Parameter, paths: tuple[pathlib.Path, ...]) -> None:
    content = _merged(paths)
    context.meta[_FILES] = paths
    check_names(content, _KNOWN)
    options = {option.name: option for option in context.command.params}
    # Options that may stand several times: one file or a list of them here, a single name to other commands.
    repeated = {name for name, option in options.items() if option.multiple and name != "config"}
    checked = {name: value for name, value in content.items() if name in FIELDS and name not in repeated}
    from_mapping({name: value for name, value in checked.items() if value is not None})
    content = {name: value for name, value in content.items() if name in FIELDS or value is not None}
    for name, value in content.items():
        if name in repeated:
            content[name] = _listed(name, value)
        elif name in options and name not in FIELDS:
            _check_type(name, value, options[name])
    context.default_map = {name: value for name, value in content.items() if name in options and value is not None}
    context.meta[_OTHER_FIELDS] = {name: value for name, value in content.items() if name not in options}


def _listed(name: str, value: Any) -> list[str]:
    """What may stand once or several times."""
    value = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UsageError(f"{name} must be a file or a list of them; received {value!r}")
    return value


def _check_type(name: str, value: Any, option: click.Parameter) -> None:
    """A value of YAML has a type already; click would read True as 1 and cut 1.5 to 1."""
    if isinstance(option.type, Names | Numbers):
        return
    kinds = {
        click.types.IntParamType: (int,),
        click.types.FloatParamType: (int, float),
        click.types.BoolParamType: (bool,),
    }
    expected = next((types for kind, types in kinds.items() if isinstance(option.type, kind)), (str,))
    if type(value) not in expected:
        raise UsageError(f"{name} must be {' or '.join(kind.__name__ for kind in expected)}; received {value!r}")
