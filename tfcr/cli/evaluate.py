"""`tfcr evaluate`."""

import click

from tfcr.cli.options import PATH, config_option


@click.command("evaluate")
@click.argument("run", type=PATH)
@click.option(
    "--data",
    type=PATH,
    help="Where the run's dataset lies now, or another dataset.  [default: the run's own, its test fold]",
)
@click.option("--part", metavar="NAME", help="A part that the corpus was released with, such as test2 of MSP-Podcast.")
@config_option
def command(run, data, part):
    """Test a trained run again, on its own test fold, on a released part or on another dataset."""
    from tfcr.runs import open_run

    trained = open_run(run)

    from tfcr.cli.display import metrics_table, print_table, say
    from tfcr.cli.tensorflow import import_quietly

    import_quietly()
    from tfcr.training.evaluate_run import evaluate_run

    evaluation = evaluate_run(trained, data, part)
    if evaluation.left_out:
        say(f"{evaluation.left_out} utterances were left out: the run was trained or stopped by them")
    print_table(metrics_table({evaluation.name: evaluation.figures}), to_log=True)
    click.echo(evaluation.folder)
