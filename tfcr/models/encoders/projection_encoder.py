"""The encoder of one's own features: a projection and the mean over time, as SUPERB classifies with."""

import keras
from keras import layers

from tfcr.models.layers.standardization import LEAST_OWN, Standardization
from tfcr.models.layers.step_mean import StepMean


def projection_encoder(
    modality: str,
    shape: tuple[int | None, ...],
    units: int = 256,
    regularizer: keras.regularizers.Regularizer | None = None,
    dtype=None,
) -> keras.Model:
    """Standardised features, projected to some units with ReLU at each step and averaged over real steps.

    After the downstream model of utterance-level tasks in SUPERB (Yang et al. 2021): projection, mean pooling, and the
    linear classifier that is here the head's.

    Args:
        modality: `audio` or `text`.
        shape: of one utterance's features: (None, dim) over time, or (dim,), where there is no mean.
        units: of the projection.
        regularizer: of its weights.

    Returns:
        A model named `<modality>_encoder`: `<modality>_features` float32 [batch, steps, dim] and
        `num_<modality>_features` int32 [batch], or `<modality>_features` [batch, dim] alone, to [batch, units].

    Raises:
        ValueError: a shape of another rank, or without its last size.
    """
    if len(shape) not in (1, 2) or shape[-1] is None:
        raise ValueError(f"Argument `shape` must be (steps, dim) or (dim,). Received: {shape=}")
    name = f"{modality}_features"
    features = keras.Input(shape, name=name, dtype="float32")
    inputs = [features]
    if len(shape) == 2:
        inputs.append(keras.Input((), name=f"num_{name}", dtype="int32"))
    x = Standardization(name, LEAST_OWN, name="standardization", dtype=dtype)(*inputs)
    x = layers.Dense(
        units,
        activation="relu",
        kernel_regularizer=regularizer,
        bias_regularizer=regularizer,
        name="projection",
        dtype=dtype,
    )(x)
    if len(shape) == 2:
        x = StepMean(name="step_mean", dtype=dtype)(x, inputs[1])
    return keras.Model(inputs, x, name=f"{modality}_encoder")
