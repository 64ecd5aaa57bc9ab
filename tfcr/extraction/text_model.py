"""A Hugging Face text model: BERT, RoBERTa, sentence encoders and their like. Needs torch."""

from collections.abc import Mapping, Sequence

import numpy as np
import transformers

from tfcr.errors import TfcrError
from tfcr.extraction.checked import said, whole
from tfcr.extraction.encoder import Encoder, loading, of_equal_length, padded
from tfcr.extraction.model_files import ModelFiles
from tfcr.extraction.settings import Settings

_LONGEST = 4096  # tokens at a time, where a model takes more
_SHARED = 8  # a window's share that it has in common with the next: one in so many of its tokens
_PROBES = "short", "a sentence that is quite a bit longer than the other one"

Tokens = Mapping[str, np.ndarray]  # the model's inputs by name, each int64 [tokens]


class TextModel:
    """Features of transcripts (`Extractor`): one for every token, those that the tokenizer adds included.

    Whether the model gives the same for a transcript that is padded beside a longer one is found by asking it; where
    padding shows, only transcripts of equally many tokens are computed together.
    """

    modality = "text"
    longest: int | None = None  # of any length, in windows of tokens

    def __init__(self, files: ModelFiles, settings: Settings):
        self.settings = settings
        with loading(files.name):
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(
                files.folder, local_files_only=True, trust_remote_code=False
            )
        self.encoder = Encoder(files, settings)
        self.window = self._longest()
        self.overlap = self.window // _SHARED // 2 * 2
        self.pads = True
        with loading(files.name):
            short, long = (self._tokens(probe)[0] for probe in _PROBES)
            alone, beside = self._computed([short])[:, 0], self._computed([short, long])[:, 0]
            self.pads = self.encoder.agrees(beside[:, : alone.shape[1]], alone)

    @property
    def description(self) -> dict:
        return self.encoder.described(self.modality, None, self.window, self.overlap)

    def features(self, text: str) -> np.ndarray:
        with said():
            return whole(self.features_of([text])[0])

    def features_of(self, batch: Sequence[str]) -> list[np.ndarray]:
        """Features of each transcript; those that are too long for the model are cut into windows."""
        windows = [self._tokens(text) for text in batch]
        states = iter(self._states([window for each in windows for window in each]))
        return [self.settings.shaped(self._joined([next(states) for _ in each], each)) for each in windows]

    def _joined(self, states: Sequence[np.ndarray], windows: Sequence[Tokens]) -> np.ndarray:
        """The features [layers, tokens, dim] of windows, without what two of them share or have for themselves."""
        first, last = 0, len(states) - 1
        kept = []
        for number, (each, window) in enumerate(zip(states, windows, strict=True)):
            words = np.flatnonzero(window["special_tokens_mask"] == 0)
            begin = None if number == first else words[0] + self.overlap // 2
            end = None if number == last else words[-1] + 1 - self.overlap // 2
            kept.append(each[:, begin:end])
        return np.concatenate(kept, axis=1)

    def _tokens(self, text: str) -> list[Tokens]:
        """The windows of a transcript, nearly always one."""
        if self.tokenizer.is_fast:
            options = {"max_length": self.window, "stride": self.overlap, "return_overflowing_tokens": True}
            found = self.tokenizer(text, truncation=True, return_special_tokens_mask=True, **options)
        else:  # which returns no windows
            found = self.tokenizer([text], return_special_tokens_mask=True)
            if (count := len(found["input_ids"][0])) > self.window:
                raise TfcrError(f"it has {count} tokens, and the model takes {self.window}")
        names = [*self.tokenizer.model_input_names, "special_tokens_mask"]
        columns = {name: found[name] for name in names if name in found}
        windows: list[Tokens] = [
            {name: np.array(column[number], np.int64) for name, column in columns.items()}
            for number in range(len(found["input_ids"]))
        ]
        if not len(windows[0]["input_ids"]):
            raise TfcrError("it has no words, and the model's tokenizer adds none")
        return windows

    def _states(self, windows: Sequence[Tokens]) -> list[np.ndarray]:
        """[layers, tokens, dim] of each."""
        states: list[np.ndarray] = [np.zeros(0)] * len(windows)
        groups = of_equal_length([window["input_ids"] for window in windows])
        if self.pads:
            size = self.settings.batch_size
            groups = [list(range(start, min(start + size, len(windows)))) for start in range(0, len(windows), size)]
        for group in groups:
            computed = self._computed([windows[position] for position in group])
            for row, position in enumerate(group):
                states[position] = computed[:, row, : len(windows[position]["input_ids"])]
        return states

    def _computed(self, windows: Sequence[Tokens]) -> np.ndarray:
        """[layers, batch, tokens, dim] of windows side by side."""
        filler = {"input_ids": self.tokenizer.pad_token_id or 0}
        inputs = {
            name: padded([window[name] for window in windows], filler.get(name, 0))
            for name in windows[0]
            if name != "special_tokens_mask"
        }
        inputs["attention_mask"] = padded([np.ones(len(window["input_ids"]), np.int64) for window in windows])
        return self.encoder.hidden_states(inputs)

    def _longest(self) -> int:
        """Tokens that the model takes at a time, those that the tokenizer adds included."""
        positions = getattr(self.encoder.config, "max_position_embeddings", None) or _LONGEST
        if getattr(self.encoder.config, "model_type", "") in ("roberta", "xlm-roberta", "camembert", "mpnet"):
            positions -= 2  # theirs begin behind the padding's
        return min(_LONGEST, positions, self.tokenizer.model_max_length)
