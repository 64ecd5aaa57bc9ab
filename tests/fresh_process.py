"""What a process says that has computed nothing before, in a locale and with a hash seed of its own.

    python -c "$(cat fresh_process.py)" MODEL.keras TEXTS

One for several tests: a process that imports TensorFlow takes seconds before it says anything.
"""

# ruff: noqa: E402  (what an import does is what is asked)
import hashlib
import json
import os
import sys

import tfcr

said = {"before": sorted({"tensorflow", "keras"} & set(sys.modules)), "dir": dir(tfcr)}
said["onednn"] = os.environ.get("TF_ENABLE_ONEDNN_OPTS")
from tfcr import ContrastiveModel

said |= {"loads": "tensorflow" in sys.modules, "module": ContrastiveModel.__module__}

import keras
import numpy as np
import tensorflow as tf

from tfcr.serving.loaded import share_cores

share_cores()
said["cores"] = len(os.sched_getaffinity(0))
said["op_threads"] = tf.config.threading.get_intra_op_parallelism_threads()

optimizer = keras.models.load_model(sys.argv[1]).optimizer
said["optimizer"] = [type(optimizer).__name__, optimizer.epsilon]

metadata = tf.compat.v1.RunMetadata()
full = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE, output_partition_graphs=True)
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    y = tf.nn.conv2d(tf.random.normal((2, 32, 32, 1)), tf.random.normal((3, 3, 1, 8)), 1, "SAME")
    session.run(y, options=full, run_metadata=metadata)
said["convolution"] = sorted({node.op for graph in metadata.partition_graphs for node in graph.node})

from tfcr.data.records import Record, serialise

words = ["Grüße", "you"]
spectrogram, embeddings = np.full((1, 128, 128), -140, np.float32), np.ones((30, 300), np.float32)
record = Record("i", "s", "1", "x", "Grüße, you", "anger", 3, 5, words, spectrogram, embeddings)
said["record"] = hashlib.sha256(serialise(record)).hexdigest()

from tfcr.serving.graph.words import lowered

said["texts"] = json.loads(sys.argv[2])
said["lowered"] = [text.decode() for text in lowered(tf.constant(said["texts"])).numpy()]
print(json.dumps(said))
