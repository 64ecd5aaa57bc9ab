"""What to prepare and where, and who hears of the work."""

import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tfcr import corpora, schema
from tfcr.corpora import emotion_names
from tfcr.errors import UsageError
from tfcr.features.own import OwnFeatures
from tfcr.wording import printable


@dataclass(frozen=True)
class Preparation:
    """What to prepare, and where.

    Attributes:
        corpus: its name; see `tfcr.corpora.names`.
        root: the folder the corpus lies in.
        out: the dataset's folder.
        name: the dataset's name.
        preset: which preset's features.
        emotions: the classes, in label order.
        merge: emotion → class that it joins.
        embeddings: a file of word vectors, or gensim:NAME; None trains them on the dataset's own transcripts.
        transcripts: a CSV file (id,transcript) that replaces the corpus's words.
        features: names of built-in feature sets beside the paper's (`tfcr.features.sets`).
        own: files of one's own features.
        options: for the corpus's reader.
        skip_unreadable: leaves out the recordings that cannot be read, after a look at all of every one.
    """

    corpus: str
    root: pathlib.Path
    out: pathlib.Path
    name: str
    preset: str = "paper"
    emotions: Sequence[str] = schema.EMOTIONS
    merge: Mapping[str, str] = field(default_factory=lambda: dict(schema.MERGE))
    embeddings: str | os.PathLike | None = None
    transcripts: pathlib.Path | None = None
    features: Sequence[str] = ()
    own: Sequence[OwnFeatures] = ()
    options: Mapping = field(default_factory=dict)
    skip_unreadable: bool = False

    @property
    def reader_options(self) -> dict:
        """`options`, so that a manifest's labels which are classes here, or merged, keep their names."""
        kept = emotion_names.kept((*self.emotions, *self.merge)) if self.corpus == "manifest" else {}
        own = self.options.get("emotion_names") or {}
        return {**self.options, **({"emotion_names": {**kept, **own}} if kept else {})}

    def to_dict(self) -> dict:
        """What decides the content of the dataset, but the corpus's own files; for comparison."""
        return {
            "corpus": self.corpus,
            "name": self.name,
            "preset": self.preset,
            "emotions": list(self.emotions),
            "merge": dict(self.merge),
            **corpora.resolved_options(self.corpus, self.options),
        }

    def __post_init__(self) -> None:
        if len(self.emotions) < 2 or len(set(self.emotions)) != len(self.emotions) or "" in self.emotions:
            raise UsageError(f"emotions must be two or more different names; received {', '.join(self.emotions)}")
        if not self.name or "/" in self.name or self.name.startswith(".") or printable(self.name) != self.name:
            raise UsageError(f"name must be a file name in UTF-8; received {self.name!r}")
        for emotion, joins in self.merge.items():
            if joins not in self.emotions or emotion in self.emotions:
                raise UsageError(
                    f"merge cannot let {emotion!r} join {joins!r}; expected another emotion: one of the set"
                )


@dataclass(frozen=True)
class Progress:
    """How the caller hears of the work; every function may be called from several threads.

    Attributes:
        say: a sentence for the user.
        start: the seconds of audio ahead.
        advance: seconds of audio done.
    """

    say: Callable[[str], None] = lambda sentence: None
    start: Callable[[float], None] = lambda seconds: None
    advance: Callable[[float], None] = lambda seconds: None
