"""From recordings and words to emotions in PyTorch, as a process that `prediction.py` asks: the pipeline of an export.

It needs PyTorch and NumPy alone. Its answers are compared with the export's before anything is timed.
"""

import io
import re
import wave

import numpy as np
import torch
from answering import Process
from batches import BINS, DIM, FRAMES, WORDS
from pytorch_model import Fusion, started
from torch.nn import functional

FFT, HOP, RATE = 256, 128, 16_000
FLOOR = 1e-14  # power spectral density, 1/Hz
_TAG = re.compile(r"\[[^\[\]]*\]")
_OUTER = re.compile(r"^\W+|\W+$")


class Pipeline:
    """Decoding, spectrogram in float64, segments, words, vectors, model, and the mean over segments."""

    def __init__(self, weights: str, vocabulary: str, channels_last: bool):
        self.model = Fusion().eval()
        self.model.load_state_dict({name: torch.from_numpy(array) for name, array in np.load(weights).items()})
        if channels_last:
            self.model.to(memory_format=torch.channels_last)
        with np.load(vocabulary) as file:
            self.vectors = torch.from_numpy(file["vectors"])
            self.rows = {word: row for row, word in enumerate(file["words"].tolist())}
        self.window = torch.from_numpy(np.hanning(FFT))
        self.scale = torch.full((BINS,), 2.0, dtype=torch.float64)  # one-sided: both signs fall on a bin
        self.scale[0] = 1.0  # but the mean
        self.scale /= RATE * (self.window**2).sum()

    @torch.inference_mode()
    def __call__(self, files: list[bytes], transcripts: list[str]) -> torch.Tensor:
        """Logits [recordings, 4]."""
        pictures = [self._picture(file) for file in files]
        segments = torch.cat([segments for segments, _ in pictures])
        real = torch.cat([real for _, real in pictures])
        owner = torch.cat([torch.full((len(some),), row) for row, (some, _) in enumerate(pictures)])
        share = real / torch.zeros(len(files)).index_add(0, owner, real.float())[owner]
        embedding = self.model.audio(segments, real)
        audio = torch.zeros(len(files), embedding.shape[1]).index_add(0, owner, embedding * share[:, None])
        text = self.model.text(*self._words(transcripts))
        return self.model.head(torch.cat([audio, text], dim=1))

    def _picture(self, file):
        """The segments of a recording [segments, 128, 128] in dB, and the real frames of each."""
        with wave.open(io.BytesIO(file)) as opened:
            samples = np.frombuffer(opened.readframes(opened.getnframes()), "<i2")
        samples = torch.from_numpy(samples.astype(np.float64) / 2**15)
        spectrum = torch.stft(samples, FFT, HOP, window=self.window, center=False, return_complex=True)[:BINS]
        density = (spectrum.real**2 + spectrum.imag**2).T * self.scale
        decibels = (10 * torch.log10(density.clamp(min=FLOOR))).float()
        frames = len(decibels)
        segments = -(-frames // FRAMES)
        decibels = functional.pad(decibels, (0, 0, 0, segments * FRAMES - frames), value=-140.0)
        real = (frames - FRAMES * torch.arange(segments)).clamp(0, FRAMES)
        return decibels.reshape(segments, FRAMES, BINS), real

    def _words(self, transcripts):
        """Embeddings [recordings, longest, 300] and how many words each has."""
        sentences = [[self._row(word) for word in _TAG.sub(" ", text).split()] for text in transcripts]
        sentences = [[row for row in rows if row is not None][:WORDS] for rows in sentences]
        counts = torch.tensor([len(rows) for rows in sentences])
        embeddings = torch.zeros(len(sentences), max(1, int(counts.max())), DIM)
        for place, rows in zip(embeddings, sentences, strict=True):
            place[: len(rows)] = self.vectors[rows]
        return embeddings, counts

    def _row(self, word):
        word = _OUTER.sub("", word)
        return self.rows.get(word, self.rows.get(word.lower()))


class Prediction(Process):
    """Pipelines by name."""

    def start(self, threads: int) -> dict:
        return started(threads)

    def load(self, weights: str, vocabulary: str, recordings: list[str], transcripts: list[str]) -> dict:
        """Takes the model, and the recordings that are asked about; nothing is read while time is taken."""
        self.files = []
        for name in recordings:
            with open(name, "rb") as file:
                self.files.append(file.read())
        self.transcripts = transcripts
        self.pipelines = {
            layout: Pipeline(weights, vocabulary, layout == "channels_last")
            for layout in ("contiguous", "channels_last")
        }
        return {}

    def predict(self, layout: str, count: int) -> dict:
        """The logits of the first recordings."""
        return {"logits": self.pipelines[layout](self.files[:count], self.transcripts[:count]).tolist()}


if __name__ == "__main__":
    Prediction().serve()
