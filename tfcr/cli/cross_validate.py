"""`tfcr cross-validate`: a sweep of one row."""

from collections.abc import Sequence
from typing import Any

import click

from tfcr.cli.options import Names, fields_of_config, system_option
from tfcr.cli.sweep import run, shared_options
from tfcr.config import Config
from tfcr.errors import UsageError
from tfcr.experiments.ranges import decimals


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
    of_file = fields_of_config(context)
    if system is None and "systems" in of_file:
        system = _the_one("system", Names().convert(of_file["systems"], None, context))
    system = system or Config().system

    def axes():
        from tfcr.models import systems

        given = alpha
        if given is None and "alphas" in of_file and systems.system(system).REGULARISED:
            given = _the_one("alpha", decimals("alphas", of_file["alphas"]))
        return {"systems": (system,), "alphas": (systems.resolve_alpha(system, given),)}

    run(context, axes, options)


def _the_one(name: str, several: Sequence) -> Any:
    """What a file that serves `tfcr sweep` says of several, where it is one.

    Raises:
        UsageError: there are more of them, at which this command would not look.
    """
    if len(several) == 1:
        return several[0]
    said = ", ".join(map(str, several))
    raise UsageError(
        f"the configuration has {name}s {said}, and cross-validate takes one; name it by --{name}, or type tfcr sweep"
    )
