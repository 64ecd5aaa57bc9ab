"""`tfcr export`."""

import pathlib

import click
from click.core import ParameterSource

from tfcr.cli.options import PATH, config_option
from tfcr.errors import UsageError

_OUT = {"savedmodel": pathlib.Path("serving/tfcr"), "onnx": pathlib.Path("serving/onnx")}


@click.command("export")
@click.argument("run", type=PATH)
@click.option(
    "--out", type=PATH, help=f"The folder above the versions.  [default: {_OUT['savedmodel']}; of ONNX, {_OUT['onnx']}]"
)
@click.option(
    "--format",
    type=click.Choice(tuple(_OUT)),
    default="savedmodel",
    show_default=True,
    help="A SavedModel, from a recording and its words to an emotion; or ONNX, from features (extra `onnx`).",
)
@click.option("--data", type=PATH, help="Where the run's dataset lies now.  [default: where it was]")
@click.option(
    "--vocabulary",
    metavar="FILE|N",
    help="More words than the dataset's: all of a file of word vectors, or the first N of the vectors that the dataset "
    "was prepared with, which are the most frequent.",
)
@click.option(
    "--embeddings",
    metavar="FILE",
    help="Where the vectors for --vocabulary N lie.  [default: here, by the name they had, or where gensim keeps them]",
)
@config_option
@click.pass_context
def command(context, run, out, format, data, vocabulary, embeddings):
    """Write a trained run as a SavedModel for TF Serving, or as an ONNX model."""
    from tfcr.runs import open_run

    if format == "onnx" and vocabulary is not None:
        raise UsageError("an ONNX model takes word vectors, not words; leave --vocabulary out")
    is_typed = context.get_parameter_source("embeddings") is ParameterSource.COMMANDLINE  # a file's are a dataset's
    if is_typed and not (vocabulary or "").isdecimal():
        raise UsageError(
            "--embeddings says where the vectors of --vocabulary N lie, and adds no word by itself; give N, or "
            "--vocabulary FILE in its place"
        )
    trained = open_run(run)

    from tfcr.cli.tensorflow import import_quietly

    import_quietly(on_gpus=False)
    if format == "onnx":
        from tfcr.serving.export.onnx_export import export_onnx

        click.echo(export_onnx(trained, out or _OUT[format], data=data))
    else:
        from tfcr.serving.export.saved_model import export_run

        click.echo(export_run(trained, out or _OUT[format], data=data, vocabulary=vocabulary, embeddings=embeddings))
