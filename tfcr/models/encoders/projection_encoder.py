"""The encoder of one's own features: a projection and a mean over time, as SUPERB classifies with."""

import keras
from keras import layers

from tfcr.models.layers.attention_pooling import AttentionPooling
from tfcr.models.layers.initializers import linear_initializers
from tfcr.models.layers.layer_mean import LayerMean
from tfcr.models.layers.standardization import LEAST_OWN, Standardization
from tfcr.models.layers.step_mean import StepMean


def projection_encoder(
    modality: str,
    shape: tuple[int | None, ...],
    units: int = 256,
    pooling: str = "mean",
    initializers: str = "pytorch",
    regularizer: keras.regularizers.Regularizer | None = None,
    dtype=None,
) -> keras.Model:
    """Standardised features, projected to some units with ReLU at each step and averaged over real steps.

    After the downstream model of utterance-level tasks in SUPERB (Yang et al. 2021): a learned mean of the model's
    layers where there are several, projection, pooling, and the linear classifier that is here the head's.

    Args:
        modality: `audio` or `text`.
        shape: of one utterance's features: (None, dim) over time, (layers, None, dim) for several layers over time, or
            (dim,), where there is no mean.
        units: of the projection.
        pooling: `mean`, or `attention` for a mean over time by learned weights.
        initializers: `keras` or `pytorch`, of the projection.
        regularizer: of all weights.

    Returns:
        A model named `<modality>_encoder`: `<modality>_features` float32 [batch, steps, dim] or [batch, layers, steps,
        dim] and `num_<modality>_features` int32 [batch], or `<modality>_features` [batch, dim] alone, to
        [batch, units].

    Raises:
        ValueError: a shape of another rank, or with an unknown size other than that of time; another pooling.
    """
    if [size is None for size in shape] not in ([False], [True, False], [False, True, False]):
        raise ValueError(f"Argument `shape` must be (steps, dim), (layers, steps, dim) or (dim,). Received: {shape=}")
    if pooling not in ("mean", "attention"):
        raise ValueError(f"Argument `pooling` must be 'mean' or 'attention'. Received: {pooling=}")
    name, is_sequence = f"{modality}_features", len(shape) > 1
    inputs = [keras.Input(shape, name=name, dtype="float32")]
    if is_sequence:
        inputs.append(keras.Input((), name=f"num_{name}", dtype="int32"))
    x = Standardization(name, LEAST_OWN, name="standardization", dtype=dtype)(*inputs)
    if len(shape) == 3:
        x = LayerMean(regularizer, name="layer_mean", dtype=dtype)(x)
    x = layers.Dense(
        units,
        activation="relu",
        kernel_regularizer=regularizer,
        bias_regularizer=regularizer,
        name="projection",
        dtype=dtype,
        **linear_initializers(initializers, x.shape[-1]),
    )(x)
    if is_sequence and pooling == "mean":
        x = StepMean(name="step_mean", dtype=dtype)(x, inputs[1])
    elif is_sequence:
        x = AttentionPooling(regularizer, name="attention_pooling", dtype=dtype)(x, inputs[1])
    return keras.Model(inputs, x, name=f"{modality}_encoder")
