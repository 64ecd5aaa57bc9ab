"""`tfcr export`."""

import pathlib

import click

from tfcr.cli.options import PATH, config_option


@click.command("export")
@click.argument("run", type=PATH)
@click.option(
    "--out", type=PATH, default=pathlib.Path("serving/tfcr"), show_default=True, help="The folder above the versions."
)
@config_option
def command(run, out):
    """Write a trained run as a SavedModel for TF Serving."""
    from tfcr.runs import open_run

    trained = open_run(run)

    from tfcr.cli.tensorflow import import_quietly

    import_quietly()
    from tfcr.serving.export import export_run

    click.echo(export_run(trained, out))
