"""The model that trains a network with the paper's objective (Eq. 5-7)."""

import keras
import tensorflow as tf
from keras import ops

import tfcr.models.fused_adam  # noqa: F401, which the file of a model that was trained on a GPU names
from tfcr.models import compiling, global_batch
from tfcr.models import network as network_module
from tfcr.models.heads.linear_fusion import LinearFusion
from tfcr.models.heads.pair_discriminator import PairDiscriminator
from tfcr.models.keras_internals import WithBuiltMetrics
from tfcr.models.kernels import warn_of_cudnn
from tfcr.objectives.info_nce import info_nce
from tfcr.objectives.negatives import check_settings, negative_weights
from tfcr.objectives.weighting import combine


@keras.saving.register_keras_serializable("tfcr")
class ContrastiveModel(WithBuiltMetrics):
    """Trains a network with (1 - alpha) L1 + alpha L2 (Eq. 7): cross-entropy and InfoNCE.

    Args:
        network: a functional model whose output is a dictionary with `logits` [batch, classes] and, for a regularised
            one, `audio_embedding` and `text_embedding`.
        alpha: the weight of the regulariser, from 0 to 1.
        discriminator: scores all pairs, `(audio_embedding, text_embedding) -> [anchors, texts]`. By default a
            `PairDiscriminator` for `alpha` above 0, with initial weights as PyTorch draws them, and none for 0.
        negatives, negative_weights, negatives_per_anchor: see `tfcr.objectives.negatives`.
        negatives_scope: whose texts are negatives where several replicas compute a batch: `global`, all of the batch's,
            or `replica`, those of the anchor's own replica.
        seed: of the drawn negatives.
        classification_loss: `softmax`, the cross-entropy of Eq. 5, or `sigmoid`, the mean over classes of each one's
            binary cross-entropy. Where the network has `branch_logits` [batch, branches, classes], it is the mean over
            branches of each one's loss, rather than the loss of `logits`.
        class_weights: what the cross-entropy of an example of each class is multiplied by, float [classes], in training
            and validation; the contrastive loss has no weights. By default 1.

    Data: `(x, y)` or `(x, y, sample_weight)`, where x is the network's input and y either the labels, int [batch], or a
    dictionary of `label` and `utterance`, int [batch] each: examples with the same utterance are never each other's
    negatives.

    Under a strategy of tf.distribute, in whose scope the model is made, a step is that of one device at the global
    batch (`tfcr.models.global_batch`).
    """

    def __init__(
        self,
        network,
        alpha=0.1,
        discriminator=None,
        negatives="other-emotion",
        negative_weights="uniform",
        negatives_per_anchor=None,
        seed=0,
        classification_loss="softmax",
        negatives_scope="global",
        class_weights=None,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)  # half precision cannot hold -140 dB to a tenth
        if not 0 <= alpha <= 1:
            raise ValueError(f"Argument `alpha` must be from 0 to 1. Received: alpha={alpha!r}")
        check_settings(negatives, negative_weights, negatives_per_anchor)
        if classification_loss not in _CROSS_ENTROPIES:
            raise ValueError(
                f"Argument `classification_loss` must be one of {tuple(_CROSS_ENTROPIES)}. "
                f"Received: classification_loss={classification_loss!r}"
            )
        if negatives_scope not in _SCOPES:
            raise ValueError(
                f"Argument `negatives_scope` must be one of {_SCOPES}. Received: negatives_scope={negatives_scope!r}"
            )
        warn_of_cudnn(network)
        self.network = network
        self.alpha = alpha
        if discriminator is None and alpha > 0:
            discriminator = PairDiscriminator(name="discriminator", dtype=self.dtype_policy)
        self.discriminator = discriminator
        self.negatives = negatives
        self.negative_weights = negative_weights
        self.negatives_per_anchor = negatives_per_anchor
        self.seed = seed
        self.classification_loss = classification_loss
        self.negatives_scope = negatives_scope
        self.class_weights = None if class_weights is None else tuple(map(float, class_weights))
        self.draw_seeds = keras.random.SeedGenerator(seed)
        self.measures_by_output = False
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.classification_tracker = keras.metrics.Mean(name="classification_loss")
        self.contrastive_tracker = keras.metrics.Mean(name="contrastive_loss")
        outputs = network.output
        needed = {"logits"} if discriminator is None else {"logits", "audio_embedding", "text_embedding"}
        if not isinstance(outputs, dict) or not needed <= set(outputs):
            raise ValueError(
                f"Argument `network` must have the outputs {sorted(needed)}. Received: a network with {outputs}"
            )
        if class_weights is not None and len(class_weights) != outputs["logits"].shape[-1]:
            raise ValueError(
                f"Argument `class_weights` must have {outputs['logits'].shape[-1]} numbers, one a class. "
                f"Received: class_weights={class_weights!r}"
            )
        if discriminator is not None:
            network_module.check_discriminator(discriminator, outputs["audio_embedding"], outputs["text_embedding"])
        self.built = True

    @classmethod
    def from_encoders(cls, audio_encoder, text_encoder, head=None, num_classes=None, **settings):
        """The model over anyone's encoders.

        Args:
            audio_encoder, text_encoder: built Keras models, functional or sequential, with one output [batch, units]
                each. The new model takes a dictionary of their inputs by name, and trains their weights. Inputs that
                are optional may be left out.
            head: a layer over both embeddings, `head(audio_embedding, text_embedding)`, which returns logits [batch,
                classes] or a dictionary that has `logits`. By default `LinearFusion` (Eq. 1), with initial weights as
                PyTorch draws them.
            num_classes: for the default head.
            **settings: of the class: `alpha` and so on.

        Raises:
            ValueError: an encoder that is not built or has other outputs, a head that does not take two embeddings, a
                name that two inputs or two parts have, or neither `head` nor `num_classes`.
        """
        if (head is None) == (num_classes is None):
            raise ValueError(
                "Expected one of the arguments `head` and `num_classes`. "
                f"Received: head={head!r}, num_classes={num_classes!r}"
            )
        if head is None:
            head = LinearFusion(num_classes, name=network_module.HEAD, dtype=settings.get("dtype"))
        network_module.check_parts(audio_encoder, text_encoder, head)
        return cls(network_module.connect(audio_encoder, text_encoder, head), **settings)

    def compile(
        self, optimizer="rmsprop", loss=None, loss_weights=None, metrics=None, weighted_metrics=None, **settings
    ):
        """As Keras's, but the objective is the model's own.

        Args:
            loss, loss_weights: must be None.
            metrics, weighted_metrics: a list, of `logits`; or a dictionary by output of the network, whose metrics
                are then named after it, such as `text_logits_accuracy`.
            **settings: `run_eagerly`, `jit_compile` and whatever else Keras takes.

        Raises:
            ValueError: an argument that can mean nothing here, or metrics of an output that there is not.
        """
        compiling.refuse_losses(loss, loss_weights)
        measured = {"metrics": metrics, "weighted_metrics": weighted_metrics}
        for argument, value in measured.items():
            compiling.check_metrics(argument, value, self.network.output)
        self.measures_by_output = any(isinstance(value, dict) for value in measured.values())
        if self.measures_by_output:  # then Keras wants both so
            measured = {name: compiling.by_output(value) for name, value in measured.items()}
        super().compile(optimizer, **measured, **settings)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def export(self, filepath, format="tf_saved_model", **settings):
        """Exports the network, as Keras exports a functional model: its inputs and outputs by name."""
        return self.network.export(filepath, format, **settings)

    def call(self, inputs, training=False):
        return self.network(self._network_inputs(inputs), training=training)

    def _network_inputs(self, inputs):
        """The inputs that the network has, by name; Keras matches a dictionary that has more by their order."""
        wanted = self.network.input
        if not isinstance(inputs, dict) or not isinstance(wanted, dict):
            return inputs
        missing = sorted(set(wanted) - set(inputs) - network_module.optional_inputs(self.network))
        if missing:
            raise ValueError(f"Argument `inputs` must have {sorted(wanted)}. Received: a dictionary without {missing}")
        return {name: inputs.get(name) for name in wanted}

    def losses_of(self, outputs, y, part=None, training=False):
        """L1 (Eq. 5, or the `classification_loss`) and L2 (Eq. 6) of every example.

        Args:
            outputs: the network's.
            y: labels or the dictionary of the class docstring.
            part: which examples of the batch they are (`tfcr.models.global_batch.Part`); by default all.
            training: whether the discriminator trains, for one with dropout, say.

        Returns:
            Two float32 [batch]; the second is None without a discriminator.
        """
        label = ops.cast(ops.reshape(compiling.labels_of(y), (-1,)), "int32")
        classification = self._classification_losses(label, outputs)
        if self.discriminator is None:
            return classification, None
        if part is None or self.negatives_scope == "replica":
            part = global_batch.Part(ops.shape(label)[0], of_batch=False)
        weights = negative_weights(
            part.gather(label),
            part.gather(ops.reshape(y["utterance"], (-1,)))
            if isinstance(y, dict) and "utterance" in y
            else ops.arange(part.total, dtype="int32"),
            negatives=self.negatives,
            weights=self.negative_weights,
            per_anchor=self.negatives_per_anchor,
            seed=None if self.negatives_per_anchor is None else self.draw_seeds.next(),
        )
        texts = part.gather(outputs["text_embedding"])
        scores = _at_least_float32(self.discriminator(outputs["audio_embedding"], texts, training=training))
        return classification, info_nce(scores, ops.diagonal(part.local(scores, axis=1)), part.local(weights))

    def _classification_losses(self, label, outputs):
        cross_entropy = _CROSS_ENTROPIES[self.classification_loss]
        if "branch_logits" not in outputs:
            losses = cross_entropy(label, _at_least_float32(outputs["logits"]))
        else:
            logits = _at_least_float32(outputs["branch_logits"])
            losses = ops.mean(ops.stack([cross_entropy(label, logits[:, n]) for n in range(logits.shape[1])]), axis=0)
        if self.class_weights is None:
            return losses
        return losses * ops.take(ops.convert_to_tensor(self.class_weights, losses.dtype), label)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The objective of both steps: Eq. 7 averaged over the batch, and what the layers themselves add.

        Of several replicas, each has its share, and the shares sum to the objective; the trackers show the whole.
        """
        part = global_batch.Part(ops.shape(y_pred["logits"])[0])
        classification, contrastive = self.losses_of(y_pred, y, part, training)
        part.track(self.classification_tracker, part.mean(classification, sample_weight))
        loss = classification
        if contrastive is not None:
            part.track(self.contrastive_tracker, part.mean(contrastive, sample_weight))
            loss = combine(classification, contrastive, self.alpha)
        loss = part.mean(loss, sample_weight)
        for added in self.losses:
            loss = loss + ops.cast(added, loss.dtype) / part.replicas
        part.track(self.loss_tracker, loss)
        return loss

    def train_step(self, data):
        x, y, sample_weight = _unpack(data)
        with tf.GradientTape() as tape:
            outputs = global_batch.outputs_of(self, x, training=True)
            loss = self.optimizer.scale_loss(self.compute_loss(x, y, outputs, sample_weight, training=True))
        gradients = global_batch.sum_on_first_replica(tape.gradient(loss, self.trainable_variables))
        self.optimizer.apply(gradients, self.trainable_variables)
        return self.compute_metrics(x, y, outputs, sample_weight)

    def test_step(self, data):
        x, y, sample_weight = _unpack(data)
        outputs = global_batch.outputs_of(self, x, training=False)
        self.compute_loss(x, y, outputs, sample_weight, training=False)
        return self.compute_metrics(x, y, outputs, sample_weight)

    def zero_example(self):
        outputs = {
            name: ops.zeros((1, *(size or 1 for size in output.shape[1:])))
            for name, output in self.network.output.items()
        }
        return self._metric_arguments(ops.zeros((1,), "int32"), outputs)

    @property
    def metrics(self):
        trackers = [self.loss_tracker, self.classification_tracker]
        if self.discriminator is not None:
            trackers.append(self.contrastive_tracker)
        own = {"loss", "classification_loss", "contrastive_loss"}  # compile() adds a "loss" that nothing would update
        return trackers + [metric for metric in super().metrics if metric.name not in own]

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, *self._metric_arguments(compiling.labels_of(y), y_pred), sample_weight)

    def _metric_arguments(self, label, outputs):
        """Labels and outputs as the metrics of `compile` take them: of `logits` alone, or of each output by name."""
        if not self.measures_by_output:
            return label, outputs["logits"]
        return dict.fromkeys(outputs, label), dict(outputs)

    def get_config(self):
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "alpha": self.alpha,
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "negatives": self.negatives,
            "negative_weights": self.negative_weights,
            "negatives_per_anchor": self.negatives_per_anchor,
            "seed": self.seed,
            "classification_loss": self.classification_loss,
            "negatives_scope": self.negatives_scope,
            "class_weights": self.class_weights,
        }

    @classmethod
    def from_config(cls, config):
        restored = dict(config)
        for part in ("network", "discriminator"):
            restored[part] = keras.saving.deserialize_keras_object(restored[part])
        return cls(**restored)


def _softmax_cross_entropy(label, logits):
    return keras.losses.sparse_categorical_crossentropy(label, logits, from_logits=True)


def _sigmoid_cross_entropy(label, logits):
    truth = ops.one_hot(label, logits.shape[-1], dtype=logits.dtype)
    return ops.mean(ops.binary_crossentropy(truth, logits, from_logits=True), axis=-1)


_SCOPES = ("global", "replica")
_CROSS_ENTROPIES = {"softmax": _softmax_cross_entropy, "sigmoid": _sigmoid_cross_entropy}


def _unpack(data):
    """x, y and the sample weights [batch], which may come as a column.

    Where y is a dictionary of arrays, `fit` has copied them for each of its entries.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    sample_weight = sample_weight["label"] if isinstance(sample_weight, dict) else sample_weight
    return x, y, None if sample_weight is None else ops.reshape(sample_weight, (-1,))


def _at_least_float32(tensor):
    """Half precision cast to float32; the sums of exponentials in both losses overflow in it."""
    return ops.cast(tensor, "float64" if tensor.dtype == "float64" else "float32")
