"""`tfcr inspect`."""

import pathlib

import click

from tfcr.cli.options import PATH
from tfcr.errors import TfcrError


@click.command("inspect")
@click.argument("folder", type=PATH)
def command(folder):
    """Say what a dataset, run or export holds, and whether it is intact."""
    from tfcr.dataset_info import INFO, open_dataset, verify
    from tfcr.runs import CONFIG

    if not folder.is_dir():
        raise TfcrError(f"{folder} is no folder; expected a dataset, a run or an export")
    if (folder / INFO).is_file():
        dataset = open_dataset(folder)
        describe_dataset(dataset)
        verify(dataset, thoroughly=True)
        click.echo(f"intact: {len(dataset.shards)} shards and the index have the SHA-256 they were written with")
    elif (folder / CONFIG).is_file():
        describe_run(folder)
    else:
        describe_export(folder)


def describe_dataset(dataset) -> None:
    """Corpus, shards, coverage and a table of counts of a dataset, on standard output."""
    from tfcr.cli.display import counts_table, print_table

    info = dataset.info
    click.echo(f"dataset {dataset.folder}: corpus {info['corpus']}, preset {info['preset']}, {dataset.sha256[:12]}")
    click.echo(
        f"{info['utterances']} utterances, {info['seconds'] / 3600:.2f} h, {info['segments']} segments, "
        f"mean {info['seconds'] / info['utterances']:.2f} s, {len(dataset.shards)} shards, "
        f"{sum(shard.bytes for shard in dataset.shards) / 1e6:.0f} MB"
    )
    click.echo("emotion: " + ", ".join(f"{emotion} {count}" for emotion, count in info["counts"]["emotion"].items()))
    scripts = [script for script in info["counts"]["script"] if script]
    if scripts:
        click.echo(f"script: {len(scripts)} groups")
    if info["left_out"]:
        click.echo("left out: " + ", ".join(f"{emotion} {count}" for emotion, count in info["left_out"].items()))
    words = info["embeddings"]
    transductive = " (transductive)" if words["transductive"] else ""
    covered = "no words" if words["coverage"] is None else f"{100 * words['coverage']:.1f} % of {words['words']} words"
    click.echo(f"word vectors: {words['source']}{transductive}; {covered} have one")
    if words["out_of_vocabulary"]:
        most = ", ".join(f"{word} {count}" for word, count in list(words["out_of_vocabulary"].items())[:10])
        click.echo(f"without vector: {words['distinct_out_of_vocabulary']} different words, most often {most}")
    print_table(counts_table(dataset.index, dataset.emotions))


def describe_run(folder: pathlib.Path) -> None:
    """Configuration, progress and figures of a run, on standard output."""
    from tfcr import runs
    from tfcr.files import read_json
    from tfcr.objectives.metrics import confusion

    config = runs.read_config(folder)
    click.echo(f"run {folder}")
    click.echo(", ".join(f"{name} {value}" for name, value in config.items()))
    if not (folder / runs.METRICS).is_file():
        state = folder / "checkpoints" / "state.json"
        done = len(read_json(state)["history"]) if state.is_file() else 0
        click.echo(f"not finished: {done} epochs are done; the same `tfcr train` command goes on with it")
        return
    run = runs.open_run(folder)
    for part in ("validation", "test"):
        figures = run.metrics[part]
        click.echo(f"{part}: WA {100 * figures['wa']:.2f} %, UA {100 * figures['ua']:.2f} %")
    click.echo(f"best epoch {run.metrics['best_epoch']} of {run.metrics['epochs']}")
    tested = len(run.predictions.id)
    if tested != run.metrics["sizes"]["test"]:
        raise TfcrError(f"{folder / runs.PREDICTIONS} has {tested} rows; expected {run.metrics['sizes']['test']}")
    if confusion(run.predictions.label, run.predictions.logits).tolist() != run.metrics["test"]["confusion"]:
        raise TfcrError(f"{folder / runs.METRICS} and {runs.PREDICTIONS} contradict each other; train the run again")
    runs.check_weights(run)
    click.echo("intact: metrics, predictions and weights are as they were written")


def describe_export(folder: pathlib.Path) -> None:
    """Versions, labels and origin of an export, on standard output."""
    from tfcr.exports import read_manifest

    versions = (
        [folder]
        if folder.name.isdecimal()
        else sorted((path for path in folder.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))
    )
    if not versions:
        raise TfcrError(f"{folder} is neither a dataset nor a run nor an export; expected what tfcr wrote")
    for version in versions:
        content = read_manifest(version)
        made_from = ", ".join(f"{name} {value}" for name, value in content["run"].items())
        click.echo(f"export {version}: emotions {', '.join(content['emotions'])}; from {made_from}")
        click.echo(f"intact: {len(content['files'])} files have the SHA-256 they were written with")
