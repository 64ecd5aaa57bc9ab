"""The model of an experiment before its first step: built, drawn from its seed, standardised and compiled."""

import keras
import numpy as np

from tfcr.config import Config
from tfcr.data.pipeline import derived_seed
from tfcr.features.vocabulary import read_vocabulary
from tfcr.models.contrastive import ContrastiveModel
from tfcr.models.fused_adam import FusedAdam
from tfcr.models.heads.cosine_discriminator import CosineDiscriminator
from tfcr.models.heads.pair_discriminator import PairDiscriminator
from tfcr.models.keras_internals import layers_within
from tfcr.models.kernels import kernels
from tfcr.models.layers.standardization import Standardization
from tfcr.models.layers.word_table import WordTable
from tfcr.models.systems import system
from tfcr.objectives.weighting import balanced_class_weights
from tfcr.training import runtime
from tfcr.training.experiment import Experiment, pipeline_of
from tfcr.training.statistics import moments


def build_model(experiment: Experiment) -> ContrastiveModel:
    """The model of an experiment, freshly initialised from its seed and standardised by its training part."""
    config = experiment.config
    keras.utils.set_random_seed(config.seed)
    policy = runtime.policy(config.precision)
    network = system(config.system).build(
        config, len(experiment.dataset.emotions), experiment.network_sizes, dtype=policy
    )
    _standardise(network, experiment)
    _set_word_vectors(network, experiment)
    discriminator = None
    if config.alpha > 0:
        kind = CosineDiscriminator if config.discriminator == "cosine" else PairDiscriminator
        discriminator = kind(config.discriminator_units, config.initializers, name="discriminator", dtype=policy)
    model = ContrastiveModel(
        network,
        alpha=config.alpha,
        discriminator=discriminator,
        negatives=config.negatives,
        negative_weights=config.negative_weights,
        negatives_per_anchor=config.negatives_per_anchor,
        classification_loss=config.classification_loss,
        negatives_scope=config.negatives_scope,
        class_weights=_class_weights(experiment),
        seed=config.seed,
        dtype=policy,
    )
    model.compile(optimizer_of(config), jit_compile=False)  # where XLA compiles a step, `InputTimer` has it do so
    model.optimizer.build(model.trainable_variables)
    return model


def optimizer_of(config: Config) -> keras.optimizers.Optimizer:
    """Adam with the settings of a configuration, of few kernels where layers are Keras's, as on a GPU."""
    kind = FusedAdam if kernels() == "keras" else keras.optimizers.Adam
    return kind(
        config.learning_rate, epsilon=config.adam_epsilon, clipvalue=config.clip_value, clipnorm=config.clip_norm
    )


def _class_weights(experiment: Experiment) -> np.ndarray | None:
    """By the training part; None for no weights."""
    if experiment.config.class_weights == "none":
        return None
    return balanced_class_weights(experiment.labels(experiment.split.train), len(experiment.dataset.emotions))


def _standardise(network: keras.Model, experiment: Experiment) -> None:
    """Gives the network the statistics of the training part."""
    config = experiment.config
    if config.standardization == "none":
        return
    pipeline = pipeline_of(config, experiment.dataset, network)
    for layer in layers_of_kind(network, Standardization):
        layer.set_statistics(*moments(pipeline.steps(experiment.split.train, layer.feature)))


def _set_word_vectors(network: keras.Model, experiment: Experiment) -> None:
    """Gives tables of word vectors that are trained the vectors of the dataset to start from."""
    for layer in layers_of_kind(network, WordTable):
        _, vectors, known = read_vocabulary(experiment.dataset.folder)
        layer.set_vectors(vectors, known, derived_seed(experiment.config.seed, "words"))


def layers_of_kind(network: keras.Model, kind: type) -> list[keras.layers.Layer]:
    """The layers of a kind, in the network and in the models within it."""
    return [layer for layer in layers_within(network) if isinstance(layer, kind)]


def fast_layers(network: keras.Model) -> list[str]:
    """The names of the layers that train by tfcr's own functions for CPUs rather than by Keras's."""
    return sorted(layer.name for layer in layers_within(network) if getattr(layer, "is_fast", False))
