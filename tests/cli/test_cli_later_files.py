"""Of several `--config` files the later wins, also where one says a protocol and another a file in its place."""

import click
import pytest
from click.testing import CliRunner

from tfcr.cli.options import config_option, fields_of_config
from tfcr.cli.splits import split_file_of, split_options

SPLIT, PAPER = "split: mine.csv\n", "protocol: random\nsplit_sha256: null\n"  # as configs/paper.yaml has them
OF_RUN = f"protocol: file\nsplit: theirs.csv\nsplit_sha256: {'ab' * 32}\n"


@click.command()
@click.option("--protocol")
@split_options
@config_option
@click.pass_context
def command(context, protocol, split, subset):
    """Prints who says the folds."""
    fields = {name: value for name, value in fields_of_config(context).items() if value is not None}
    fields |= {} if protocol is None else {"protocol": protocol}
    found = split_file_of(context, fields, split)
    click.echo(f"{fields.get('protocol')} {found and found.name}")


@pytest.mark.parametrize(
    ("contents", "typed", "expected"),
    [
        ([SPLIT, PAPER], [], "random None"),
        ([PAPER, SPLIT], [], "file mine.csv"),
        ([PAPER + "split: mine.csv\n"], [], "file mine.csv"),
        ([SPLIT, "protocol: null\n"], [], "file mine.csv"),
        ([SPLIT, "protocol: speaker\n"], ["--split", "mine.csv"], "file mine.csv"),
        ([OF_RUN, "protocol: speaker\n"], [], "speaker None"),
        ([OF_RUN, SPLIT], [], "file mine.csv"),
    ],
)
def test_the_latest_file_says_who_trains_and_who_is_tested(contents, typed, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text("id,part\n")
    for number, content in enumerate(contents):
        (tmp_path / f"{number}.yaml").write_text(content)
        typed = [*typed, "--config", f"{number}.yaml"]
    outcome = CliRunner().invoke(command, typed, catch_exceptions=False)
    assert outcome.output == f"{expected}\n"
