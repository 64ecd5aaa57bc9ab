"""Files broken at random: what cannot be right is said in one line that names the file, and nothing is lost in silence.

Every number is a seed, which draws what kind of file is broken and how: bytes changed, cut out or put in, a block of
zeros, a part twice, the end missing, or a file of quite another kind under the name. Then it is read as the package
reads it. Either there is a `TfcrError` of one line with the name of the file or its folder, or the result is right:

- a recording has as many samples as its header says, and as many as before where it is not the header that was broken;
- a corpus has one utterance for each line of its tables that was not touched, equal to that of the intact corpus, and
  no line is missing without a note;
- what carries a checksum (a dataset, a gzip or zip archive) has the content it had.

A changed letter in a transcript, digit in a vector or sample in a WAV file makes another valid file. Nobody can tell,
so there the tests check only that the neighbours are as they were and that numbers are finite.
"""

import gzip
import io
import pathlib
import random
import resource
import shutil
import signal
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import soundfile
import yaml

from tfcr import corpora, files, runs
from tfcr.config import Config, from_mapping, read_yaml
from tfcr.corpora import iemocap
from tfcr.corpora.audio import num_samples, read_audio
from tfcr.corpora.utterance import Utterance
from tfcr.dataset_info import INDEX, INFO, open_dataset
from tfcr.errors import TfcrError, UsageError
from tfcr.features.embeddings import load_word_vectors
from tfcr.preparation import transcripts
from tfcr.schema import EMBEDDING_DIM
from tfcr.verification import verify

SECONDS = 20  # that one file may take
MEGABYTES = 500  # by which it may make the process larger


# ---- ways to break a file -------------------------------------------------------------------------------------------


def changed(content: bytes, draw: random.Random) -> bytes:
    broken = bytearray(content)
    for _ in range(draw.choice([1, 1, 1, 4, 30])):
        place = draw.randrange(len(broken))
        broken[place] ^= draw.randrange(1, 256)
    return bytes(broken)


def changed_near_the_start(content: bytes, draw: random.Random) -> bytes:
    """Where headers are."""
    start = changed(content[:64], draw)
    return start + content[64:]


def cut(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content))]


def cut_out(content: bytes, draw: random.Random) -> bytes:
    first, last = block(content, draw)
    return content[:first] + content[last:]


def zeroed(content: bytes, draw: random.Random) -> bytes:
    first, last = block(content, draw)
    return content[:first] + bytes(last - first) + content[last:]


def put_in(content: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(content) + 1)
    return content[:place] + draw.randbytes(draw.choice([1, 4, 100])) + content[place:]


def repeated(content: bytes, draw: random.Random) -> bytes:
    first, last = draw.choice([(0, len(content)), block(content, draw)])
    return content[:last] + content[first:last] + content[last:]


def swapped(content: bytes, draw: random.Random) -> bytes:
    return draw.choice(sorted(OTHER_FILES.items()))[1]


def block(content: bytes, draw: random.Random) -> tuple[int, int]:
    size = min(len(content), draw.choice([1, 16, 512, len(content) // 2 + 1]))
    first = draw.randrange(len(content) - size + 1)
    return first, first + size


DAMAGES = (changed, changed, changed_near_the_start, cut, cut_out, zeroed, put_in, repeated, swapped)


def recording(container: str, subtype: str | None = None, rate: int = 16_000) -> bytes:
    """A second of a voice-like sound."""
    time = np.arange(rate) / rate
    noise = np.random.default_rng(0).normal(0, 0.01, rate)
    samples = 0.3 * np.sin(2 * np.pi * 150 * time) * (1 + np.sin(2 * np.pi * 4 * time)) / 2 + noise
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=subtype)
    return file.getvalue()


OTHER_FILES = {
    "nothing": b"",
    "zeros": bytes(3000),
    "wav": recording("WAV"),
    "ogg": recording("OGG"),
    "mp3": recording("MP3"),
    "aiff": recording("AIFF"),
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + random.Random(0).randbytes(2000),
    "gzip": gzip.compress(b"text\n" * 100, mtime=0),
    "utf-16": "id,path,transcript\n".encode("utf-16"),
    "json": b'{"schema": 1}',
    "list": b"[1, 2]",
    "number": b"7\n",
    "html": b"<!DOCTYPE html>\n<html><title>404 Not Found</title></html>\n",
}


# ---- kinds of files -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """Attributes:
    make: writes a folder of intact files and returns those to break.
    use: reads the folder; what it returns is compared.
    wrong: intact result, result, intact bytes, broken bytes → what is wrong with the result, or an empty string.
    """

    make: Callable[[pathlib.Path], list[pathlib.Path]]
    use: Callable[[pathlib.Path], object]
    wrong: Callable[[object, object, bytes, bytes], str]


def anything(before, after, intact: bytes, broken: bytes) -> str:
    """Another valid file: nobody can tell."""
    return ""


def nothing(before, after, intact: bytes, broken: bytes) -> str:
    """There is a checksum over every byte."""
    return "the damage was not noticed"


def the_same(before, after, intact: bytes, broken: bytes) -> str:
    """There is a checksum over all that matters."""
    return "" if before == after else "another content"


def audio(
    container: str, subtype: str | None = None, rate: int = 16_000, header: int = 64, behind: bytes = b""
) -> Kind:
    """Args:
    behind: another recording, joined to the first.
    """
    suffix = {"WAVEX": "wav"}.get(container, container.lower())

    def make(folder):
        path = folder / f"a.{suffix}"
        path.write_bytes(recording(container, subtype, rate) + behind)
        return [path]

    def use(folder):
        path = folder / f"a.{suffix}"
        samples = read_audio(path)
        assert np.isfinite(samples).all()
        return num_samples(path), len(samples)

    def wrong(before, after, intact, broken):
        counted, read = after
        if counted != read:
            return f"{read} samples read, {counted} by the header"
        of_same_kind = broken[:header] == intact[:header]
        return f"{read} samples; {before[1]} were there" if of_same_kind and after != before else ""

    return Kind(make, use, wrong)


@dataclass(frozen=True)
class Table:
    """A text file with one utterance a line, and a reader of the corpus that it belongs to."""

    name: str
    write: Callable[[pathlib.Path], None]
    read: Callable[[pathlib.Path], corpora.Corpus]
    lines_of: Callable[[Utterance], str]  # how its line begins; empty for one of another file

    def kind(self) -> Kind:
        def make(folder):
            self.write(folder)
            return [folder / self.name]

        return Kind(make, self.read, self.wrong)

    def wrong(self, before, after, intact: bytes, broken: bytes) -> str:
        one_line = len(intact.splitlines()) == 1  # of words alone: what else stands there is words, too
        untouched = set() if one_line else set(intact.splitlines()) & set(broken.splitlines())
        found = {utterance.id: utterance for utterance in after.utterances}
        if len(found) != len(after.utterances):
            return "an id stands twice"
        for utterance in before.utterances:
            start = self.lines_of(utterance).encode()
            line = next((line for line in intact.splitlines() if start and line.startswith(start)), None)
            if line is None and found.get(utterance.id) != utterance:
                return f"{utterance.id}, which is not in this file, has changed"
            told = any(utterance.id in note or "did you mean" in note for note in after.notes)
            if line in untouched and found.get(utterance.id) != utterance and not told:
                return f"{utterance.id} was {utterance} and is {found.get(utterance.id)}"
        lost = len(before.utterances) - len(found)
        gone = len(intact.splitlines()) - len(broken.splitlines())  # lines that are not there say nothing
        if lost > max(0, gone) and not after.notes:
            return f"{lost} utterances less and no note"
        return ""


WORDS = ("Excuse me.", "Do you have your forms?", "Yeah.", "Well, that is it!", "No; why?", "It's café time")
EMOTIONS = ("neutral", "happiness", "sadness", "anger")
UTTERANCES = 12


def write_manifest(folder: pathlib.Path) -> None:
    lines = ["id,path,transcript,emotion,speaker,session,script"]
    lines += [
        f'u{n:02d},wav/u{n:02d}.wav,"{WORDS[n % 6]}",{EMOTIONS[n % 4]},s{n % 5},{n % 2},t{n % 3}'
        for n in range(UTTERANCES)
    ]
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_meld(folder: pathlib.Path) -> None:
    header = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
    folders = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
    for split, clips in folders.items():
        (folder / clips).mkdir()
        lines = [header]
        for n in range(UTTERANCES):
            emotion = ("neutral", "joy", "sadness", "anger")[n % 4]
            lines.append(f'{n},"{WORDS[n % 6]}",Ross,{emotion},neutral,0,{n},8,21,"00:16:16,059","00:16:21,731"')
            (folder / clips / f"dia0_utt{n}.wav").write_bytes(b"")
        (folder / f"{split}_sent_emo.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_msp_podcast(folder: pathlib.Path) -> None:
    for name in "Labels", "Audios", "Transcripts":
        (folder / name).mkdir()
    lines = ["FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set"]
    for n in range(UTTERANCES):
        stem = f"MSP-PODCAST_0001_{n:04d}"
        lines.append(f"{stem}.wav,{'NHSA'[n % 4]},2.2,4.0,2.6,{30 + n % 3},Male,Train")
        (folder / "Audios" / f"{stem}.wav").write_bytes(b"")
        (folder / "Transcripts" / f"{stem}.txt").write_text(WORDS[n % 6] + "\n", encoding="utf-8")
    (folder / "Labels" / "labels_consensus.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


DIALOG = "Ses01F_impro01"


def write_iemocap(folder: pathlib.Path) -> None:
    session = folder / "IEMOCAP_full_release" / "Session1"
    for place in "dialog/EmoEvaluation", "dialog/transcriptions", f"sentences/wav/{DIALOG}":
        (session / place).mkdir(parents=True)
    labels, words = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""], []
    for n in range(UTTERANCES):
        id = f"{DIALOG}_{'FM'[n % 2]}{n:03d}"
        code = ("neu", "hap", "sad", "ang", "fru")[n % 5]
        labels += [f"[{n}.0000 - {n}.9000]\t{id}\t{code}\t[2.5000, 2.5000, 2.5000]", "C-E2:\tNeutral;\t()", ""]
        words.append(f"{id} [{n:03d}.0000-{n:03d}.9000]: {WORDS[n % 6]}")
        (session / "sentences" / "wav" / DIALOG / f"{id}.wav").write_bytes(b"RIFF")  # only looked for
    (session / "dialog" / "EmoEvaluation" / f"{DIALOG}.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
    (session / "dialog" / "transcriptions" / f"{DIALOG}.txt").write_text("\n".join(words) + "\n", encoding="utf-8")


def line_of_msp(utterance: Utterance) -> str:
    return f"{utterance.id}.wav,"


def line_of_meld(utterance: Utterance) -> str:
    number = utterance.id.split("_utt")[1]
    return f"{number}," if utterance.id.startswith("train") else ""  # only that table is broken


def line_of_label(utterance: Utterance) -> str:
    number = int(utterance.id[-3:])
    return f"[{number}.0000 - "


def write_transcripts(folder: pathlib.Path) -> None:
    lines = ["id,transcript"] + [f'u{n:02d},"{WORDS[n % 6]}"' for n in range(UTTERANCES)]
    (folder / "words.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_transcripts(folder: pathlib.Path) -> corpora.Corpus:
    utterances = [Utterance(f"u{n:02d}", folder / "a.wav", "", "anger", "s") for n in range(UTTERANCES)]
    return corpora.Corpus(transcripts.read_transcripts(folder / "words.csv").replace(utterances))


def read_as(name: str) -> Callable[[pathlib.Path], corpora.Corpus]:
    return lambda folder: corpora.read(name, folder)


_IEMOCAP = f"IEMOCAP_full_release/Session1/dialog/{{}}/{DIALOG}.txt"
TABLES = {
    "manifest": Table("manifest.csv", write_manifest, read_as("manifest"), lambda utterance: f"{utterance.id},"),
    "MELD": Table("train_sent_emo.csv", write_meld, read_as("meld"), line_of_meld),
    "MSP-Podcast": Table("Labels/labels_consensus.csv", write_msp_podcast, read_as("msp-podcast"), line_of_msp),
    "MSP-Podcast, words": Table(
        "Transcripts/MSP-PODCAST_0001_0001.txt",
        write_msp_podcast,
        read_as("msp-podcast"),
        lambda utterance: WORDS[1] if utterance.id.endswith("0001") else "",
    ),
    "IEMOCAP, labels": Table(_IEMOCAP.format("EmoEvaluation"), write_iemocap, iemocap.read_layout, line_of_label),
    "IEMOCAP, words": Table(
        _IEMOCAP.format("transcriptions"), write_iemocap, iemocap.read_layout, lambda utterance: f"{utterance.id} "
    ),
    "transcripts": Table("words.csv", write_transcripts, read_transcripts, lambda utterance: f"{utterance.id},"),
}


# ---- word vectors ---------------------------------------------------------------------------------------------------

VOCABULARY = ("the", "cat", "café", "don't", "of", "x")


def vectors() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {word: draw.normal(size=EMBEDDING_DIM).astype(np.float32) for word in VOCABULARY}


def binary_vectors() -> bytes:
    words = (word.encode() + b" " + vector.astype("<f4").tobytes() for word, vector in vectors().items())
    return f"{len(VOCABULARY)} {EMBEDDING_DIM}\n".encode() + b"".join(words)


def text_vectors(header: bool) -> bytes:
    lines = [f"{len(VOCABULARY)} {EMBEDDING_DIM}"] if header else []
    lines += [" ".join([word, *(f"{number:.4f}" for number in vector)]) for word, vector in vectors().items()]
    return ("\n".join(lines) + "\n").encode()


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def embeddings(suffix: str, content: bytes, wrong=None) -> Kind:
    def make(folder):
        path = folder / f"vectors{suffix}"
        path.write_bytes(content)
        return [path]

    def use(folder):
        found = load_word_vectors(folder / f"vectors{suffix}", VOCABULARY).vectors
        assert all(vector.shape == (EMBEDDING_DIM,) and np.isfinite(vector).all() for vector in found.values())
        return {word: vector.tobytes() for word, vector in found.items()}

    return Kind(make, use, wrong or anything)


def untouched_vectors(before, after, intact: bytes, broken: bytes) -> str:
    """The words whose whole line or entry is still there, in a file without a checksum."""
    for line in set(intact.split(b"\n")) & set(broken.split(b"\n")):
        word = line.partition(b" ")[0].decode()
        if word in before and before[word] != after.get(word):
            return f"another vector of {word!r}"
    return ""


# ---- what the package wrote -----------------------------------------------------------------------------------------


def dataset(names: Callable[[pathlib.Path], list[pathlib.Path]], prepared: pathlib.Path) -> Kind:
    def make(folder):
        shutil.copytree(prepared, folder, dirs_exist_ok=True)
        return names(folder)

    def use(folder):
        opened = open_dataset(folder)
        verify(opened, thoroughly=True)
        return opened.info, opened.index

    def wrong(before, after, intact, broken):
        identity = ("emotions", "preset", "utterances", "shards", "index", "dataset_sha256")
        if after[1] != before[1] or any(after[0][name] != before[0][name] for name in identity):
            return "another dataset"
        return ""

    return Kind(make, use, wrong)


def config_file() -> Kind:
    def make(folder):
        (folder / "config.yaml").write_text(yaml.safe_dump(Config(alpha=0.2).to_dict(), sort_keys=False))
        return [folder / "config.yaml"]

    def use(folder):
        values = read_yaml(folder / "config.yaml")
        try:
            return from_mapping(values)
        except UsageError as error:  # names the field; the command line knows the file
            raise UsageError(f"{folder}: {error}") from None

    return Kind(make, use, anything)


def run_file(name: str) -> Kind:
    """A finished run, as far as it is read without TensorFlow."""

    def make(folder):
        labels = np.arange(8) % 4
        texts = {field: np.array([f"{field}{n}" for n in range(8)]) for field in ("id", "speaker", "session", "script")}
        predictions = runs.Predictions(**texts, label=labels, logits=np.eye(4, dtype=np.float32)[labels])
        (folder / runs.CONFIG).write_text(yaml.safe_dump(Config().to_dict()))
        figures = {"wa": 1.0, "ua": 1.0}
        metrics = {"schema": 1, "emotions": list(EMOTIONS), "test": figures, "validation": figures}
        files.write_json(folder / runs.METRICS, metrics)
        runs.write_history(folder, [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
        runs.write_predictions(folder / runs.PREDICTIONS, predictions)
        return [folder / name]

    def use(folder):
        run = runs.open_run(folder)
        return run.config, run.metrics, run.history, run.emotions, run.predictions

    return Kind(make, use, anything)


def all_kinds(prepared: pathlib.Path) -> dict[str, Kind]:
    """Every kind by name; `prepared` is a dataset's folder."""
    first_shards = dataset(lambda folder: sorted(folder.glob("*.tfrecord"))[:3], prepared)
    return {
        "WAV of 16 bits": audio("WAV", "PCM_16"),
        "WAV of 24 bits": audio("WAV", "PCM_24"),
        "WAV of 8 bits": audio("WAV", "PCM_U8"),
        "WAV of floats": audio("WAV", "FLOAT", header=128),
        "WAV with the longer header": audio("WAVEX", "PCM_16", header=128),
        "FLAC": audio("FLAC", rate=44_100, header=128),
        "OGG": audio("OGG"),
        "Opus": audio("OGG", "OPUS"),
        "MP3": audio("MP3", header=200),  # the first frame, whose tag has the number of frames
        **{name: table.kind() for name, table in TABLES.items()},
        "vectors, .bin": embeddings(".bin", binary_vectors()),
        "vectors, .bin.gz": embeddings(".bin.gz", gzip.compress(binary_vectors(), mtime=0), the_same),
        "vectors, .txt": embeddings(".txt", text_vectors(header=False), untouched_vectors),
        "vectors, .vec": embeddings(".vec", text_vectors(header=True), untouched_vectors),
        "vectors, .zip": embeddings(".zip", zipped("v.txt", text_vectors(header=False)), the_same),
        "shard": replace(first_shards, wrong=nothing),
        "info file": dataset(lambda folder: [folder / INFO], prepared),
        "index": replace(dataset(lambda folder: [folder / INDEX], prepared), wrong=nothing),
        "configuration": config_file(),
        **{f"{name} of a run": run_file(name) for name in (runs.CONFIG, runs.METRICS, runs.HISTORY, runs.PREDICTIONS)},
    }


def rarer_kinds() -> dict[str, Kind]:
    """Recordings as few people have them, by name; see `all_kinds`."""
    headers = {"RF64": 128, "W64": 160, "AIFF": 128, "AU": 32, "CAF": 4200, "NIST": 1024}
    joined = {"FLAC": 128, "OGG": 64, "MP3": 200}  # a WAV file without the other one's header has only bytes behind it
    return {
        **{container: audio(container, header=header) for container, header in headers.items()},
        **{
            f"two {container} joined": audio(container, rate=24_000, header=header, behind=recording(container))
            for container, header in joined.items()
        },
    }


# ---- breaking and reading -------------------------------------------------------------------------------------------


class TooLongError(BaseException):
    """A file is read for longer than `SECONDS`; nothing in the package catches it."""


def verdict(kind: Kind, seed: str, folder: pathlib.Path) -> str:
    """Breaks a file of the kind as the seed says and reads it: what is wrong about what comes of it, or nothing."""
    draw = random.Random(seed)
    folder.mkdir(parents=True)
    path = draw.choice(kind.make(folder))
    before, intact = kind.use(folder), path.read_bytes()
    damage = draw.choice(DAMAGES)
    broken = damage(intact, draw)
    if broken == intact:
        return ""
    path.write_bytes(broken)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        fault = kind.wrong(before, kind.use(folder), intact, broken)
    except TfcrError as error:
        message = str(error)
        fault = "" if str(folder) in message and "\n" not in message else f"not one line with the name: {message!r}"
    except (Exception, TooLongError) as error:
        fault = f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - largest) / 1024
    if grown > MEGABYTES and not fault:
        fault = f"took {grown:.0f} MB"
    return fault and f"{seed}, {damage.__name__}: {fault}"


def check(numbers, kinds: dict[str, Kind], folder: pathlib.Path) -> None:
    """Every kind in turn; all that fail are named with the seed."""

    def too_long(*_):
        raise TooLongError

    kinds = list(kinds.items())
    before = signal.signal(signal.SIGALRM, too_long)
    try:
        seeds = [(f"{kinds[number % len(kinds)][0]} {number}", kinds[number % len(kinds)][1]) for number in numbers]
        faults = [verdict(kind, seed, folder / seed.replace("/", "")) for seed, kind in seeds]
    finally:
        signal.signal(signal.SIGALRM, before)
    faults = [fault for fault in faults if fault]
    assert not faults, "\n".join(faults)


@pytest.fixture
def prepared(tensorflow, tiny_corpus, tmp_path) -> pathlib.Path:
    from tfcr.preparation.options import Preparation
    from tfcr.preparation.prepare import prepare

    return prepare(Preparation("manifest", tiny_corpus, tmp_path / "prepared", "tiny"), 2).folder


def test_a_broken_file_is_named_or_read_right(prepared, tmp_path, capfd):
    check(range(30), all_kinds(prepared), tmp_path / "broken")


@pytest.mark.full
def test_many_broken_files_are_named_or_read_right(prepared, tmp_path, capfd):
    check(range(30, 330), all_kinds(prepared), tmp_path / "broken")


def test_a_broken_file_of_a_rarer_kind_is_named_or_read_right(tmp_path, capfd):
    check(range(30), rarer_kinds(), tmp_path / "broken")


@pytest.mark.full
def test_many_broken_files_of_rarer_kinds_are_named_or_read_right(tmp_path, capfd):
    check(range(30, 330), rarer_kinds(), tmp_path / "broken")
