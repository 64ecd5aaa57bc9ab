"""Training in stages, as the authors' code does it.

Speech alone and words alone are trained first, then the baseline from their encoders, and then the contrastive model
from the baseline's. In their comparison the contrastive model has had more training than its baseline; beside it we
train the baseline on under the same rule (`start: baseline` with alpha 0).
"""

from dataclasses import replace

import keras

from tfcr.config import Config, from_mapping
from tfcr.models.network import AUDIO, TEXT
from tfcr.models.restore import restore_network
from tfcr.models.sizes import Sizes
from tfcr.models.systems import resolve
from tfcr.models.systems.fusion import STARTS_FROM
from tfcr.runs import WEIGHTS, WHERE, Run, check_weights


def origins_of(config: Config) -> list[Config]:
    """The configurations of the trainings whose encoders this one starts from; fold and seed are the same.

    Contrastive models that differ in the regulariser alone share a baseline.
    """
    if config.start == "unimodal":
        return [resolve(replace(config, system=system, alpha=0.0)) for system in STARTS_FROM]
    if config.start == "baseline":
        return [resolve(replace(config, alpha=0.0, start="unimodal"))]
    return []


def copy_encoders(network: keras.Model, origin: Run, num_classes: int, sizes: Sizes) -> None:
    """Copies the weights of a finished run's encoders into a network; its head keeps its random weights.

    Raises:
        TfcrError: the run's weights are broken or were changed.
    """
    check_weights(origin)
    config = from_mapping({name: value for name, value in origin.config.items() if name not in WHERE})
    trained = restore_network(config, num_classes, origin.folder / WEIGHTS, sizes)
    names = {layer.name for layer in trained.layers}
    for encoder in (AUDIO, TEXT):
        if encoder in names:
            network.get_layer(encoder).set_weights(trained.get_layer(encoder).get_weights())
