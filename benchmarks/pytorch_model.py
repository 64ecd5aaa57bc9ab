"""The paper's model and its training step in PyTorch, as a process that `training_step.py` asks for steps.

It needs PyTorch and NumPy alone, so that it can run in an environment of its own. Requests and answers are JSON, one a
line; see `answering.py`. Before anything is timed, loss and gradients are compared with tfcr's.
"""

import contextlib

import numpy as np
import torch
from answering import Process
from batches import BINS, CLASSES, DEVIATION, DIM, FRAMES, MEAN, batch
from torch import nn
from torch.nn import functional
from torch.nn.utils import rnn

FILTERS, UNITS, LAYERS, HIDDEN = 8, 200, 2, 320
AUDIO_UNITS = FILTERS * (FRAMES // 16) * (BINS // 16)
_ABSENT = -1e30


class Fusion(nn.Module):
    """CNN and LSTM with attention, a linear head, and a discriminator over all pairs (Sec. 3.2 and 4.3).

    Args:
        packed: the LSTM runs over packed sequences, else over all 30 steps of each, which gives the same.
    """

    def __init__(self, packed: bool = False):
        super().__init__()
        self.packed = packed
        self.register_buffer("mean", torch.full((BINS,), MEAN))
        self.register_buffer("deviation", torch.full((BINS,), DEVIATION))
        self.convolutions = nn.ModuleList(
            nn.Conv2d(1 if block == 0 else FILTERS, FILTERS, 3, padding=1) for block in range(4)
        )
        self.lstm = nn.LSTM(DIM, UNITS, LAYERS, batch_first=True)
        self.head = nn.Linear(AUDIO_UNITS + UNITS, CLASSES, bias=False)
        self.hidden = nn.Linear(AUDIO_UNITS + UNITS, HIDDEN)
        self.score = nn.Linear(HIDDEN, 1)

    def audio(self, spectrogram, num_frames):
        real = torch.arange(FRAMES)[None, :, None] < num_frames[:, None, None]
        x = torch.where(real, (spectrogram - self.mean) / self.deviation, 0.0)[:, None]
        for convolution in self.convolutions:
            x = functional.max_pool2d(functional.relu(convolution(x)), 2)
        return x.flatten(1)

    def text(self, embeddings, num_tokens):
        steps = embeddings.shape[1]
        num_tokens = num_tokens.clamp(1, steps)
        if self.packed:
            packed = rnn.pack_padded_sequence(embeddings, num_tokens, batch_first=True, enforce_sorted=False)
            outputs, _ = rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=steps)
        else:
            outputs, _ = self.lstm(embeddings)
        last = outputs[torch.arange(len(outputs)), num_tokens.long() - 1]
        scores = torch.einsum("btd,bd->bt", outputs, last).float()
        padding = torch.arange(steps)[None, :] >= num_tokens[:, None]
        weights = torch.softmax(scores.masked_fill(padding, -1e9), dim=1)
        return torch.einsum("bt,btd->bd", weights.to(outputs.dtype), outputs)

    def forward(self, x):
        audio = self.audio(x["spectrogram"], x["num_frames"])
        text = self.text(x["embeddings"], x["num_tokens"])
        logits = self.head(torch.cat([audio, text], dim=1))
        of_audio = functional.linear(audio, self.hidden.weight[:, :AUDIO_UNITS])
        of_text = functional.linear(text, self.hidden.weight[:, AUDIO_UNITS:], self.hidden.bias)
        pairs = torch.relu(of_audio[:, None] + of_text[None])
        return logits, self.score(pairs).squeeze(2)


def objective(logits, scores, x, alpha: float = 0.1):
    """(1 - alpha) cross-entropy + alpha InfoNCE over texts of other emotions (Eq. 5-7)."""
    scores = scores.float()
    negative = (x["label"][:, None] != x["label"]) & (x["utterance"][:, None] != x["utterance"])
    positive = scores.diagonal()
    candidates = torch.cat([positive[:, None], scores.masked_fill(~negative, _ABSENT)], dim=1)
    contrastive = torch.logsumexp(candidates, dim=1) - positive
    return (1 - alpha) * functional.cross_entropy(logits.float(), x["label"]) + alpha * contrastive.mean()


class Step:
    """A training step of one variant: forward, backward, Adam.

    Args:
        layout: `contiguous`, `channels_last`, or `compiled`, which is channels_last by `torch.compile`.
    """

    def __init__(self, layout: str, packed: bool, bfloat16: bool):
        torch.manual_seed(0)
        self.model = Fusion(packed)
        if layout != "contiguous":
            self.model.to(memory_format=torch.channels_last)
        self.forward = torch.compile(self._loss) if layout == "compiled" else self._loss
        self.precision = torch.autocast("cpu", torch.bfloat16) if bfloat16 else contextlib.nullcontext()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.001, eps=1e-7, fused=True)

    def _loss(self, x):
        return objective(*self.model(x), x)

    def loss(self, x):
        with self.precision:
            return self.forward(x)

    def __call__(self, x):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(x)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def started(threads: int) -> dict:
    """Fixes the threads; the answer to `start`."""
    torch.set_num_threads(threads)
    return {"version": torch.__version__}


class Training(Process):
    """Training steps of variants, which `layout`, `packed` and `bfloat16` of `Step` name."""

    def __init__(self):
        self.made, self.batches = {}, {}

    def start(self, threads: int) -> dict:
        return started(threads)

    def steps(self, seeds: list[int], **variant) -> dict:
        """Makes a step on the batch of each seed."""
        step = self._step(**variant)
        for seed in seeds:
            step(self._batch(seed))
        return {}

    def gradients(self, seed: int, weights: str, out: str, **variant) -> dict:
        """Loads weights from a file .npz and writes the gradients and the `loss` of a batch into another."""
        step = self._step(**variant)
        state = {name: torch.from_numpy(array) for name, array in np.load(weights).items()}
        step.model.load_state_dict(state, strict=False)  # mean and deviation stay
        loss = step.loss(self._batch(seed))
        loss.backward()
        np.savez(out, loss=loss.item(), **{name: p.grad.numpy() for name, p in step.model.named_parameters()})
        step.optimizer.zero_grad(set_to_none=True)
        return {}

    def _step(self, **variant):
        key = tuple(sorted(variant.items()))
        if key not in self.made:
            self.made[key] = Step(**variant)
        return self.made[key]

    def _batch(self, seed):
        if seed not in self.batches:
            self.batches[seed] = {name: torch.from_numpy(array) for name, array in batch(seed).items()}
        return self.batches[seed]


if __name__ == "__main__":
    Training().serve()
