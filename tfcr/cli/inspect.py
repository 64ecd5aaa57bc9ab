"""`tfcr inspect`."""

import os
import pathlib

import click

from tfcr.cli.options import PATH
from tfcr.errors import TfcrError, UsageError
from tfcr.wording import counted

_FIGURE = "inspection.png"
_FORMATS = (".png", ".svg")


@click.command("inspect")
@click.argument("folder", type=PATH)
@click.option(
    "--figure",
    type=PATH,
    metavar="FILE",
    help="Where the picture of a dataset goes, PNG or SVG: spectrograms of some utterances of each emotion, and "
    f"durations.  [default: {_FIGURE} in the dataset's folder]",
)
@click.option("--no-figure", is_flag=True, help="Draw nothing.")
def command(folder, figure, no_figure):
    """Say what a dataset, run or export holds, and whether it is intact."""
    from tfcr.dataset_info import INFO, open_dataset
    from tfcr.runs import CONFIG
    from tfcr.verification import verify

    if figure is not None and no_figure:
        raise UsageError("--figure and --no-figure contradict each other; give one of them")
    if figure is not None and figure.suffix.lower() not in _FORMATS:
        raise UsageError(f"--figure must end in {' or '.join(_FORMATS)}; received {figure}")
    if not folder.is_dir():
        raise TfcrError(f"{folder} is no folder; expected a dataset, a run or an export")
    if (folder / INFO).is_file():
        dataset = open_dataset(folder)
        describe_dataset(dataset)
        verify(dataset, dataset.features, thoroughly=True)
        shards = len(dataset.shards) + sum(len(features.shards) for features in dataset.features.values())
        click.echo(f"intact: {shards} shards, the index and the vocabulary have the SHA-256 they were written with")
        if not no_figure:
            write_figure(dataset, figure)
    elif figure is not None:
        raise UsageError(f"--figure draws datasets; {folder} is none")
    elif (folder / CONFIG).is_file():
        describe_run(folder)
    else:
        describe_export(folder)


def write_figure(dataset, path: pathlib.Path | None) -> None:
    """Draws a dataset into a file; without a path into its folder, unless that cannot be written to."""
    from tfcr import files
    from tfcr.report.figures.glyphs import note

    to = path or dataset.folder / _FIGURE
    try:
        with files.written_whole(to) as temporary:
            drawing = draw(dataset)
            temporary.write_bytes(drawing.svg if to.suffix.lower() == ".svg" else drawing.png)
    except OSError as error:
        reason = f"{to} cannot be written ({error.strerror or error})"
        if path is not None:
            raise TfcrError(f"{reason}; name another --figure") from None
        click.echo(f"no figure: {reason}; --figure FILE puts it elsewhere", err=True)
    else:
        click.echo(f"figure: {to}")
        if drawing.missing:
            click.echo(f"note: {note(drawing.missing)}")


def draw(dataset):
    """The figure of a dataset."""
    from tfcr.cli.tensorflow import import_quietly

    import_quietly(on_gpus=False)
    from tfcr.data.examples import typical_examples
    from tfcr.report.figures.dataset_figures import draw_dataset

    audio = dataset.info["audio"]
    durations = {
        emotion: [row.num_samples / audio["sample_rate"] for row in dataset.index if row.emotion == emotion]
        for emotion in dataset.emotions
    }
    return draw_dataset(
        f"dataset {dataset.name}, preset {dataset.info['preset']}: utterances of about their emotion's median duration",
        typical_examples(dataset),
        durations,
        audio["spectrogram_unit"] + _pooling(audio),
        audio.get("frames_per_column", 1) * audio["hop_length"] / audio["sample_rate"],
    )


def _pooling(audio: dict) -> str:
    """What a column of a picture is, where it is more than a frame."""
    if "frames_per_column" not in audio:
        return ""
    return f"; mean over {audio['frames_per_column']} frames, at most {_seconds(audio['frames_at_most']):g} s"


def _unit(audio: dict) -> str:
    """What an utterance is cut into: segments, or where it makes one whole picture, pictures."""
    return "pictures" if "frames_at_most" in audio else "segments"


def _seconds(frames: int) -> float:
    from tfcr.schema import FFT_LENGTH, HOP_LENGTH, SAMPLE_RATE

    return ((frames - 1) * HOP_LENGTH + FFT_LENGTH) / SAMPLE_RATE


def describe_dataset(dataset, place: str | os.PathLike | None = None) -> None:
    """Corpus, shards, coverage and a table of counts of a dataset, on standard output.

    Args:
        place: where it is, if not in its folder.
    """
    from tfcr.cli.tables import counts_table, durations_table, print_table

    info = dataset.info
    click.echo(
        f"dataset {place or dataset.folder}: corpus {info['corpus']}, preset {info['preset']}, {dataset.sha256[:12]}"
    )
    click.echo(
        f"{info['utterances']} utterances, {info['seconds'] / 3600:.2f} h, {info['segments']} {_unit(info['audio'])}, "
        f"{len(dataset.shards)} shards, "
        f"{sum(shard.bytes for shard in dataset.shards) / 1e6:.0f} MB"
    )
    click.echo("emotion: " + ", ".join(f"{emotion} {count}" for emotion, count in info["counts"]["emotion"].items()))
    click.echo(f"order: records stand in an order drawn from their ids ({info['order']}), whatever these sort by")
    scripts = [script for script in info["counts"]["script"] if script]
    if scripts:
        click.echo(f"script: {len(scripts)} groups")
    if "part" in info["counts"]:
        click.echo("part: " + ", ".join(f"{part or 'none'} {count}" for part, count in info["counts"]["part"].items()))
    if info["left_out"]:
        click.echo("left out: " + ", ".join(f"{emotion} {count}" for emotion, count in info["left_out"].items()))
    if info.get("unreadable"):
        click.echo(f"unreadable: {_listed([each['id'] for each in info['unreadable']])} left out")
    if info.get("transcripts"):
        click.echo(f"words: {info['transcripts']['source']} replaced {counted(info['utterances'], 'transcript')}")
    words = info["embeddings"]
    transductive = " (transductive)" if words["transductive"] else ""
    covered = "no words" if words["coverage"] is None else f"{100 * words['coverage']:.1f} % of {words['words']} words"
    click.echo(
        f"word vectors: {words['source']}{transductive}, {dataset.embedding_dim} numbers a word; {covered} have one"
    )
    if words["out_of_vocabulary"]:
        most = ", ".join(f"{word} {count}" for word, count in list(words["out_of_vocabulary"].items())[:10])
        click.echo(f"without vector: {words['distinct_out_of_vocabulary']} different words, most often {most}")
    wordless = sum(row.num_tokens == 0 for row in dataset.index)
    if wordless:
        have = counted(wordless, "utterance has", "utterances have")
        click.echo(f"without words: {have} no word with a vector")
    for features in dataset.features.values():
        click.echo(describe_features(features))
    describe_cuts(dataset)
    for note in info["notes"]:
        click.echo(f"note: {note}")
    describe_protocols(dataset)
    print_table(durations_table(dataset.index, dataset.emotions))
    print_table(counts_table(dataset.index, dataset.emotions))


def _listed(ids: list[str]) -> str:
    """How many recordings, and the first twenty."""
    more = f" and {len(ids) - 20} more" if len(ids) > 20 else ""
    return f"{counted(len(ids), 'recording')} ({', '.join(ids[:20])}{more})"


def describe_features(features) -> str:
    """One line on a feature set."""
    from tfcr.features.own import in_words

    own = f" (one's own, of {'speech' if features.modality == 'audio' else 'words'})" if features.modality else ""
    fields = ", ".join(
        f"{field.name} [{', '.join('time' if size is None else str(size) for size in field.shape)}]"
        for field in features.fields
    )
    size = sum(shard.bytes for shard in features.shards) / 1e6
    made = f"; {in_words(features.extractor)}" if features.extractor else ""
    return f"features {features.name}{own}: {fields}, {size:.0f} MB{made}"


def describe_cuts(dataset) -> None:
    """What of the utterances a model does not see, and what it sees that is none, on standard output."""
    from tfcr.features.spectrogram import num_frames
    from tfcr.schema import MAX_TOKENS, SEGMENT_FRAMES

    rows = dataset.index
    long_texts = sum(row.num_tokens > MAX_TOKENS for row in rows)
    cuts = [f"{_percent(long_texts, len(rows))} of the utterances after {MAX_TOKENS} words"]
    most = dataset.info["audio"].get("frames_at_most")
    if most is not None:
        long_speech = sum(num_frames(row.num_samples) > most for row in rows)
        cuts.append(f"{_percent(long_speech, len(rows))} after {_seconds(most):.2f} s")
    frames = sum(row.num_segments for row in rows) * SEGMENT_FRAMES
    click.echo(f"cut: {', '.join(cuts)}")
    padding = _percent(frames - sum(row.num_frames for row in rows), frames)
    click.echo(f"padding: {padding} of the {_unit(dataset.info['audio'])}")


def describe_protocols(dataset) -> None:
    """How many folds every protocol has on a dataset, or why it has none, on standard output."""
    from tfcr import protocols, published

    folds = protocols.folds_of_all(dataset.labelled)
    possible = [f"{name} ({counted(number, 'fold')})" for name, number in folds.items() if isinstance(number, int)]
    click.echo(f"protocols: {', '.join(possible)}")
    for reason in folds.values():
        if isinstance(reason, str):
            click.echo(f"  {reason}")
    if isinstance(folds[published.PROTOCOL], int):
        test = protocols.split(published.PROTOCOL, published.FOLD, dataset.labelled).test
        labels = [dataset.index[position].emotion for position in test]
        if published.is_test_set({emotion: labels.count(emotion) for emotion in dataset.emotions}):
            click.echo(f"  fold {published.FOLD} of {published.PROTOCOL!r} is the test set of the paper's Table 1")


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def describe_run(folder: pathlib.Path) -> None:
    """Configuration, progress and figures of a run, on standard output."""
    from tfcr import runs
    from tfcr.files import read_json
    from tfcr.objectives.metrics import confusion

    config = runs.read_config(folder)
    click.echo(f"run {folder}")
    click.echo(", ".join(f"{name} {value}" for name, value in config.items()))
    if not (folder / runs.METRICS).is_file():
        path = folder / "checkpoints" / "state.json"
        state = read_json(path) if path.is_file() else {"history": []}
        describe_environments(state.get("environments", []))
        click.echo(
            f"not finished: {len(state['history'])} epochs are done; the same `tfcr train` command goes on with it"
        )
        return
    run = runs.open_run(folder)
    sizes = ", ".join(f"{part} {count}" for part, count in run.metrics["sizes"].items())
    of = run.metrics.get("num_folds")
    of_file = f" ({run.metrics['split']})" if run.metrics.get("split") else ""
    subset = f" on {config['subset']}" if config.get("subset") else ""
    fold = f"fold {config['fold']}{f' of {of}' if of else ''}"
    click.echo(f"protocol {config['protocol']}{of_file}{subset}, {fold}: {sizes}")
    for part in ("validation", "test"):
        figures = run.metrics[part]
        measures = {"WA": "wa", "UA": "ua", "macro F1": "macro_f1", "weighted F1": "weighted_f1"}
        known = {label: figures[name] for label, name in measures.items() if name in figures}
        click.echo(f"{part}: " + ", ".join(f"{label} {100 * value:.2f} %" for label, value in known.items()))
    click.echo(f"best epoch {run.metrics['best_epoch']} of {run.metrics['epochs']}")
    if run.metrics.get("fast_layers"):
        click.echo(f"trained on a CPU by tfcr's faster kernels: {', '.join(run.metrics['fast_layers'])}")
    if run.metrics.get("distribution", "none") != "none":
        click.echo(f"{run.metrics['distribution']} on {counted(run.metrics['replicas'], 'device')}")
    describe_environments(run.metrics.get("environments", []))  # the first runs recorded none
    tested = len(run.predictions.id)
    if tested != run.metrics["sizes"]["test"]:
        raise TfcrError(f"{folder / runs.PREDICTIONS} has {tested} rows; expected {run.metrics['sizes']['test']}")
    if confusion(run.predictions.label, run.predictions.logits).tolist() != run.metrics["test"]["confusion"]:
        raise TfcrError(f"{folder / runs.METRICS} and {runs.PREDICTIONS} contradict each other; train the run again")
    runs.check_weights(run)
    click.echo("intact: metrics, predictions and weights are as they were written")


def describe_environments(environments) -> None:
    """Where a run was trained, and under which settings, on standard output: a line for each change."""
    for environment in environments:
        since = f" from epoch {environment['from_epoch']}" if len(environments) > 1 else ""
        versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
        variables = ", ".join(f"{name}={value}" for name, value in environment["variables"].items())
        click.echo(
            f"environment{since}: {environment['cpu']}, {', '.join(environment['gpus']) or 'no GPU'}; {versions}; "
            f"{variables or 'no variable that decides bits'}"
        )


def describe_export(folder: pathlib.Path) -> None:
    """Versions, labels and origin of an export, on standard output."""
    from tfcr.exports import MANIFEST, read_manifest
    from tfcr.features.own import in_words

    versions = (
        [folder]
        if folder.name.isdecimal() or (folder / MANIFEST).is_file()
        else sorted((path for path in folder.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))
    )
    if not versions:
        raise TfcrError(f"{folder} is neither a dataset nor a run nor an export; expected what tfcr wrote")
    for version in versions:
        content = read_manifest(version)
        made_from = ", ".join(f"{name} {value}" for name, value in content["run"].items())
        click.echo(f"export {version}: emotions {', '.join(content['emotions'])}; from {made_from}")
        for field, extractor in content.get("extractors", {}).items():
            click.echo(f"{field}: {in_words(extractor)}")
        if content.get("vocabulary") is not None:
            click.echo(f"words: {content['vocabulary']} have a vector in it; others are passed over")
        click.echo(f"intact: {len(content['files'])} files have the SHA-256 they were written with")
