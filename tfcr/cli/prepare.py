"""`tfcr prepare-tfrecords`."""

import contextlib
import dataclasses
import difflib
import importlib.util
import logging
import os
import pathlib
import shlex
import typing

import click
from click.core import ParameterSource

from tfcr import corpora, schema
from tfcr.cli.options import PATH, Names, config_option, fields_of_config
from tfcr.config import Preset
from tfcr.corpora.emotion_names import read_names
from tfcr.errors import UsageError, missing_extra


def own_features(of: str) -> dict:
    """An option that takes files of one's own features."""
    return {
        "type": PATH,
        "multiple": True,
        "metavar": "FILE.h5",
        "help": f"One's own features of {of}: HDF5, a dataset [time, dim], [layers, time, dim] or [dim] for every "
        "utterance id; training takes them by the file's name. Again for several files.",
    }


class Place(click.ParamType):
    """A path, or a URL of another filesystem, which stays text."""

    name = "path"

    def convert(self, value, param, ctx):
        return value if "://" in str(value) else pathlib.Path(value)


@click.command(
    "prepare-tfrecords",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},  # they are Apache Beam's
    options_metavar="[OPTIONS] [OPTIONS OF APACHE BEAM]",
)
@click.option(
    "--corpus", default="synthetic", show_default=True, type=click.Choice(corpora.names()), help="What is read."
)
@click.option("--root", type=PATH, help="The folder the corpus lies in. The synthetic one is made there.")
@click.option(
    "--embeddings",
    metavar="FILE",
    help="Word vectors: word2vec (.bin or text), GloVe (.txt) or fastText (.vec), also packed; "
    "or gensim:NAME, which gensim downloads, say gensim:glove-wiki-gigaword-50, "
    "there in a minute, or the paper's, gensim:word2vec-google-news-300.",
)
@click.option("--name", help="The dataset's name.  [default: the corpus's; for a manifest the root folder's]")
@click.option(
    "--out",
    type=Place(),
    help="The dataset's folder; with --runner also a URL, say gs://bucket/folder.  [default: data/<name>]",
)
@click.option(
    "--preset",
    default="paper",
    show_default=True,
    type=click.Choice(typing.get_args(Preset)),
    help="Whose features; training follows the dataset's.",
)
@click.option(
    "--features",
    type=click.Choice(["spectrogram", "all"]),
    help="For which systems: those of the paper, or all of Table 1.  [default: all for synthetic, else spectrogram]",
)
@click.option("--audio-features", **own_features("speech, say by HuBERT"))
@click.option("--text-features", **own_features("the words, say by BERT"))
@click.option(
    "--emotions", type=Names(), help="The classes, in label order.  [default: " + ",".join(schema.EMOTIONS) + "]"
)
@click.option("--transcripts", type=PATH, help="A CSV file (id,transcript) that replaces the corpus's words.")
@click.option(
    "--workers", type=click.IntRange(1), help="Threads; they change nothing in the bytes.  [default: the cores]"
)
@click.option(
    "--runner",
    help="Apache Beam writes the shards, by this runner, say DirectRunner; Beam's own options may stand anywhere, or "
    "behind --.",
)
@click.option(
    "--conflict-rate", type=click.FloatRange(0, 1), help="Synthetic: share of utterances in conflict.  [default: 0.2]"
)
@click.option("--utterances", type=click.IntRange(40), help="Synthetic: how many.")
@click.option("--corpus-seed", type=click.IntRange(0), help="Synthetic: draws the corpus.  [default: 0]")
@click.option(
    "--allow-partial", is_flag=True, default=None, help="Go on with an incomplete release (IEMOCAP, MELD, …)."
)
@click.option(
    "--emotion-names",
    type=PATH,
    metavar="FILE",
    help="Manifest: a YAML file of `label: name` lines, which go before the usual names that labels get.",
)
@click.option(
    "--skip-unreadable",
    is_flag=True,
    help="Leave out the recordings that cannot be read; the dataset, `inspect` and reports say how many.",
)
@config_option
@click.pass_context
def command(
    context,
    corpus,
    root,
    embeddings,
    name,
    out,
    preset,
    features,
    emotions,
    transcripts,
    workers,
    runner,
    skip_unreadable,
    **options,
):
    """Read a corpus, compute its features and write verified TFRecords.

    The same command with further features adds them and computes nothing else again.
    """
    if root is None and corpus != "synthetic":
        raise UsageError(f"corpus {corpus!r} needs --root, the folder it lies in")
    name = name or (root.resolve().name if corpus == "manifest" else corpus)
    out = out or pathlib.Path("data") / name
    engine_options = _options_of_beam(context, runner, out)
    root = root or (pathlib.Path("data") / name if isinstance(out, str) else out) / "corpus"
    options["seed"] = options.pop("corpus_seed")
    if options["emotion_names"] is not None:
        options["emotion_names"] = read_names(options["emotion_names"])
    own_files = {modality: options.pop(f"{modality}_features") for modality in ("audio", "text")}
    features = features or ("all" if corpus == "synthetic" else "spectrogram")
    emotions = emotions or schema.EMOTIONS
    merge = fields_of_config(context).get("merge")
    if merge is None:
        merge = {
            emotion: joins for emotion, joins in schema.MERGE.items() if joins in emotions and emotion not in emotions
        }
    elif not isinstance(merge, dict) or not all(isinstance(part, str) for pair in merge.items() for part in pair):
        raise UsageError(f"merge must be a mapping of emotions; received {merge!r}")

    from tfcr.cli.display import AudioProgress, say
    from tfcr.cli.inspect import describe_dataset
    from tfcr.cli.tensorflow import import_quietly
    from tfcr.features.embeddings import refuse_missing
    from tfcr.features.own import OwnFeatures
    from tfcr.features.sets import SETS
    from tfcr.preparation import transcripts as transcript_files

    if embeddings is not None:  # `prepare` checks this too, but TensorFlow takes seconds to come
        refuse_missing(embeddings)
    if transcripts is not None:
        transcript_files.refuse_missing(transcripts)
    own = [OwnFeatures(path, modality) for modality, paths in own_files.items() for path in paths]
    for each in own:
        each.check_name()
    is_typed = context.get_parameter_source("runner") is ParameterSource.COMMANDLINE
    engine = None if runner is None else _engine(runner, engine_options, is_typed)
    import_quietly(on_gpus=False)
    from tfcr.preparation.options import Preparation, Progress
    from tfcr.preparation.prepare import prepare

    preparation = Preparation(
        corpus=corpus,
        root=root,
        out=pathlib.Path(out),
        name=name,
        preset=preset,
        emotions=emotions,
        merge=merge,
        embeddings=embeddings,
        transcripts=transcripts,
        features=tuple(SETS) if features == "all" else (),
        own=own,
        options={option: value for option, value in options.items() if value is not None and value is not False},
        skip_unreadable=skip_unreadable,
    )
    audio = AudioProgress("Preparing")
    with contextlib.ExitStack() as stack:
        stack.callback(audio.stop)
        writer, tell = None, say
        if engine is not None:
            from tfcr.preparation.beam.writer import beam_writer

            folder, writer = stack.enter_context(beam_writer(engine, out, say))
            preparation = dataclasses.replace(preparation, out=folder)

            def tell(sentence):
                say(sentence.replace(str(folder), str(out)))  # of a dataset by URL, the folder is a temporary one

        progress = Progress(tell, audio.start, audio.advance)
        dataset = prepare(preparation, workers or os.cpu_count() or 1, progress, writer)
        audio.stop()
        describe_dataset(dataset, out)
    say(f"next: {_next(dataset, out)}")


def _next(dataset, out: pathlib.Path | str) -> str:
    """What can be typed now: the first fold of the protocol that this dataset asks for."""
    from tfcr import protocols

    default = protocols.names()[0]
    first = protocols.proposed(dataset.labelled)
    if first is None:
        return f"more recordings, for no protocol divides these ({protocols.folds_of_all(dataset.labelled)[default]})"
    of = "" if first == default else f" --protocol {first}"
    if isinstance(out, str):
        return f"copy {out} to a path of this machine, and tfcr train --data PATH{of} --fold 0"
    return f"tfcr train --data {shlex.quote(os.fspath(out))}{of} --fold 0"


def _options_of_beam(context: click.Context, runner: str | None, out: pathlib.Path | str) -> list[str]:
    """What the command line holds beyond this command's own options.

    Raises:
        UsageError: without `--runner` there is nobody to take it, nor `out` by URL.
        TfcrError: with it, Apache Beam is not installed.
    """
    if runner is not None:
        if importlib.util.find_spec("apache_beam") is None:
            raise missing_extra("--runner", "apache_beam", "beam")
        return context.args
    if context.args and context.args[0].startswith("-"):
        name = context.args[0].split("=")[0]
        known = [spelling for option in context.command.params for spelling in option.opts]
        near = difflib.get_close_matches(name, known, cutoff=0.8)  # nearer than Beam's options are to ours
        message = None if near else f"No such option {name!r}; those of Apache Beam need --runner"
        raise click.NoSuchOption(name, message, possibilities=near, ctx=context)
    if context.args:
        raise click.UsageError(f"Got unexpected extra argument ({context.args[0]})", context)
    if isinstance(out, str):
        raise UsageError(f"--out {out} is no path; Apache Beam writes to URLs, by --runner DirectRunner")
    return []


def _engine(runner: str, options: list[str], is_typed: bool):
    """Apache Beam's, after a look at what it is asked for; which prints nothing of its own."""
    handlers = list(logging.root.handlers)
    logging.disable(logging.WARNING)
    try:
        from tfcr.preparation.beam.options import Engine

        engine = Engine(runner, options, is_typed)
        engine.check()
    finally:
        logging.disable(logging.NOTSET)
        logging.root.handlers[:] = handlers
    return engine
