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
        real = torch.arange(FRAMES, device=num_frames.device)[None, :, None] < num_frames[:, None, None]
        x = torch.where(real, (spectrogram - self.mean) / self.deviation, 0.0)[:, None]
        for convolution in self.convolutions:
            x = functional.max_pool2d(functional.relu(convolution(x)), 2)
        return x.flatten(1)

    def text(self, embeddings, num_tokens):
        steps = embeddings.shape[1]
        num_tokens = num_tokens.clamp(1, steps)
        if self.packed:
            lengths = num_tokens.cpu()  # PyTorch wants them there
            packed = rnn.pack_padded_sequence(embeddings, lengths, batch_first=True, enforce_sorted=False)
            outputs, _ = rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=steps)
        else:
            outputs, _ = self.lstm(embeddings)
        last = outputs[torch.arange(len(outputs), device=outputs.device), num_tokens.long() - 1]
        scores = torch.einsum("btd,bd->bt", outputs, last).float()
        padding = torch.arange(steps, device=num_tokens.device)[None, :] >= num_tokens[:, None]
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
        layout: `contiguous`, `channels_last`, `compiled`, which is channels_last by `torch.compile`, or `graphs`, which
            is that in CUDA graphs.
        precision: `float32`, or that of `autocast`: `bfloat16` or `float16`, with scaled losses.
        device: `cpu` or `cuda`. On the latter float32 is multiplied as TF32, as TensorFlow does.
    """

    def __init__(self, layout: str, packed: bool, precision: str = "float32", device: str = "cpu"):
        torch.manual_seed(0)
        self.model = Fusion(packed).to(device)
        if layout != "contiguous":
            self.model.to(memory_format=torch.channels_last)
        self.forward = self._loss
        if layout in ("compiled", "graphs"):
            self.forward = torch.compile(self._loss, mode="reduce-overhead" if layout == "graphs" else None)
        if device == "cuda":
            torch.set_float32_matmul_precision("high")
        self.precision = contextlib.nullcontext()
        if precision != "float32":
            self.precision = torch.autocast(device, getattr(torch, precision))
        self.scaler = torch.amp.GradScaler(device, enabled=precision == "float16")
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.001, eps=1e-7, fused=True)

    def _loss(self, x):
        return objective(*self.model(x), x)

    def loss(self, x):
        with self.precision:
            return self.forward(x)

    def __call__(self, x):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(x)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()


def started(threads: int) -> dict:
    """Fixes the threads; the answer to `start`."""
    torch.set_num_threads(threads)
    return {"version": torch.__version__}


class Training(Process):
    """Training steps of variants, which the arguments of `Step` name."""

    def __init__(self):
        self.made, self.batches = {}, {}

    def start(self, threads: int) -> dict:
        return started(threads)

    def steps(self, seeds: list[int], **variant) -> dict:
        """Makes a step on the batch of each seed."""
        step = self._step(**variant)
        for seed in seeds:
            loss = step(self._batch(seed))
        return {"loss": loss.item()}

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
