"""`tfcr serve`."""

import importlib.util
import os
import re

import click

from tfcr.cli.options import PATH, config_option
from tfcr.errors import missing_extra

_PACKAGES = ("fastapi", "uvicorn", "prometheus_client", "orjson")
_OF_THE_PAGE = ("gradio",)
_ORIGIN = re.compile(r"\*|https?://[^/\s]+")


def _check_origins(context: click.Context, option: click.Parameter, origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise click.BadParameter(f"{origin!r} is no origin; expected https://HOST, https://HOST:PORT or *")
    return tuple(map(str.lower, origins))  # as browsers send them


@click.command("serve")
@click.argument("export", type=PATH)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at; 0.0.0.0 is all.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8501, show_default=True, help="0 takes any that is free."
)
@click.option(
    "--max-body", type=click.IntRange(1, 1024), default=64, show_default=True, metavar="MB",
    help="The largest request.",
)  # fmt: skip
@click.option(
    "--threads", type=click.IntRange(1), metavar="N", help="How many requests are computed at a time.  [default: cores]"
)
@click.option(
    "--cors-origin",
    multiple=True,
    metavar="ORIGIN",
    callback=_check_origins,
    help="A site whose scripts may read the answers, say https://example.org, or * for all. Again for several.",
)
@click.option("--no-page", is_flag=True, help="Serve REST alone.")
@config_option
def command(export, host, port, max_body, threads, cors_origin, no_page):
    """Serve an export: TF Serving's REST interface for one model, and a page to try it on."""
    for name in _PACKAGES if no_page else _PACKAGES + _OF_THE_PAGE:
        if importlib.util.find_spec(name) is None:
            raise missing_extra("tfcr serve", name, "serve")

    from tfcr.cli.tensorflow import import_quietly
    from tfcr.exports import latest_version

    latest_version(export)  # before the seconds that TensorFlow takes
    import_quietly()
    from tfcr.serving.server.app import MODELS, listen, serve
    from tfcr.serving.server.served import ServedModel

    def ready(address):
        at = f"{address}{MODELS}{model.name}:predict"
        click.echo(f"{model.folder} answers at {at}" + ("" if no_page else f", with a page at {address}/"))
        click.echo(
            "This server is for trying and for small loads; for production there is TF Serving (docs/serving.md)."
        )

    with listen(host, port) as listener:
        model = ServedModel(export)
        serve(
            model,
            listener,
            max_body=max_body << 20,
            threads=threads or os.cpu_count() or 1,
            page=not no_page,
            origins=cors_origin,
            ready=ready,
        )
