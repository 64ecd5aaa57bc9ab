"""`tfcr extract`."""

import os
import pathlib
import warnings

import click
from click.core import ParameterSource

from tfcr import corpora
from tfcr.cli.options import PATH, Numbers, config_option
from tfcr.errors import TfcrError, UsageError
from tfcr.wording import counted

_NAMED = 20  # of those without features


def _layer(name: str, value: str | int) -> str | int:
    """A number, or a word for several layers or the last."""
    return int(value) if str(value).isdecimal() else str(value)


@click.command("extract")
@click.option(
    "--data",
    type=PATH,
    metavar="DIR",
    help="A prepared dataset, whose utterances are taken.  [default: the one prepared last under data/]",
)
@click.option(
    "--corpus",
    type=click.Choice(corpora.names()),
    help="In place of a dataset: a corpus, say manifest; of every emotion.",
)
@click.option(
    "--root",
    type=PATH,
    metavar="DIR",
    help="The folder that the corpus lies in. A dataset does not keep where its recordings lie; its words it does.",
)
@click.option(
    "--allow-partial", is_flag=True, help="With --corpus: go on with an incomplete release (IEMOCAP, MELD, …)."
)
@click.option(
    "--transcripts", type=PATH, metavar="FILE", help="With --corpus: a CSV file (id,transcript) in place of its words."
)
@click.option(
    "--model",
    metavar="NAME|DIR",
    help="A speech or text model of the Hugging Face Hub, or a folder with one: safetensors alone, and no code of its "
    "own. A speech model takes recordings, a text model takes transcripts.",
)
@click.option("--revision", metavar="NAME", help="The Hub's branch, tag or commit of the model.  [default: main]")
@click.option(
    "--layer",
    type=Numbers("layer", _layer),
    metavar="N|last|mean|all",
    help="What the encoder gives (last), a hidden state (0 enters the first layer), the mean of all, or all.  "
    "[default: last]",
)
@click.option(
    "--pool", type=click.Choice(("none", "mean")), help="One vector an utterance: the mean over time.  [default: none]"
)
@click.option(
    "--opensmile",
    metavar="SET",
    help="In place of a model: a feature set of openSMILE, say eGeMAPSv02 or ComParE_2016. openSMILE's licence is for "
    "private, research and educational use, not for products.",
)
@click.option(
    "--level",
    type=click.Choice(("functionals", "lld")),
    help="With --opensmile: one vector a recording, or its low-level descriptors over time.  [default: functionals]",
)
@click.option(
    "--window",
    type=click.IntRange(1),
    metavar="SECONDS",
    help="A speech model hears longer recordings in windows of so many.  [default: 30]",
)
@click.option("--overlap", type=click.IntRange(1), metavar="SECONDS", help="What two such windows share.  [default: 4]")
@click.option(
    "--batch",
    type=click.IntRange(1),
    help="Recordings, windows or transcripts that are computed at once.  [default: 8]",
)
@click.option(
    "--half/--no-half",
    default=None,
    help="A model computes in half precision, or does not; float32 is written.  [default: on a GPU]",
)
@click.option("--out", type=PATH, metavar="FILE.h5", help="The file.  [default: the model's or the set's name]")
@config_option
@click.pass_context
def command(
    context, data, corpus, root, allow_partial, transcripts, model, revision, opensmile, level, out, half, **settings
):
    """Write features of recordings or transcripts, by a pretrained model or by openSMILE, to HDF5.

    `tfcr prepare-tfrecords --audio-features FILE.h5` (or `--text-features`) then takes them in.
    """
    settings = {name: value for name, value in settings.items() if value is not None}
    if half is not None:
        settings["precision"] = "half" if half else "float32"
    _refuse_contradictions(data, corpus, root, model, opensmile, revision, level, settings)

    from tfcr.cli.display import AudioProgress, say
    from tfcr.extraction.extract import extract
    from tfcr.extraction.extractor import open_smile, pretrained
    from tfcr.extraction.settings import Settings
    from tfcr.preparation.options import Progress

    warnings.simplefilter("ignore")  # of the libraries, about each other
    settings["batch_size"] = settings.pop("batch", Settings.batch_size)
    asked = Settings(**settings)
    if opensmile is None:
        extractor = pretrained(model, asked, revision, say)
    else:
        extractor = open_smile(opensmile, level or "functionals", asked.pool)
    typed = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    _refuse_vain(extractor.modality, corpus, transcripts, model, typed)
    options = {"allow_partial": True} if allow_partial else {}
    sources = _sources(extractor.modality, data, corpus, root, options, transcripts, say)
    out = out or pathlib.Path(pathlib.PurePath(os.path.normpath(opensmile or model)).name + ".h5")
    words = {} if extractor.modality == "audio" else {"amount": "{:.0f}".format, "of": "transcripts"}
    progress = AudioProgress("Extracting", **words)
    try:
        told = Progress(say, progress.start, progress.advance)
        found = extract(sources, extractor, out, asked.batch_size, told)
    finally:
        progress.stop()
    click.echo(out)
    _say_failed(found, out, say)


def _refuse_contradictions(data, corpus, root, model, opensmile, revision, level, settings) -> None:
    """Refuses options that say nothing together."""
    if (model is None) == (opensmile is None):
        raise UsageError("expected one of --model and --opensmile: a Hugging Face model, or a feature set of openSMILE")
    if data is not None and corpus is not None:
        raise UsageError("--data and --corpus contradict each other; give one of them")
    if corpus is not None and root is None:
        raise UsageError(f"corpus {corpus!r} needs --root, the folder it lies in")
    if model is None:
        vain = ["revision"] * (revision is not None) + [name for name in settings if name not in ("pool", "batch")]
        if vain:
            raise UsageError(f"--{vain[0]} is of a --model; --opensmile takes --level and --pool")
        if level != "lld" and "pool" in settings and settings["pool"] != "none":
            raise UsageError(
                "--pool mean is of a sequence, and functionals are one vector; leave it out, or --level lld"
            )
    elif level is not None:
        raise UsageError("--level is of --opensmile; a --model takes --layer")


def _refuse_vain(modality, corpus, transcripts, model, typed: set[str]) -> None:
    """Refuses what would change nothing, because of what the model takes or where it lies.

    Args:
        typed: the options on the command line; a file may serve several extractions.
    """
    if transcripts is not None and (corpus is None or modality == "audio"):
        raise UsageError("--transcripts is for a model of words, and of a --corpus: a dataset has its words")
    if "allow_partial" in typed and corpus is None:
        raise UsageError("--allow-partial is of a --corpus; a dataset was prepared with it or without")
    if modality == "text":
        for name in ("window", "overlap"):
            if name in typed:
                raise UsageError(f"--{name} is of a model of speech; {model} takes words")
        if "root" in typed and corpus is None:
            raise UsageError(f"--root is where recordings lie, and {model} takes words; leave it out")
    if "revision" in typed and os.path.isdir(model):
        raise UsageError(f"--revision is of a model of the Hub, and {model} is a folder; leave it out")


def _sources(modality, data, corpus, root, options, transcripts, say):
    """What features are wanted of."""
    from tfcr.extraction import sources

    if corpus is not None:
        if modality == "audio":
            return sources.recordings_of_corpus(corpus, root, options)
        return sources.transcripts_of_corpus(corpus, root, options, transcripts)

    from tfcr.dataset_info import latest_dataset, open_dataset
    from tfcr.verification import verify

    if data is None:
        data = latest_dataset()
        say(f"dataset {data}")
    dataset = open_dataset(data)
    if modality == "audio":
        return sources.recordings_of_dataset(dataset, root)

    from tfcr.cli.tensorflow import import_quietly

    verify(dataset)
    import_quietly(on_gpus=False)
    return sources.transcripts_of_dataset(dataset)


def _say_failed(found, out, say) -> None:
    """Names the utterances without features.

    Raises:
        TfcrError: there are some.
    """
    for why in list(found.failed.values())[:_NAMED]:
        say(f"no features: {why}")
    if len(found.failed) > _NAMED:
        say(f"and {len(found.failed) - _NAMED} more")
    if found.failed:
        have = "has" if len(found.failed) == 1 else "have"
        raise TfcrError(
            f"{len(found.failed)} of {counted(len(found.failed) + found.count, 'utterance')} {have} no features; {out} "
            "has the others, and the same command adds those that were mended"
        )
