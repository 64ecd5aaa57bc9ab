"""`scripts/reproduce`: the whole main job as one command."""

import pathlib
import tempfile

import click
import yaml

from tfcr import cli, corpora
from tfcr.cli.backends import backend_options, check_backend, open_backend, results_alone
from tfcr.cli.options import OF_PREPARATION, PATH, config_option, fields_of_config
from tfcr.cli.tensorflow import import_quietly
from tfcr.config import Config, from_mapping
from tfcr.errors import UsageError


@click.command("reproduce")
@click.option("--corpus", default="synthetic", show_default=True, type=click.Choice(corpora.names()))
@click.option("--root", type=PATH, help="The folder the corpus lies in; the synthetic one needs none.")
@click.option("--embeddings", metavar="FILE", help="Pretrained word vectors; the paper's are word2vec-google-news-300.")
@click.option("--glove", metavar="FILE", help="IEMOCAP: the vectors of the authors' code.  [default: --embeddings]")
@click.option(
    "--out", type=PATH, default=pathlib.Path("."), help="Where data, runs, report and serving go.  [default: here]"
)
@click.option("--workers", type=click.IntRange(1), help="Trainings at a time.  [default: the cores; four for each GPU]")
@click.option("--epochs", type=click.IntRange(1), help="At most, of each training; few of them only try things out.")
@click.option("--allow-partial", is_flag=True, help="Go on with an incomplete release (IEMOCAP, MELD, …).")
@backend_options
@config_option
@click.pass_context
def command(context, corpus, root, embeddings, glove, out, workers, epochs, allow_partial, **backend):
    """Prepare a corpus, train each modality alone, baseline and proposed method on the same folds, report and export.

    The same command again goes on where it stopped.
    """
    from tfcr.cli import prepare as prepare_command
    from tfcr.cli.display import cell_epoch, say

    check_backend(context)
    of_file = fields_of_config(context)
    of_preparation = {name: value for name, value in of_file.items() if name in OF_PREPARATION}
    fields = {name: value for name, value in of_file.items() if name not in OF_PREPARATION}
    fields |= {"epochs": epochs} if epochs else {}
    config = from_mapping(fields)
    for name in ("preset", "protocol", "fold", "alpha", "threads", "system", "start"):
        if getattr(config, name) != getattr(Config(), name):
            raise UsageError(f"scripts/reproduce sets {name} itself; leave it out of the configuration")
    if "name" in of_preparation:
        raise UsageError("scripts/reproduce sets name itself; leave it out of the configuration")
    name = root.resolve().name if corpus == "manifest" and root else corpus
    prepared = {out / "data" / name: ("paper", embeddings)}
    if corpus == "iemocap":
        prepared[out / "data" / f"{name}-authors"] = ("authors", glove or embeddings)
    for folder, (preset, vectors) in prepared.items():
        arguments = ["--corpus", corpus, "--name", folder.name, "--out", str(folder), "--preset", preset]
        arguments += ["--root", str(root)] if root else []
        arguments += ["--embeddings", str(vectors)] if vectors else []
        arguments += ["--allow-partial"] if allow_partial else []
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:  # emotions, merge, …
            yaml.safe_dump(of_preparation, file)
            file.flush()
            prepare_command.command.main([*arguments, "--config", file.name], standalone_mode=False)

    import_quietly()
    from tfcr.dataset_info import open_dataset
    from tfcr.experiments.reproduce import reproduce

    fields = {name: value for name, value in fields.items() if name not in ("preset", "protocol", "start")}
    experiments = [(open_dataset(folder), from_mapping(fields, preset)) for folder, (preset, _) in prepared.items()]
    with results_alone():
        result = reproduce(experiments, out, workers, say, import_quietly, cell_epoch, open_backend(**backend))
    click.echo(result.report.summary)
    confusions = [path for path in result.report.figures if path.name.startswith("confusion") and path.suffix == ".png"]
    click.echo("confusion matrices: " + ", ".join(map(str, confusions)))
    click.echo(f"report: {result.report.page}")
    click.echo(f"exported model (the first fold's at alpha 0.1): {result.export}")


if __name__ == "__main__":
    cli.run(command)
