"""`tfcr cross-validate`: a sweep of one row."""

import click

from tfcr.cli.options import system_option
from tfcr.cli.sweep import run, shared_options
from tfcr.config import Config


@click.command("cross-validate")
@system_option
@click.option(
    "--alpha", type=click.FloatRange(0, 1), help="Weight of the regulariser (Eq. 7).  [default: 0.1, or 0 without one]"
)
@shared_options
@click.pass_context
def command(context, system, alpha, **options):
    """Train and test every fold of a protocol for one system and alpha.

    The same command again does what is missing. The runs lie where `tfcr sweep` looks for them.
    """
    system = system or Config().system

    def axes():
        from tfcr.models.systems import resolve_alpha

        return {"systems": (system,), "alphas": (resolve_alpha(system, alpha),)}

    run(context, axes, options)
