"""A sweep made up at random: systems × alphas × folds × seeds, with scores and embeddings like trained ones."""

import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
import yaml
from fabricated_runs import EMOTIONS, described, figures_of

from tfcr import files
from tfcr.runs import METRICS, PREDICTIONS, Predictions, Run, open_run, write_history, write_predictions

_SHARES = (0.31, 0.29, 0.20, 0.20)  # of the emotions
_SPEAKERS = [f"Ses0{session}{sex}" for session in range(1, 6) for sex in "FM"]


def fabricated_sweep(
    folder: pathlib.Path,
    *,
    systems: Sequence[str] = ("fusion", "mha-2"),
    alphas: Sequence[float] = tuple(step / 10 for step in range(11)),
    folds: int = 10,
    seeds: int = 3,
    utterances: int = 120,
    dimensions: tuple[int, int] = (512, 200),
    epochs: int = 30,
) -> list[Run]:
    """Writes and opens the runs; equal arguments give equal runs, whatever was made before."""
    return [
        _fabricated(folder, system, alpha, fold, seed, utterances, dimensions, epochs)
        for system in systems
        for alpha in alphas
        for fold in range(folds)
        for seed in range(seeds)
    ]


def _fabricated(folder, system, alpha, fold, seed, utterances, dimensions, epochs) -> Run:
    corpus = np.random.default_rng((1, fold))
    label = corpus.choice(len(EMOTIONS), utterances, p=_SHARES)
    difficulty = corpus.normal(0, 1, (utterances, len(EMOTIONS)))
    random = np.random.default_rng((2, len(system), round(10 * alpha), fold, seed))
    place = folder / f"random-{system}-a{alpha:g}-f{fold}-s{seed}"
    place.mkdir(parents=True)
    predictions = _predictions(label, difficulty, alpha, fold, random, dimensions)
    means = {"audio_logits": [0.3, 0.0, -0.2, -0.1], "text_logits": [-0.2, 0.1, 0.1, 0.0]}
    test = figures_of(predictions, EMOTIONS, means)
    history = list(_history(random, epochs, test["ua"]))
    cell = {"system": system, "alpha": alpha, "fold": fold, "seed": seed}
    validation = test | {"ua": float(np.clip(test["ua"] + random.normal(0, 0.02), 0, 1))}
    facts = {"training_means": means, "validation": validation, "epochs": len(history), "best_epoch": len(history) - 5}
    write_predictions(place / PREDICTIONS, predictions)
    write_history(place, history)
    files.write_text(place / "config.yaml", yaml.safe_dump({**cell, "protocol": "random", "batch_size": 64}))
    files.write_json(place / METRICS, described(EMOTIONS, test, utterances) | cell | facts)
    return open_run(place)


def _predictions(label, difficulty, alpha, fold, random, dimensions) -> Predictions:
    """The contrast brings both scores nearer to each other; too much of it blurs both."""
    count, classes = len(label), len(EMOTIONS)
    truth = np.eye(classes)[label] * (1.6 - 1.5 * (alpha - 0.15) ** 2)
    shared = difficulty * 0.6
    apart = 1.1 * (1 - 0.6 * alpha)
    audio = truth + shared + random.normal(0, apart, (count, classes)) + [0.3, 0.0, -0.2, -0.1]
    text = truth + shared + random.normal(0, apart, (count, classes)) + [-0.2, 0.1, 0.1, 0.0]
    speakers = [_SPEAKERS[index % len(_SPEAKERS)] for index in range(count)]
    ids = [
        f"{speaker}_{f'impro{fold:02d}' if (index // 10) % 2 else f'script0{1 + index % 3}_{fold}'}_F{index:03d}"
        for index, speaker in enumerate(speakers)
    ]
    order = np.argsort(ids)
    return Predictions(
        id=np.array(ids)[order],
        speaker=np.array(speakers)[order],
        session=np.array([speaker[:5] for speaker in speakers])[order],
        script=np.array([""] * count),
        label=label[order].astype(np.int64),
        logits=(audio + text)[order].astype(np.float32),
        audio_logits=audio[order].astype(np.float32),
        text_logits=text[order].astype(np.float32),
        audio_embedding=_embedding(audio, dimensions[0], random)[order],
        text_embedding=_embedding(text, dimensions[1], random)[order],
    )


def _embedding(scores: np.ndarray, dimension: int, random: np.random.Generator) -> np.ndarray:
    mixed = scores @ random.normal(0, 1, (scores.shape[1], dimension)) / 4
    return np.maximum(mixed + random.normal(0, 0.3, mixed.shape), 0).astype(np.float32)


def _history(random: np.random.Generator, epochs: int, ua: float) -> Iterator[dict]:
    for epoch in range(1, int(random.integers(epochs // 2, epochs + 1)) + 1):
        done = 1 - np.exp(-epoch / 6)
        yield {
            "epoch": epoch,
            "loss": float(1.4 - 0.9 * done + random.normal(0, 0.02)),
            "val_loss": float(1.4 - 0.6 * done + 0.008 * epoch + random.normal(0, 0.04)),
            "val_wa": float(0.25 + (ua - 0.25) * done + random.normal(0, 0.02)),
            "val_ua": float(0.25 + (ua - 0.25) * done + random.normal(0, 0.02)),
            "seconds": 2.0,
        }
