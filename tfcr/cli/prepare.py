"""`tfcr prepare-tfrecords`."""

import os
import pathlib
import shlex
import typing

import click

from tfcr import corpora, schema
from tfcr.cli.options import PATH, Names, config_option, fields_of_config
from tfcr.config import Preset
from tfcr.errors import UsageError


def own_features(of: str) -> dict:
    """An option that takes files of one's own features."""
    return {
        "type": PATH,
        "multiple": True,
        "metavar": "FILE.h5",
        "help": f"One's own features of {of}: HDF5, a dataset [time, dim] or [dim] for every utterance id; training "
        "takes them by the file's name. Again for several files.",
    }


@click.command("prepare-tfrecords")
@click.option(
    "--corpus", default="synthetic", show_default=True, type=click.Choice(corpora.names()), help="What is read."
)
@click.option("--root", type=PATH, help="The folder the corpus lies in. The synthetic one is made there.")
@click.option(
    "--embeddings",
    metavar="FILE",
    help="Word vectors of 300 numbers: word2vec (.bin or text), GloVe (.txt) or fastText (.vec), also in gzip or zip; "
    "or gensim:NAME, which gensim downloads, say gensim:word2vec-google-news-300.",
)
@click.option("--name", help="The dataset's name.  [default: the corpus's; for a manifest the root folder's]")
@click.option("--out", type=PATH, help="The dataset's folder.  [default: data/<name>]")
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
    "--conflict-rate", type=click.FloatRange(0, 1), help="Synthetic: share of utterances in conflict.  [default: 0.2]"
)
@click.option("--utterances", type=click.IntRange(40), help="Synthetic: how many.")
@click.option("--corpus-seed", type=click.IntRange(0), help="Synthetic: draws the corpus.  [default: 0]")
@click.option(
    "--allow-partial", is_flag=True, default=None, help="Go on with an incomplete release (IEMOCAP, MELD, …)."
)
@config_option
@click.pass_context
def command(context, corpus, root, embeddings, name, out, preset, features, emotions, transcripts, workers, **options):
    """Read a corpus, compute its features and write verified TFRecords.

    The same command with further features adds them and computes nothing else again.
    """
    if root is None and corpus != "synthetic":
        raise UsageError(f"corpus {corpus!r} needs --root, the folder it lies in")
    name = name or (root.resolve().name if corpus == "manifest" else corpus)
    out = out or pathlib.Path("data") / name
    root = root or out / "corpus"
    options["seed"] = options.pop("corpus_seed")
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
    import_quietly()
    from tfcr.preparation.prepare import Preparation, Progress, prepare

    preparation = Preparation(
        corpus=corpus,
        root=root,
        out=out,
        name=name,
        preset=preset,
        emotions=emotions,
        merge=merge,
        embeddings=embeddings,
        transcripts=transcripts,
        features=tuple(SETS) if features == "all" else (),
        own=own,
        options={option: value for option, value in options.items() if value is not None and value is not False},
    )
    audio = AudioProgress("Preparing")
    try:
        dataset = prepare(preparation, workers or os.cpu_count() or 1, Progress(say, audio.start, audio.advance))
    finally:
        audio.stop()

    from tfcr.cli.inspect import describe_dataset

    describe_dataset(dataset)
    say(f"next: tfcr train --data {shlex.quote(os.fspath(out))} --fold 0")
