"""From encoders and a head to a network: over examples for training, over whole utterances for everything else."""

import inspect
from collections.abc import Mapping

import keras
import tensorflow as tf
from keras import ops

from tfcr.models.kernels import only_answers
from tfcr.schema import NUM_BINS, SEGMENT_FRAMES

AUDIO, TEXT, HEAD = "audio_encoder", "text_encoder", "head"  # the layers' names in every network made here
_BLOCK = 16  # segments that an encoder sees at a time
_BLOCKS_AT_ONCE = 8  # beside each other; all of them take less memory than a training


def connect(
    audio_encoder: keras.Model | None,
    text_encoder: keras.Model | None,
    head: keras.layers.Layer,
    dropout: float | tuple[float, ...] = 0.0,
) -> keras.Model:
    """A network over examples: the encoders' inputs by name → the outputs of `_outputs`.

    Args:
        audio_encoder, text_encoder: functional models with one output [batch, units]; None leaves a modality out.
        head: over two embeddings `LinearFusion` or the like, which gives logits or a dictionary that has them; a
            `Dense` layer over one.
        dropout: rate, on what the head sees of the embeddings, or one for each; the regulariser sees all of them.
    """
    encoders = [encoder for encoder in (audio_encoder, text_encoder) if encoder is not None]
    optional = {name for encoder in encoders for name in optional_inputs(encoder)}
    inputs = {
        tensor.name: keras.Input(
            tensor.shape[1:], dtype=tensor.dtype, name=tensor.name, optional=tensor.name in optional
        )
        for encoder in encoders for tensor in encoder.inputs
    }  # fmt: skip
    embeddings = [encoder(_in_structure_of(inputs, encoder)) for encoder in encoders]
    outputs = _outputs(audio_encoder, text_encoder, head, embeddings, dropout)
    return keras.Model(inputs, outputs, name="network")


def check_parts(audio_encoder: keras.Model, text_encoder: keras.Model, head: keras.layers.Layer) -> None:
    """Refuses parts that `connect` cannot make a network of, as an encoder of anyone's may be.

    Raises:
        ValueError: naming the argument, what it must be and what it is.
    """
    for argument, encoder in (("audio_encoder", audio_encoder), ("text_encoder", text_encoder)):
        if not isinstance(encoder, keras.Model):
            raise ValueError(f"Argument `{argument}` must be a Keras model. Received: {argument}={encoder!r}")
        try:
            outputs = encoder.outputs
        except (AttributeError, ValueError):  # of a subclassed model, or a sequential one without input
            outputs = None
        if not outputs:
            raise ValueError(
                f"Argument `{argument}` must be a functional or sequential model whose inputs are known; begin it with "
                f"keras.Input(shape, name=...). Received: {argument}={encoder!r}"
            )
        shapes = [tuple(output.shape) for output in outputs]
        if len(shapes) != 1 or len(shapes[0]) != 2 or shapes[0][1] is None:
            raise ValueError(
                f"Argument `{argument}` must have one output of the shape (batch, units). "
                f"Received: outputs of the shapes {shapes}"
            )
    if not isinstance(head, keras.layers.Layer) or not _takes_two_embeddings(head):
        raise ValueError(
            "Argument `head` must be a layer that is called with both embeddings, head(audio_embedding, "
            "text_embedding); for a linear one give `num_classes` instead. "
            f"Received: head={head!r}"
        )
    audio_inputs, text_inputs = ({tensor.name for tensor in x.inputs} for x in (audio_encoder, text_encoder))
    if audio_inputs & text_inputs:
        raise ValueError(
            "Arguments `audio_encoder` and `text_encoder` must have inputs of different names. "
            f"Received: both have {sorted(audio_inputs & text_inputs)}"
        )
    names = [audio_encoder.name, text_encoder.name, head.name]
    if len(set(names) | audio_inputs | text_inputs) != len(names) + len(audio_inputs) + len(text_inputs):
        raise ValueError(
            "Arguments `audio_encoder`, `text_encoder` and `head` must have different names, which no input has. "
            f"Received: names={names}, inputs={sorted(audio_inputs | text_inputs)}"
        )


def check_discriminator(discriminator: keras.layers.Layer, audio: keras.KerasTensor, text: keras.KerasTensor) -> None:
    """Builds a discriminator over two embeddings [batch, units], and looks at what it gives.

    Raises:
        ValueError: it is no layer that is called with both, or gives something else than scores [anchors, texts].
    """
    expected = (
        "Argument `discriminator` must be a layer that is called with both embeddings, [anchors, units] and [texts, "
        "units], and scores all pairs, [anchors, texts]"
    )
    if not isinstance(discriminator, keras.layers.Layer) or not _takes_two_embeddings(discriminator):
        raise ValueError(f"{expected}. Received: discriminator={discriminator!r}")
    scores = discriminator(*(keras.KerasTensor(each.shape, each.dtype) for each in (audio, text)))
    if not hasattr(scores, "shape") or len(scores.shape) != 2:
        raise ValueError(f"{expected}. Received: one that gives {scores}")


def optional_inputs(model: keras.Model) -> set[str]:
    """The names of inputs that may be left out."""
    return {layer.name for layer in model.layers if isinstance(layer, keras.layers.InputLayer) and layer.optional}


def _takes_two_embeddings(head: keras.layers.Layer) -> bool:
    """Whether the first two arguments of a layer's `call` are tensors; the second may be a mask or a flag instead."""
    parameters = list(inspect.signature(head.call).parameters.values())
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return True
    named = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return len(named) > 1 and named[1] not in ("training", "mask")


def over_utterances(network: keras.Model) -> keras.Model:
    """The same network over whole utterances: their audio embedding is the mean over segments by real frames.

    With a linear head that is the mean of the segments' scores, and s = s_a + s_t stays true. The text encoder runs
    once an utterance. An example of a network without spectrograms is an utterance already: it is returned as it is.

    Returns:
        A model that shares the weights of `network`: `spectrogram` float32 [batch, segments, 128, 128] and `num_frames`
        int32 [batch] (of the utterance; padded segments count nothing), `embeddings` [batch, 30, width] and
        `num_tokens` [batch] → the outputs of `network`.
    """
    layers = {layer.name: layer for layer in network.layers}
    audio_encoder, text_encoder = layers.get(AUDIO), layers.get(TEXT)
    if "spectrogram" not in network.input:
        return network
    inputs = {
        "spectrogram": keras.Input((None, SEGMENT_FRAMES, NUM_BINS), dtype="float32", name="spectrogram"),
        "num_frames": keras.Input((), dtype="int32", name="num_frames"),
    }
    pooling = SegmentMean(audio_encoder, name="segment_mean")
    embeddings = [pooling(inputs["spectrogram"], inputs["num_frames"])]
    if text_encoder is not None:
        for tensor in text_encoder.inputs:
            inputs[tensor.name] = keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name)
        embeddings.append(text_encoder(_in_structure_of(inputs, text_encoder)))
    return keras.Model(inputs, _outputs(audio_encoder, text_encoder, layers[HEAD], embeddings), name="utterances")


def _in_structure_of(inputs: Mapping[str, keras.KerasTensor], encoder: keras.Model):
    """Inputs by name, put into the structure that an encoder is called with: a tensor, a list or a dictionary."""
    structure = encoder.inputs[0] if isinstance(encoder, keras.Sequential) else encoder.input
    return keras.tree.map_structure(lambda tensor: inputs[tensor.name], structure)


def _outputs(audio_encoder, text_encoder, head, embeddings, dropout=0.0) -> Mapping[str, keras.KerasTensor]:
    """The outputs by name: `logits`, and for each modality that the network has, its embedding and its logits.

    Of two modalities, `audio_logits` and `text_logits` are there where the head returns them.
    """
    rates = dropout if isinstance(dropout, tuple) else [dropout] * len(embeddings)
    head_inputs = [
        keras.layers.Dropout(rate, name=f"head_dropout_{n}")(x) if rate else x
        for n, (rate, x) in enumerate(zip(rates, embeddings, strict=True))
    ]
    if audio_encoder is not None and text_encoder is not None:
        scores = head(*head_inputs)
        scores = scores if isinstance(scores, dict) else {"logits": scores}
        return {**scores, "audio_embedding": embeddings[0], "text_embedding": embeddings[1]}
    modality = "audio" if text_encoder is None else "text"
    logits = head(head_inputs[0])
    return {"logits": logits, f"{modality}_logits": logits, f"{modality}_embedding": embeddings[0]}


@keras.saving.register_keras_serializable("tfcr")
class SegmentMean(keras.layers.Layer):
    """An encoder over the segments of utterances, averaged by their real frames.

    Args:
        encoder: a model over `[spectrogram, num_frames]` of segments.

    Call arguments:
        spectrogram: float32 [batch, segments, frames, bins].
        num_frames: int [batch], the utterance's real frames.

    Returns:
        [batch, units].
    """

    def __init__(self, encoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder

    def build(self, spectrogram_shape, num_frames_shape):
        pass  # the encoder came built

    def call(self, spectrogram, num_frames):
        batch, segments, frames, _ = ops.shape(spectrogram)
        real = ops.clip(
            ops.cast(num_frames, "int32")[:, None] - ops.arange(segments, dtype="int32")[None, :] * frames, 0, frames
        )
        flat = ops.reshape(spectrogram, (-1, *spectrogram.shape[2:]))
        encode = encode_in_blocks if only_answers() else _encode
        embedding = encode(self.encoder, flat, ops.reshape(real, (-1,)))
        embedding = ops.reshape(embedding, (batch, segments, embedding.shape[-1]))
        weights = ops.cast(real, self.variable_dtype)
        weights = weights / ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1.0)
        mean = ops.einsum("bs,bsd->bd", weights, ops.cast(embedding, self.variable_dtype))
        return ops.cast(mean, embedding.dtype)

    def compute_output_spec(self, spectrogram, num_frames):
        units = self.encoder.output_shape[-1]
        return keras.KerasTensor((spectrogram.shape[0], units), dtype=self.encoder.outputs[0].dtype)

    def get_config(self):
        return {**super().get_config(), "encoder": keras.saving.serialize_keras_object(self.encoder)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("encoder")), **config)


def encode_in_blocks(encoder: keras.Model, segments: tf.Tensor, num_frames: tf.Tensor) -> tf.Tensor:
    """An audio encoder's embeddings of segments, some at a time and some of these beside each other.

    So a long batch takes little memory, and every core has something to do though an operation runs on few of them.

    Args:
        segments: float32 [segments, frames, bins].
        num_frames: int32 [segments], how many frames of each are real.

    Returns:
        [segments, units].
    """
    blocks = -(-tf.shape(segments)[0] // _BLOCK)

    def block(number, store):
        here = slice(number * _BLOCK, (number + 1) * _BLOCK)
        return number + 1, store.write(number, _encode(encoder, segments[here], num_frames[here]))

    output = encoder.outputs[0]
    store = tf.TensorArray(output.dtype, blocks, element_shape=output.shape, infer_shape=False)
    _, store = tf.while_loop(lambda number, _: number < blocks, block, (0, store), parallel_iterations=_BLOCKS_AT_ONCE)
    return store.concat()


def _encode(encoder, segments, num_frames):
    return encoder([segments, num_frames], training=False)
