"""A trained network from its configuration and weights: built anew in float32, nothing unpickled."""

import pathlib

import keras

from tfcr.config import Config
from tfcr.errors import TfcrError
from tfcr.models.sizes import Sizes
from tfcr.models.systems import system


def restore_network(
    config: Config,
    num_classes: int,
    weights: pathlib.Path,
    sizes: Sizes = Sizes(),
    use_cudnn: bool | str = "auto",
) -> keras.Model:
    """The network over examples in float32, whatever precision it was trained in.

    Raises:
        TfcrError: the weights are missing, broken or of another network.
    """
    float32 = keras.DTypePolicy("float32")
    network = system(config.system).build(config, num_classes, sizes, dtype=float32, use_cudnn=use_cudnn)
    load_network(network, weights)
    return network


def load_network(network: keras.Model, weights: pathlib.Path) -> None:
    """Gives a network the weights of a file.

    Raises:
        TfcrError: the weights are missing, broken or of another network.
    """
    try:
        network.load_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TfcrError(f"{weights} is missing, broken or of another network ({reason})") from None
