"""`tfcr evaluate`."""

import click
from click.core import ParameterSource

from tfcr.cli.options import PATH, Names, config_option
from tfcr.errors import UsageError

_OF_NOISE = {"root": "--root", "kinds": "--kinds", "noise_seed": "--noise-seed", "list_words": "--list"}


@click.command("evaluate")
@click.argument("run", type=PATH)
@click.option(
    "--data",
    type=PATH,
    help="Where the run's dataset lies now, or another dataset.  [default: the run's own, its test fold]",
)
@click.option("--part", metavar="NAME", help="A part that the corpus was released with, such as test2 of MSP-Podcast.")
@click.option(
    "--noise",
    "under_noise",  # a file's `noise` is what a training adds
    is_flag=True,
    help="Test the run's test fold as speech and words get worse.",
)
@click.option(
    "--root",
    type=PATH,
    help="Of --noise: the folder of the corpus; noise is then added to its recordings, else to the spectrograms.",
)
@click.option(
    "--kinds",
    type=Names(),
    help="Of --noise: some of white, pink, babble, reverberation, telephone, silence, deleted, replaced, neighbours "
    "and no-words.  [default: all]",
)
@click.option("--noise-seed", type=click.IntRange(0), help="Of --noise: draws it.  [default: 0]")
@click.option("--list", "list_words", is_flag=True, help="Of --noise: print what is left of every utterance's words.")
@config_option
@click.pass_context
def command(context, run, data, part, under_noise, **of_noise):
    """Test a trained run again, on its own test fold, on a released part or on another dataset.

    With --noise it is tested on its own test fold under noise, babble, reverberation, a telephone and without speech,
    and with words deleted or replaced; the same command again goes on where it stopped.
    """
    typed = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    of_noise_alone = [option for name, option in _OF_NOISE.items() if name in typed]
    if of_noise_alone and not under_noise:  # what stands in a file waits for --noise
        raise UsageError(f"{of_noise_alone[0]} belongs to --noise")
    if under_noise and "part" in typed:
        raise UsageError("--noise tests the run's own test fold; leave --part out")
    from tfcr.runs import open_run

    trained = open_run(run)

    from tfcr.cli.tensorflow import import_quietly

    import_quietly()
    if under_noise:
        _under_noise(trained, data, **of_noise)
    else:
        _again(trained, data, part)


def _again(trained, data, part) -> None:
    from tfcr.cli.display import say
    from tfcr.cli.tables import metrics_table, print_table
    from tfcr.training.evaluate_run import evaluate_run
    from tfcr.wording import counted

    evaluation = evaluate_run(trained, data, part)
    if evaluation.left_out:
        were = counted(evaluation.left_out, "utterance was", "utterances were")
        say(f"{were} left out: the run was trained or stopped by the same recording, whatever its id")
    if evaluation.emotions != trained.emotions:
        say(f"{len(evaluation.emotions)} of the run's classes were tested: {', '.join(evaluation.emotions)}")
    if evaluation.is_kept:
        say(
            "some utterances go to another class than when the run was trained, as by another processor or GPU, which "
            "round otherwise; the run's predictions.h5 stays as its training left it"
        )
    print_table(metrics_table({evaluation.name: evaluation.figures}), to_log=True)
    click.echo(evaluation.folder)


def _under_noise(trained, data, root, kinds, noise_seed, list_words) -> None:
    from tfcr.cli.display import RecordingsProgress, say
    from tfcr.cli.tables import metrics_table, print_table
    from tfcr.training.evaluate_noise import evaluate_noise

    bars: list[RecordingsProgress] = []
    try:
        evaluation = evaluate_noise(
            *(trained, data, root, kinds, noise_seed or 0),
            start=lambda utterances: bars.append(RecordingsProgress(utterances)),
            advance=lambda utterances: bars[0].advance(utterances),
        )
    finally:
        for bar in bars:
            bar.stop()
    say(f"Noise was added to the {evaluation.place}")
    for grade, (changed, wanted) in evaluation.too_few.items():
        say(f"{grade}: {changed} words have changed instead of {wanted}, for the others have no word to change to")
    print_table(metrics_table(evaluation.figures), to_log=True)
    if list_words and evaluation.transcripts is not None:
        click.echo(evaluation.transcripts.read_text(encoding="utf-8"), nl=False)
    else:
        click.echo(trained.folder)
