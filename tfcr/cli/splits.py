"""The options that say what is divided, and by what file: `--subset` and `--split`."""

import pathlib
from collections.abc import Callable, Iterable

import click
from click.core import ParameterSource

from tfcr.cli.options import PATH, config_files
from tfcr.errors import UsageError
from tfcr.protocols import FILE


def split_options(command: Callable) -> Callable:
    """`--split FILE.csv` and `--subset NAME`."""
    for option in (
        click.option(
            "--subset",
            metavar="NAME",
            help="What is divided: improvised or scripted (IEMOCAP), speaker=ann,bob or session=1,2.  [default: all]",
        ),
        click.option(
            "--split",
            type=PATH,
            help="A CSV file id,part or id,fold in place of --protocol: who trains, who is tested.",
        ),
    ):
        command = option(command)
    return command


def split_file_of(context: click.Context, fields: dict, split: pathlib.Path | None, run: pathlib.Path | None = None):
    """The file that stands for a protocol, if one does; `fields` then name it.

    What is typed wins over `--config` files, of which the later win, and `split` over `protocol` in one of them. `run`,
    or the run whose `config.yaml` a `--config` is, keeps a copy, which saves looking for the file.

    Returns:
        A `tfcr.split_file.SplitFile`, or None.

    Raises:
        UsageError: `--split` and `--protocol` contradict each other, or the file is another one than the run's.
        TfcrError: the file is not there.
    """
    options = {"protocol", "split"}
    typed = {name for name in options if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    by_protocol = fields.get("protocol") != FILE and "protocol" in typed
    if by_protocol and "split" in typed:
        raise UsageError(f"--split stands for a protocol; leave out --protocol {fields['protocol']}, or --split")
    if split is None or by_protocol:
        if by_protocol:
            fields.pop("split_sha256", None)
        return None

    from tfcr import split_file

    named = None if "split" in typed else fields.get("split_sha256")
    places = [*([run] if run else []), *(path.parent for path in config_files(context))]
    found = _kept(named, places) or split_file.read(split)
    if named not in (None, found.sha256):
        raise UsageError(
            f"--split {split} is {found.sha256[:12]}…; the configuration names {named[:12]}…; on the command line it "
            "stands for itself"
        )
    fields |= {"protocol": FILE, "split_sha256": found.sha256}
    return found


def _kept(sha256: str | None, places: Iterable[pathlib.Path]):
    """The copy of a named file that one of some runs keeps; None without one."""
    from tfcr import runs, split_file

    there = [place for place in places if sha256 and (place / runs.CONFIG).is_file()]
    kept = (split_file.kept_in(place) for place in there)
    return next((each for each in kept if each is not None and each.sha256 == sha256), None)
