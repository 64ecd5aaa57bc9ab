"""A Hugging Face speech model: wav2vec 2.0, HuBERT, WavLM, Whisper's encoder and their like. Needs torch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import soxr
import transformers

from tfcr.errors import TfcrError, UsageError
from tfcr.extraction.checked import said, whole
from tfcr.extraction.encoder import Encoder, loading, of_equal_length, padded
from tfcr.extraction.model_files import ModelFiles
from tfcr.extraction.settings import Settings
from tfcr.extraction.windows import Window, windows
from tfcr.schema import SAMPLE_RATE

_PROBES = 2, 6  # seconds
_MASK = "attention_mask"

Inputs = Mapping[str, np.ndarray]  # of one recording, by the model's names


class SpeechModel:
    """Features of recordings (`Extractor`).

    How often features come, and whether the model gives the same for a recording that is padded beside a longer one, is
    found by asking it about noise. Where padding shows, as where a group norm runs over time, only recordings of
    equal length are computed together.
    """

    modality = "audio"

    def __init__(self, files: ModelFiles, settings: Settings):
        self.settings = settings
        self.longest: int | None = settings.window * SAMPLE_RATE
        with loading(files.name):
            self.front_end = transformers.AutoFeatureExtractor.from_pretrained(
                files.folder, local_files_only=True, trust_remote_code=False
            )
            self.input = self.front_end.model_input_names[0]
            self.sample_rate = self.front_end.sampling_rate
        self.encoder = Encoder(files, settings)
        with loading(files.name):
            self._probe()

    @property
    def description(self) -> dict:
        return self.encoder.described(
            self.modality, self.sample_rate, window=self.settings.window, overlap=self.settings.overlap
        )

    def features(self, audio: np.ndarray) -> np.ndarray:
        with said():
            return whole(self.settings.shaped(np.concatenate(list(self.parts([audio])), axis=1)))

    def features_of(self, batch: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Features of recordings that are no longer than a window."""
        return [self.settings.shaped(states) for states in self._states(batch)]

    def parts(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Features [layers, time, dim] of a recording of any length, one part behind the other.

        Args:
            blocks: [samples] at 16 kHz.
        """
        waiting: list[Window] = []
        for window in windows(blocks, self.settings.window, self.settings.overlap):
            waiting.append(window)
            if len(waiting) == self.settings.batch_size:
                yield from self._kept(waiting)
                waiting = []
        yield from self._kept(waiting)

    def _kept(self, some: Sequence[Window]) -> Iterator[np.ndarray]:
        for window, states in zip(some, self._states([each.samples for each in some]), strict=True):
            yield window.kept(states, self.rate)

    def _states(self, batch: Sequence[np.ndarray]) -> list[np.ndarray]:
        """[layers, time, dim] of each."""
        inputs = [self._inputs(samples) for samples in batch]
        states: list[np.ndarray] = [np.zeros(0)] * len(batch)
        groups = [list(range(len(batch)))]
        if not self.pads:
            groups = of_equal_length([each[self.input] for each in inputs])
        for group in filter(None, groups):
            computed = self._computed([inputs[position] for position in group])
            for row, position in enumerate(group):
                frames = self._frames(len(batch[position]), len(inputs[position][self.input]))
                own = computed[:, row, :frames]
                mask = inputs[position].get(_MASK)
                if mask is not None and len(mask) == own.shape[1]:  # of features: the front end filled up the last one
                    own = own[:, mask == 1]
                states[position] = whole(own)
        return states

    def _frames(self, samples: int, inputs: int) -> int | None:
        """How many of the features are a recording's own; None for all."""
        if self.is_whisper:
            return -int(-samples * self.rate // SAMPLE_RATE)
        return int(self._lengths(inputs)) if self.pads else None

    def _lengths(self, inputs: int) -> int:
        return self.encoder.model._get_feat_extract_output_lengths(inputs)

    def _inputs(self, samples: np.ndarray) -> Inputs:
        """What the model takes of a recording: float32 [samples], [frames, bins], or Whisper's [bins, frames].

        With it the mask of its front end, where that gives one, as [samples] or [frames].
        """
        if self.sample_rate != SAMPLE_RATE:
            samples = soxr.resample(samples, SAMPLE_RATE, self.sample_rate)
        found = self.front_end(samples, sampling_rate=self.sample_rate, return_tensors="np")
        inputs = {self.input: np.asarray(found[self.input][0], np.float32)}
        if _MASK in found:
            inputs[_MASK] = np.asarray(found[_MASK][0], np.int64)
        return inputs

    def _computed(self, inputs: Sequence[Inputs]) -> np.ndarray:
        """[layers, batch, time, dim] of inputs side by side."""
        lengths = [len(each[self.input]) for each in inputs]
        batch = {name: padded([each[name] for each in inputs]) for name in inputs[0]}
        if len(set(lengths)) > 1:
            batch[_MASK] = padded([np.ones(length, np.int64) for length in lengths])
        return self.encoder.hidden_states(batch)

    def _probe(self) -> None:
        noise = np.random.default_rng(0).normal(scale=0.1, size=_PROBES[1] * SAMPLE_RATE).astype(np.float32)
        inputs = [self._inputs(noise[: seconds * SAMPLE_RATE]) for seconds in _PROBES]
        alone = [self._computed([each])[:, 0] for each in inputs]
        short, long = (states.shape[1] for states in alone)
        self.rate = (long - short) / (_PROBES[1] - _PROBES[0])  # features a second
        self.is_whisper = short == long and hasattr(self.front_end, "n_samples")
        if self.is_whisper:
            longest = self.front_end.n_samples // self.sample_rate
            self.rate = long / longest
            if self.settings.window > longest:
                raise UsageError(f"--window {self.settings.window}: this model hears {longest} s at most")
        elif short == long:
            raise TfcrError(
                f"--model {self.encoder.files.name} gives {short} features of {_PROBES[0]} s of speech and of "
                f"{_PROBES[1]} s; expected a model whose features are a sequence over time"
            )
        self.pads = self._pads(inputs, alone)

    def _pads(self, inputs: Sequence[Inputs], alone: Sequence[np.ndarray]) -> bool:
        """Whether a recording that is padded gets the features that it gets alone."""
        short = inputs[0][self.input]
        if short.ndim != 1 or not hasattr(self.encoder.model, "_get_feat_extract_output_lengths"):
            return False
        beside = self._computed(inputs)[:, 0, : int(self._lengths(len(short)))]
        return self.encoder.agrees(beside, alone[0])
