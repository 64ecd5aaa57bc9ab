"""Feature-level fusion: features of both modalities, concatenated before one encoder."""

import keras
from keras import layers

from tfcr.config import Config
from tfcr.models import network
from tfcr.models.encoders.sequences import standardized_prosody
from tfcr.models.layers.initializers import linear_initializers
from tfcr.models.layers.standardization import LEAST_COEFFICIENT, Standardization
from tfcr.models.layers.step_mean import StepMean
from tfcr.models.sizes import NUM_COEFFICIENTS, Sizes
from tfcr.models.systems import ANOTHER_PAPERS
from tfcr.schema import MAX_TOKENS

REGULARISED = False
FEATURES = ("mfcc", "prosody")
DEFAULTS = {**ANOTHER_PAPERS, "head_bias": True}


def build(
    config: Config, num_classes: int, sizes: Sizes = Sizes(), dtype=None, use_cudnn: bool | str = "auto"
) -> keras.Model:
    """A multilayer perceptron over one vector for each utterance, with the paper's word vectors 413 numbers.

    They are mean and deviation of every MFCC over the real frames (78), prosody (35), and the mean of the word
    embeddings (300; zero without words). Nobody published such a network for this task: width and depth are open.
    """
    inputs = {
        "mfcc": keras.Input((None, NUM_COEFFICIENTS), name="mfcc", dtype="float32"),
        "num_mfcc": keras.Input((), name="num_mfcc", dtype="int32"),
        "embeddings": keras.Input((MAX_TOKENS, sizes.embedding_dim), name="embeddings", dtype="float32"),
        "num_tokens": keras.Input((), name="num_tokens", dtype="int32"),
    }
    standardization = Standardization("mfcc", LEAST_COEFFICIENT, name="standardization", dtype=dtype)
    mfcc = standardization(inputs["mfcc"], inputs["num_mfcc"])
    mfcc = StepMean(deviation=True, name="mfcc_statistics", dtype=dtype)(mfcc, inputs["num_mfcc"])
    inputs["prosody"], prosody = standardized_prosody(dtype)
    words = StepMean(name="word_mean", dtype=dtype)(inputs["embeddings"], inputs["num_tokens"])
    x = layers.Concatenate(name="utterance", dtype=dtype)([mfcc, prosody, words])
    for layer in range(config.hidden_layers):
        drawn = linear_initializers(config.initializers, x.shape[-1])
        x = layers.Dense(config.hidden_units, activation="relu", name=f"hidden_{layer}", dtype=dtype, **drawn)(x)
    drawn = linear_initializers(config.initializers, x.shape[-1])
    logits = layers.Dense(num_classes, use_bias=config.head_bias, name=network.HEAD, dtype=dtype, **drawn)(x)
    return keras.Model(inputs, {"logits": logits}, name="network")
