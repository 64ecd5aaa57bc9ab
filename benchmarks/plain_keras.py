"""The paper's model as one would write it with Keras alone: what tfcr is timed against.

Every layer is Keras's, in the order in which the paper names them: convolution, ReLU, pooling; LSTMs with a mask over
all 30 steps. A test shows that it computes what `tfcr` computes.
"""

import keras
from batches import BINS, CLASSES, DEVIATION, DIM, FRAMES, MEAN, WORDS
from keras import layers, ops


def plain_network(dtype=None) -> keras.Model:
    """The network over examples, with the inputs and outputs of `tfcr.models.network.connect`."""
    inputs = {
        "spectrogram": keras.Input((FRAMES, BINS), name="spectrogram"),
        "num_frames": keras.Input((), name="num_frames", dtype="int32"),
        "embeddings": keras.Input((WORDS, DIM), name="embeddings"),
        "num_tokens": keras.Input((), name="num_tokens", dtype="int32"),
    }
    audio = _audio(inputs["spectrogram"], inputs["num_frames"], dtype)
    text = _text(inputs["embeddings"], inputs["num_tokens"], dtype)
    logits = layers.Dense(CLASSES, use_bias=False, name="head", dtype=dtype)(
        layers.Concatenate(dtype=dtype)([audio, text])
    )
    return keras.Model(inputs, {"logits": logits, "audio_embedding": audio, "text_embedding": text}, name="plain")


def _audio(spectrogram, num_frames, dtype):
    x = layers.Normalization(mean=MEAN, variance=DEVIATION**2, name="normalization")(spectrogram)
    real = ops.less(ops.arange(FRAMES)[None, :], num_frames[:, None])
    x = ops.where(real[:, :, None], x, 0.0)[..., None]
    for block in range(4):
        x = layers.Conv2D(8, 3, padding="same", activation="relu", name=f"conv_{block}", dtype=dtype)(x)
        x = layers.MaxPooling2D(2, name=f"pool_{block}", dtype=dtype)(x)
    return layers.Flatten(dtype=dtype)(x)


def _text(embeddings, num_tokens, dtype):
    counts = ops.clip(num_tokens, 1, WORDS)
    real = ops.less(ops.arange(WORDS)[None, :], counts[:, None])
    x = embeddings
    for layer in range(2):
        x = layers.LSTM(200, return_sequences=True, name=f"lstm_{layer}", dtype=dtype)(x, mask=real)
    last = ops.take_along_axis(x, counts[:, None, None] - 1, axis=1)
    scores = ops.where(real, ops.sum(x * last, axis=2), -1e9)
    return ops.sum(ops.softmax(scores, axis=1)[:, :, None] * x, axis=1)


class PlainDiscriminator(layers.Layer):
    """d(e_a; e_t) as the paper writes it: a hidden layer over every pair's two embeddings, one after the other."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = layers.Dense(320, activation="relu", dtype=self.dtype_policy)
        self.score = layers.Dense(1, dtype=self.dtype_policy)

    def build(self, audio_embedding_shape, text_embedding_shape):
        self.hidden.build((None, None, audio_embedding_shape[-1] + text_embedding_shape[-1]))
        self.score.build((None, None, 320))

    def call(self, audio_embedding, text_embedding):
        anchors, texts = ops.shape(audio_embedding)[0], ops.shape(text_embedding)[0]
        audio = ops.repeat(audio_embedding[:, None], texts, axis=1)
        text = ops.repeat(text_embedding[None], anchors, axis=0)
        return ops.squeeze(self.score(self.hidden(ops.concatenate([audio, text], axis=2))), axis=2)
