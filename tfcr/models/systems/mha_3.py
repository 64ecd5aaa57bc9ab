"""MHA-3: multi-hop attention, 3 hops (Yoon, Byun, Dey and Jung 2019)."""

import keras

from tfcr.config import Config
from tfcr.models import multi_hop
from tfcr.models.sizes import Sizes

REGULARISED = True
FEATURES = multi_hop.FEATURES
DEFAULTS = multi_hop.DEFAULTS


def build(
    config: Config, num_classes: int, sizes: Sizes = Sizes(), dtype=None, use_cudnn: bool | str = "auto"
) -> keras.Model:
    """Bidirectional LSTMs and 3 hops of attention between them."""
    return multi_hop.multi_hop(config, num_classes, sizes, 3, dtype, use_cudnn)
