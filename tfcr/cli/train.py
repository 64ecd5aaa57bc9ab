"""`tfcr train`."""

import typing

import click

from tfcr import protocols
from tfcr.cli.options import (
    PATH,
    config_option,
    fields_of_config,
    own_features_options,
    refuse_other_preparation,
    say_coverage,
    say_departures,
    system_option,
)
from tfcr.cli.splits import split_file_of, split_options
from tfcr.config import FIELDS, Distribution, NegativesScope, Precision, from_mapping


@click.command("train")
@click.option("--data", type=PATH, help="A prepared dataset.  [default: the one under data/ that was prepared last]")
@click.option(
    "--protocol", type=click.Choice(protocols.names()), help="How folds are drawn.  [default: random, or the preset's]"
)
@split_options
@click.option("--fold", type=click.IntRange(0), help="The fold that is tested, from 0.  [default: 0]")
@click.option("--fold-seed", type=click.IntRange(0), help="Draws the folds, and nothing else.  [default: 0]")
@system_option
@own_features_options
@click.option(
    "--alpha", type=click.FloatRange(0, 1), help="Weight of the regulariser (Eq. 7).  [default: 0.1, or 0 without one]"
)
@click.option("--epochs", type=click.IntRange(1), help="At most.  [default: 100, or the system's or the preset's]")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    help="Examples, that is segments.  [default: 64, or the system's or the preset's]",
)
@click.option(
    "--seed", type=click.IntRange(0), help="Initialisation, shuffling and draws; never the folds.  [default: 0]"
)
@click.option("--precision", type=click.Choice(typing.get_args(Precision)), help="[default: float32]")
@click.option(
    "--threads", type=click.IntRange(1), help="How many operations run at a time; changes no bit.  [default: 2]"
)
@click.option(
    "--distribution",
    type=click.Choice(typing.get_args(Distribution)),
    help="mirrored: every GPU of the host, which divide a batch.  [default: none]",
)
@click.option(
    "--negatives-scope",
    type=click.Choice(typing.get_args(NegativesScope)),
    help="Of a mirrored batch: all of it, or what is on the anchor's device.  [default: global]",
)
@click.option("--run", type=PATH, help="The run's folder.  [default: runs/<dataset>/<protocol>-<system>-a…-f…-s…]")
@config_option
@click.pass_context
def command(context, data, run, split, **options):
    """Train and test one fold."""
    fields = {name: value for name, value in fields_of_config(context).items() if name in FIELDS}
    fields |= {name: value for name, value in options.items() if value is not None}
    split_file = split_file_of(context, fields, split, run)
    from_mapping(fields)  # wrong usage is said before anything is read

    from tfcr.cli.display import TrainingProgress, say
    from tfcr.cli.tables import metrics_table, print_table
    from tfcr.cli.tensorflow import import_quietly
    from tfcr.dataset_info import latest_dataset, open_dataset

    if data is None:
        data = latest_dataset()
        say(f"Dataset {data}, the one prepared last")
    dataset = open_dataset(data)
    refuse_other_preparation(context, dataset)
    say_coverage(dataset, say)
    import_quietly()
    from tfcr.models.systems import configure
    from tfcr.training.experiment import plan
    from tfcr.training.observer import Observer
    from tfcr.training.train import train_fold

    class Display(TrainingProgress, Observer):
        """The library's observer, shown."""

    config = configure(fields, dataset.info["preset"])
    say_departures(context, [config.system], config.preset, say)
    experiment = plan(config, data, split_file)
    for note in filter(None, (experiment.shared_note(), experiment.untaught_note())):
        say(note)
    display = Display()
    folder = run or experiment.folder
    done = (folder / "metrics.json").is_file()
    try:
        finished = train_fold(experiment, folder, display)
    finally:
        display.stop()
    metrics = finished.metrics
    if not done and metrics["epochs"] < config.epochs:
        say(f"Stopped after epoch {metrics['epochs']}: none since epoch {metrics['best_epoch']} was better")
    if done:
        say(f"{folder} was trained before; another --run or --seed trains anew")
    print_table(metrics_table({part: metrics[part] for part in ("validation", "test")}), to_log=True)
    click.echo(finished.folder)
