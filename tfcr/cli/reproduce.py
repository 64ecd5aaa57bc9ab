"""`scripts/reproduce`: the whole main job as one command."""

import pathlib

import click

from tfcr import cli, corpora
from tfcr.cli.options import PATH, config_option, fields_of_config
from tfcr.cli.tensorflow import import_quietly
from tfcr.config import Config, from_mapping
from tfcr.errors import UsageError


@click.command("reproduce")
@click.option("--corpus", default="synthetic", show_default=True, type=click.Choice(corpora.names()))
@click.option("--root", type=PATH, help="The folder the corpus lies in; the synthetic one needs none.")
@click.option("--embeddings", type=PATH, help="Pretrained word vectors; the paper's are word2vec-google-news-300.")
@click.option(
    "--out", type=PATH, default=pathlib.Path("."), help="Where data, runs, report and serving go.  [default: here]"
)
@click.option("--workers", type=click.IntRange(1), help="Trainings at a time.  [default: the cores]")
@click.option("--epochs", type=click.IntRange(1), help="At most, of each training; few of them only try things out.")
@config_option
@click.pass_context
def command(context, corpus, root, embeddings, out, workers, epochs):
    """Prepare a corpus, train baseline and proposed method on the same folds, report and export.

    The same command again goes on where it stopped.
    """
    from tfcr.cli import prepare as prepare_command
    from tfcr.cli.display import cell_epoch, say

    fields = {"epochs": epochs} if epochs else {}
    config = from_mapping({**fields_of_config(context), **fields})
    for name in ("protocol", "fold", "alpha", "threads", "system"):
        if getattr(config, name) != getattr(Config(), name):
            raise UsageError(f"scripts/reproduce sets {name} itself; leave it out of the configuration")
    name = root.resolve().name if corpus == "manifest" and root else corpus
    folder = out / "data" / name
    arguments = ["--corpus", corpus, "--name", name, "--out", str(folder)]
    arguments += ["--root", str(root)] if root else []
    arguments += ["--embeddings", str(embeddings)] if embeddings else []
    prepare_command.command.main(arguments, standalone_mode=False)

    import_quietly()
    from tfcr.dataset_info import open_dataset
    from tfcr.experiments.reproduce import reproduce

    result = reproduce(open_dataset(folder), config, out, workers, say, import_quietly, cell_epoch)
    click.echo(result.report.summary)
    confusions = [path for path in result.report.figures if path.name.startswith("confusion") and path.suffix == ".png"]
    click.echo("confusion matrices: " + ", ".join(map(str, confusions)))
    click.echo(f"report: {result.report.page}")
    click.echo(f"exported model (the first fold's at alpha 0.1): {result.export}")


if __name__ == "__main__":
    cli.run(command)
