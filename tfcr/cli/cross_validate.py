"""`tfcr cross-validate`: a sweep of one row."""

from collections.abc import Mapping
from typing import Any

import click

from tfcr.cli.options import fields_of_config, system_option
from tfcr.cli.sweep import run, shared_options
from tfcr.config import Config
from tfcr.errors import UsageError


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
    _refuse_several(context, {"system": system, "alpha": alpha})
    system = system or Config().system

    def axes():
        from tfcr.models.systems import resolve_alpha

        return {"systems": (system,), "alphas": (resolve_alpha(system, alpha),)}

    run(context, axes, options)


def _refuse_several(context: click.Context, given: Mapping[str, Any]) -> None:
    """A file that serves `tfcr sweep` may say several systems or alphas, at which this command would not look."""
    for name, value in given.items():
        values = fields_of_config(context).get(f"{name}s")
        if value is None and values is not None:
            raise UsageError(
                f"the configuration has {name}s: {values}, and cross-validate takes one; name it by --{name}, or type "
                "tfcr sweep"
            )
