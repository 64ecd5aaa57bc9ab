"""Features that cannot be computed, or are none, said in one line."""

import contextlib
from collections.abc import Iterator

import numpy as np

from tfcr.errors import TfcrError


@contextlib.contextmanager
def said() -> Iterator[None]:
    """What a library cannot compute, say because a recording is too short, is a `TfcrError`."""
    try:
        yield
    except (IndexError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TfcrError(f"no features can be computed ({reason.rstrip('.')}); is it too short?") from None


def whole(features: np.ndarray) -> np.ndarray:
    """The features as they are.

    Raises:
        TfcrError: there are none, or they are not finite.
    """
    if not features.size:
        raise TfcrError("it is too short to have features")
    if not np.isfinite(features).all():
        raise TfcrError("its features are not all finite numbers")
    return features
