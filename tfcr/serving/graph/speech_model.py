"""A trained network with all that comes before and after it: from a recording's bytes to an emotion in one graph."""

import keras
import tensorflow as tf

from tfcr.features.presets import PRESETS
from tfcr.models.network import AUDIO, HEAD, TEXT, encode_in_blocks
from tfcr.schema import FLOOR_DB, MAX_TOKENS, NUM_BINS, SEGMENT_FRAMES
from tfcr.serving.graph.feature_model import FeatureModel, Labels, Signature, Tensors
from tfcr.serving.graph.spectrogram import PICTURES
from tfcr.serving.graph.waveform import decode_wav
from tfcr.serving.graph.words import SPLIT, Vocabulary, is_utf8

_ROWS_AT_A_TIME = 4  # of a batch, decoded beside each other


class SpeechModel(FeatureModel):
    """The functions that become the signatures of an export that takes recordings and transcripts.

    Args:
        network: over examples, of the system `fusion`, `audio` or `text`.
        preset: whose pictures and words they are.
        labels: the emotions.
        vocabulary: of the words; None for a network that hears only.
    """

    def __init__(self, network: keras.Model, preset: str, labels: Labels, vocabulary: Vocabulary | None):
        super().__init__(network, labels)
        layers = {layer.name: layer for layer in network.layers}
        self.preset = preset
        self.vocabulary = vocabulary
        self.audio_encoder, self.text_encoder, self.head = layers.get(AUDIO), layers.get(TEXT), layers[HEAD]
        if self.text_encoder is not None:
            # the text encoder in two halves, because its attention is asked for
            self.attention = self.text_encoder.get_layer("text_embedding")
            self.sequence = keras.Model(self.text_encoder.inputs, self.attention.input[0])

    @property
    def parts(self) -> list:
        return [*super().parts, *([] if self.vocabulary is None else [self.vocabulary])]

    @property
    def signatures(self) -> dict[str, Signature]:
        answer, explain = (self.answer, self.raw_inputs), (self.explain, self.raw_inputs)
        return {"serving_default": answer, **super().signatures, "explain": explain}

    @property
    def raw_inputs(self) -> dict[str, tf.TensorSpec]:
        """What `answer` and `explain` take: string [batch] each, of the modalities that there are."""
        there = {"audio_bytes": self.audio_encoder, "transcript": self.text_encoder}
        return {name: tf.TensorSpec([None], tf.string, name=name) for name, encoder in there.items() if encoder}

    def answer(self, inputs: Tensors) -> Tensors:
        """From WAV files and transcripts: what `features` answers, and `error` string [batch], empty for a good row.

        The numbers of a bad row are zero and its emotion is empty.
        """
        answer, _ = self._answer(inputs)
        return answer

    def explain(self, inputs: Tensors) -> Tensors:
        """What `answer` says, and what led to it.

        Of the audio: `spectrogram` float32 [batch, segments, 128, 128], padded to the longest, `num_frames` int32
        [batch] and `audio_probabilities`; of the words: `tokens` string [batch, 30], those that have a vector, padded
        with empty ones, `attention` float32 [batch, 30], their weights, and `text_probabilities`.
        """
        answer, details = self._answer(inputs)
        return answer | details

    def _answer(self, inputs: Tensors) -> tuple[Tensors, Tensors]:
        error, embeddings, details = None, [], {}
        if len(inputs) > 1:
            same = "audio_bytes and transcript must have as many rows as each other"
            tf.debugging.assert_equal(*(tf.shape(value) for value in inputs.values()), message=same)
        if self.audio_encoder is not None:
            embedding, error, seen = self._encode_speech(inputs["audio_bytes"])
            embeddings.append(embedding)
            details |= seen
        if self.text_encoder is not None:
            embedding, wrong, seen = self._encode_words(inputs["transcript"])
            embeddings.append(embedding)
            details |= seen
            error = wrong if error is None else tf.where(tf.equal(error, ""), wrong, error)
        answer = self.named(self._scores(embeddings))
        for modality in ("audio", "text"):
            if f"{modality}_logits" in answer:
                details[f"{modality}_probabilities"] = tf.nn.softmax(answer[f"{modality}_logits"])
        good = tf.equal(error, "")
        return _only(good, answer) | {"error": error}, _only(good, details)

    def _encode_speech(self, audio_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, Tensors]:
        """Embedding [batch, units], error string [batch], and what `explain` shows."""

        def row(content):
            samples, error = decode_wav(content)
            return *PICTURES[self.preset](samples), error

        picture = tf.RaggedTensorSpec([None, SEGMENT_FRAMES, NUM_BINS], tf.float32, ragged_rank=0)
        with tf.device("CPU:0"):  # a file is there, and a GPU would get its spectrum in a hundred small kernels
            pictures, num_frames, error = tf.map_fn(
                row,
                audio_bytes,
                fn_output_signature=(picture, tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.string)),
                parallel_iterations=_ROWS_AT_A_TIME,
            )
        # without rows a ragged tensor forgets its inner sizes
        pictures = pictures.with_values(tf.reshape(pictures.values, (-1, SEGMENT_FRAMES, NUM_BINS)))
        # what a signature does not answer with is left out of its graph
        padding = FLOOR_DB if self.preset == "paper" else 0.0
        details = {
            "spectrogram": pictures.to_tensor(padding, shape=(None, None, SEGMENT_FRAMES, NUM_BINS)),
            "num_frames": num_frames,
        }
        return self._segment_mean(pictures, num_frames), error, details

    def _segment_mean(self, pictures: tf.RaggedTensor, num_frames: tf.Tensor) -> tf.Tensor:
        """The audio embedding, averaged over segments by their real frames, as `SegmentMean` has it.

        Args:
            pictures: float32 [batch, (segments), 128, 128].
            num_frames: int32 [batch], of the utterances.
        """
        segments, row = pictures.values, pictures.value_rowids()
        number = tf.range(tf.shape(row)[0]) - tf.cast(tf.gather(pictures.row_starts(), row), tf.int32)
        real = tf.clip_by_value(tf.gather(num_frames, row) - number * SEGMENT_FRAMES, 0, SEGMENT_FRAMES)
        embedding = encode_in_blocks(self.audio_encoder, segments, real)
        weight = tf.cast(real, tf.float32)
        batch = tf.shape(num_frames)[0]
        total = tf.maximum(tf.math.unsorted_segment_sum(weight, row, batch), 1.0)
        share = (weight / tf.gather(total, row))[:, None]
        return tf.math.unsorted_segment_sum(embedding * share, row, batch)

    def _encode_words(self, transcript: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, Tensors]:
        """Embedding [batch, units], error string [batch], and what `explain` shows."""
        words = SPLIT[self.preset](transcript)
        embeddings, num_tokens, tokens = self.vocabulary.embed(words, PRESETS[self.preset].look_up)
        outputs = self.sequence([embeddings, num_tokens], training=False)
        attention = self.attention.attention_weights(outputs, num_tokens)
        padding = MAX_TOKENS - tf.shape(attention)[1]
        attention = tf.ensure_shape(tf.pad(attention, [[0, 0], [0, padding]]), [None, MAX_TOKENS])
        error = tf.where(is_utf8(transcript), "", "the transcript is not UTF-8")
        return self.attention(outputs, num_tokens), error, {"tokens": tokens, "attention": attention}

    def _scores(self, embeddings: list[tf.Tensor]) -> Tensors:
        scores = self.head(*embeddings)
        if isinstance(scores, dict):
            return scores
        return {"logits": scores, "audio_logits" if self.text_encoder is None else "text_logits": scores}


def _only(good: tf.Tensor, tensors: Tensors) -> Tensors:
    """The tensors with zeros, empty texts and False in rows that are not good."""
    return {
        name: tf.where(tf.reshape(good, [-1] + [1] * (value.shape.rank - 1)), value, tf.zeros([], value.dtype))
        for name, value in tensors.items()
    }
