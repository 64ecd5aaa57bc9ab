"""`tfcr report`."""

import pathlib

import click

from tfcr.cli.options import PATH, config_option


@click.command("report")
@click.argument("runs", type=PATH, nargs=-1, required=True)
@click.option("--out", type=PATH, default=pathlib.Path("report"), show_default=True, help="The report's folder.")
@config_option
def command(runs, out):
    """Compare runs with each other and with the paper: HTML, figures, CSV, Markdown and LaTeX."""
    from tfcr.report import write_report
    from tfcr.runs import find_runs

    report = write_report(find_runs(runs), out)
    click.echo(report.summary)
    click.echo(report.page)
