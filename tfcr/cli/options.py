"""Options that commands share: a YAML file for all of them, and names in a list."""

import pathlib
from collections.abc import Callable

import click

from tfcr.config import FIELDS, check_names, read_yaml

PATH = click.Path(path_type=pathlib.Path)
_OTHER_FIELDS = "tfcr.cli.fields"
_PREPARE = ("corpus", "root", "embeddings", "name", "out", "features", "emotions", "merge", "transcripts", "workers")
_SYNTHETIC = ("conflict_rate", "corpus_seed", "utterances", "allow_partial")
_TRAIN = ("data", "run")
_KNOWN = (*FIELDS, *_PREPARE, *_SYNTHETIC, *_TRAIN)  # one file may serve both commands


def config_option(command: Callable) -> Callable:
    """`--config FILE`: a YAML file of this command's options and the configuration's fields; the command line wins."""
    return click.option(
        "--config",
        type=PATH,
        is_eager=True,
        expose_value=False,
        callback=_read,
        help="A YAML file with any of these options and every field of configs/paper.yaml; the command line wins.",
    )(command)


def fields_of_config(context: click.Context) -> dict:
    """What the `--config` file says beyond the command's own options."""
    return context.meta.get(_OTHER_FIELDS, {})


class Names(click.ParamType):
    """Names with commas between them, or a YAML list."""

    name = "NAME,NAME,…"

    def convert(self, value, param, ctx):
        if isinstance(value, str):
            value = [name.strip() for name in value.split(",")]
        if not isinstance(value, list | tuple) or not all(isinstance(name, str) and name for name in value):
            self.fail(f"expected names with commas between them; received {value!r}", param, ctx)
        return tuple(value)


def _read(context: click.Context, parameter: click.Parameter, path: pathlib.Path | None) -> None:
    if path is None:
        return
    content = {name.replace("-", "_"): value for name, value in read_yaml(path).items()}
    check_names(content, _KNOWN)
    options = {option.name for option in context.command.params}
    context.default_map = {name: value for name, value in content.items() if name in options and value is not None}
    context.meta[_OTHER_FIELDS] = {name: value for name, value in content.items() if name not in options}
