"""Decision-level fusion: speech and words each classified alone, and the decisions combined."""

import keras
import numpy as np

from tfcr.config import Config
from tfcr.models import network
from tfcr.models.encoders.configured import audio_encoder_of, text_encoder_of
from tfcr.models.heads.decision_fusion import DecisionFusion
from tfcr.models.layers.norm_penalty import NormPenalty
from tfcr.models.sizes import Sizes
from tfcr.objectives.metrics import unweighted_accuracy

REGULARISED = False
FEATURES = ()
DEFAULTS = {}  # its networks are the paper's
OWN_FEATURES = ("audio", "text")

_SHARES = np.linspace(0, 1, 21)  # steps of 0.05


def build(
    config: Config, num_classes: int, sizes: Sizes = Sizes(), dtype=None, use_cudnn: bool | str = "auto"
) -> keras.Model:
    """The networks of `audio` and `text` side by side, and the mean of their probabilities."""
    # half of what words alone have, since their cross-entropy is half of the loss
    penalty = NormPenalty(config.text_norm_penalty / 2) if config.text_norm_penalty else None
    return network.connect(
        audio_encoder_of(config, sizes, dtype),
        text_encoder_of(config, sizes, penalty, dtype, use_cudnn),
        DecisionFusion(num_classes, config.head_bias, config.initializers, penalty, name=network.HEAD, dtype=dtype),
        (config.audio_head_dropout, config.text_head_dropout),
    )


def choose_share(audio_logits: np.ndarray, text_logits: np.ndarray, labels: np.ndarray) -> float:
    """The audio's share of the decision with the best UA; of several, the nearest to a half, and then the smaller.

    Args:
        audio_logits, text_logits: float [utterances, classes], of the validation part: never of the test part.
        labels: int [utterances].

    Returns:
        A share from 0 to 1, in steps of 0.05.
    """
    audio, text = (_probabilities(np.asarray(logits, np.float64)) for logits in (audio_logits, text_logits))
    # by distance from a half, so that max, which takes the first of the best, takes the nearest
    shares = sorted(_SHARES, key=lambda share: (round(abs(share - 0.5), 9), share))
    return float(max(shares, key=lambda share: unweighted_accuracy(labels, share * audio + (1 - share) * text)))


def _probabilities(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
