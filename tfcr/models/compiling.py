"""What `compile` and `fit` of a `ContrastiveModel` take, checked as Keras checks its own: `ValueError` says what."""

from collections.abc import Collection, Mapping

_LABELS = "whole numbers [batch] or [batch, 1], or a dictionary of such as `label` and `utterance`"


def refuse_losses(loss, loss_weights) -> None:
    """Raises `ValueError` for a loss beside the model's own."""
    for argument, value in (("loss", loss), ("loss_weights", loss_weights)):
        if value is not None:
            raise ValueError(
                f"Argument `{argument}` of `compile` must be None: the objective is the model's own (Eq. 7), with the "
                f"weight `alpha`. Received: {argument}={value!r}"
            )


def check_metrics(argument: str, metrics, outputs: Collection[str]) -> None:
    """Raises `ValueError` for what is neither a list of metrics nor a dictionary by output."""
    expected = (
        f"Argument `{argument}` of `compile` must be a list of metrics, which measure `logits`, or a dictionary of "
        f"such by output, one of {sorted(outputs)}"
    )
    if isinstance(metrics, Mapping):
        if unknown := sorted(str(name) for name in set(metrics) - set(outputs)):
            raise ValueError(f"{expected}. Received: {argument}={metrics!r}, whose keys {unknown} are no outputs")
    elif metrics is not None and (
        not isinstance(metrics, list | tuple) or any(isinstance(each, list | tuple | Mapping) for each in metrics)
    ):
        raise ValueError(f"{expected}. Received: {argument}={metrics!r}")


def by_output(metrics):
    """Metrics as a dictionary by output; a list is of `logits`."""
    return {"logits": metrics} if isinstance(metrics, list | tuple) and metrics else metrics


def labels_of(y):
    """The labels of what `fit` is given as `y`: int [batch] or [batch, 1].

    Raises:
        ValueError: there are none, or they are of another shape, such as one-hot.
    """
    if y is None or (isinstance(y, Mapping) and not {"label"} <= set(y) <= {"label", "utterance"}):
        raise ValueError(f"Argument `y` must be labels, {_LABELS}. Received: {y if y is None else sorted(y)}")
    label = y["label"] if isinstance(y, Mapping) else y
    shape = getattr(label, "shape", None)
    if shape is not None and getattr(shape, "rank", 0) is not None and len(shape) != 1 and tuple(shape[1:]) != (1,):
        raise ValueError(
            f"Argument `y` must be labels, {_LABELS}. Received: labels of the shape {tuple(shape)}; of one-hot ones "
            "give `argmax(axis=-1)`"
        )
    return label
