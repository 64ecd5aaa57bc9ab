"""The batches that training steps are timed on: noise, in sentences as long as IEMOCAP's. NumPy alone."""

import numpy as np

BATCH = 64
FRAMES = BINS = 128
WORDS, DIM = 30, 300  # words after the cut
MEAN_WORDS = 14.0  # of IEMOCAP's 5,531 utterances, before the cut at 30
CLASSES = 4
MEAN, DEVIATION = -60.0, 20.0  # of the pictures, dB
_SHAPE = 2.0  # of the negative binomial: with this mean 8 % are longer than 30 words, and the longest of 5,531 some 110


def sentence_lengths(count: int, random: np.random.Generator) -> np.ndarray:
    """Words of so many sentences before the cut, at least 1: int64 [count], long-tailed."""
    mean = MEAN_WORDS - 1
    return 1 + random.negative_binomial(_SHAPE, _SHAPE / (_SHAPE + mean), count)


def batch(seed: int, size: int = BATCH) -> dict[str, np.ndarray]:
    """One batch, the same in every process.

    Returns:
        `spectrogram` float32 [size, 128, 128] in dB, `num_frames` int32 [size], `embeddings` float32 [size, 30, 300],
        zero after the words, `num_tokens` int32 [size], which may exceed 30, `label` int64 [size] and `utterance` int64
        [size], two neighbours of which share one now and then.
    """
    random = np.random.default_rng(seed)
    num_tokens = sentence_lengths(size, random).astype(np.int32)
    num_frames = np.where(random.random(size) < 0.8, FRAMES, random.integers(1, FRAMES + 1, size)).astype(np.int32)
    embeddings = random.normal(0, 0.3, (size, WORDS, DIM)).astype(np.float32)
    embeddings[np.arange(WORDS)[None, :] >= num_tokens[:, None]] = 0
    spectrogram = random.normal(MEAN, DEVIATION, (size, FRAMES, BINS)).astype(np.float32)
    spectrogram[np.arange(FRAMES)[None, :] >= num_frames[:, None]] = -140
    return {
        "spectrogram": spectrogram,
        "num_frames": num_frames,
        "embeddings": embeddings,
        "num_tokens": num_tokens,
        "label": random.integers(0, CLASSES, size),
        "utterance": np.arange(size) - (random.random(size) < 0.1),
    }


def described(seeds: range) -> str:
    """The sentence lengths of batches, in a sentence."""
    words = np.concatenate([batch(seed)["num_tokens"] for seed in seeds])
    cut = np.minimum(words, WORDS)
    return (
        f"{len(words)} sentences of {words.mean():.1f} words on average, {100 * np.mean(words > WORDS):.0f} % of them "
        f"cut at {WORDS}; {cut.mean():.1f} words are left"
    )
