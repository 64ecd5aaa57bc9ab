"""`tfcr predict`."""

import contextlib
import sys

import click

from tfcr.cli.options import PATH, config_option
from tfcr.errors import TfcrError, UsageError
from tfcr.wording import counted


def own_features(of: str) -> dict:
    """An option that takes a file of one's own features."""
    return {
        "type": PATH,
        "metavar": "FILE.h5",
        "help": f"Of an export on one's own features of {of}: those of the recordings, as `prepare-tfrecords` takes "
        "them, by a manifest's id, else by path, name or name without ending.  [default: computed by what made those "
        "of the training]",
    }


@click.command("predict")
@click.argument("export", type=PATH)
@click.argument("paths", type=PATH, nargs=-1, required=True, metavar="PATH...")
@click.option("--transcript", metavar="TEXT", help="The words of the one recording that is named.  [default: none]")
@click.option(
    "--transcripts",
    type=PATH,
    metavar="FILE",
    help="The words of many: a CSV file with the columns id and transcript. The id is a manifest's, or, without one, a "
    "file's path, name or name without ending.  [default: the manifest's words, or none]",
)
@click.option("--audio-features", "audio_file", **own_features("speech"))
@click.option("--text-features", "text_file", **own_features("words"))
@click.option(
    "--format", type=click.Choice(("csv", "jsonl")), default="csv", show_default=True, help="CSV or JSON lines."
)
@click.option("--out", type=PATH, metavar="FILE", help="Where the answers go.  [default: standard output]")
@config_option
def command(export, paths, transcript, transcripts, audio_file, text_file, format, out):
    """Answer recordings with emotions, by an export: files, folders and manifests to CSV or JSON lines."""
    from tfcr.exports import inputs_of, latest_version, read_manifest, reads
    from tfcr.serving.recordings import find_recordings

    if out is not None and out.is_dir():
        raise UsageError(f"--out {out} is a folder; name a file, such as {out / f'answers.{format}'}")
    recordings = find_recordings(paths, transcript, transcripts)
    described = read_manifest(latest_version(export))
    features = {of: file for of, file in (("audio", audio_file), ("text", text_file)) if file is not None}
    for modality in features:
        if f"{modality}_features" not in inputs_of(described):
            raise UsageError(f"{export} takes no --{modality}-features; it was not trained on such features")
    if (not reads(described) or "text" in features) and (transcript is not None or transcripts is not None):
        raise UsageError(
            f"{export} reads no words{' but those of --text-features' if features else ''}; leave --transcript and "
            "--transcripts out"
        )

    from tfcr.cli.display import RecordingsProgress, say
    from tfcr.cli.tensorflow import import_quietly

    import_quietly()
    from tfcr.serving.predict import WRITERS, Predictor

    predictor = Predictor(export, features)
    failed = with_words = unread = 0
    looks_words_up = not {"transcript", "embeddings"}.isdisjoint(predictor.inputs)
    progress = RecordingsProgress(len(recordings), to_screen=out is None and sys.stdout.isatty())
    with contextlib.ExitStack() as stack:
        stack.callback(progress.stop)
        file = sys.stdout if out is None else stack.enter_context(_written_whole(out))
        for answer in WRITERS[format](file, predictor.predict(recordings), predictor.emotions):
            if answer.error:
                failed += 1
                say(f"no answer: {answer.error}")
            elif looks_words_up and (answer.recording.transcript.strip() or not predictor.hears):
                with_words += 1
                unread += answer.text_emotion == ""
            progress.advance()
    if out is not None:
        click.echo(out)
    if unread:
        have = "has" if unread == 1 else "have"
        then = "speech alone answered" if predictor.hears else "their answers mean nothing"
        say(
            f"{unread} of {counted(with_words, 'transcript')} {have} no word that the export knows: {then}; "
            "`tfcr export --vocabulary` adds words"
        )
    if failed:
        have = "has" if failed == 1 else "have"
        raise TfcrError(f"{failed} of {counted(len(recordings), 'recording')} {have} no answer; `error` says why")


@contextlib.contextmanager
def _written_whole(path):
    """A text file that appears once it is complete."""
    from tfcr import files

    with (
        files.written_whole(path) as temporary,
        # a path keeps the bytes that it has on the disk
        open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        yield file
