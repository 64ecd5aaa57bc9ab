"""An export and its ONNX form, as a process that `prediction.py` asks: with the settings that serving has.

Those of `tfcr serve` and `tfcr predict`: an operation is split over half of the cores, and as many operations run at a
time as there are cores, here the number of threads that is asked for. Or TensorFlow's own, where nobody decides: an
operation is split over as many threads, too. The order of sums is fixed in neither. ONNX Runtime has as many threads.
"""

import pathlib

import numpy as np
from answering import Process

RAW, FEATURES, ONNX = "`serving_default`, from WAV bytes", "`features`", "ONNX of `features`"


class Serving(Process):
    """What answers, by the names above."""

    def start(self, threads: int) -> dict:
        from tfcr.cli.tensorflow import import_quietly

        import_quietly()
        import tensorflow as tf

        tf.config.threading.set_inter_op_parallelism_threads(threads)
        self.threads = threads
        return {"version": tf.__version__}

    def load(
        self,
        export: str,
        onnx: str | None,
        recordings: list[str],
        transcripts: list[str],
        features: str,
        split: bool = False,
    ) -> dict:
        """Takes the models, the recordings, and what their front end would make of them, a file .npz.

        Args:
            split: whether an operation is split over all of the threads.
        """
        import tensorflow as tf

        from tfcr.serving.loaded import share_cores

        if split:
            tf.config.threading.set_intra_op_parallelism_threads(self.threads)
        share_cores(self.threads)
        self.loaded = tf.saved_model.load(export)  # what a signature needs lives as long as this
        self.session = None if onnx is None else self._session(pathlib.Path(onnx, "model.onnx"))
        self.raw = {
            "audio_bytes": [pathlib.Path(name).read_bytes() for name in recordings],
            "transcript": transcripts,
        }
        with np.load(features) as file:
            self.features = dict(file)
        self.inputs = {}
        return {}

    def predict(self, name: str, count: int) -> dict:
        """The logits of the first recordings."""
        if (name, count) not in self.inputs:
            self.inputs[name, count] = self._inputs(name, count)
        inputs = self.inputs[name, count]
        if name == ONNX:
            [logits, *_] = self.session.run(["logits"], inputs)
            return {"logits": logits.tolist()}
        signature = self.loaded.signatures["serving_default" if name == RAW else "features"]
        return {"logits": signature(**inputs)["logits"].numpy().tolist()}

    def _inputs(self, name, count):
        """Of the first recordings, made once."""
        import tensorflow as tf

        arrays = {name: values[:count] for name, values in (self.raw if name == RAW else self.features).items()}
        return arrays if name == ONNX else {name: tf.constant(values) for name, values in arrays.items()}

    def _session(self, path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle while others are timed
        return onnxruntime.InferenceSession(str(path), options)


if __name__ == "__main__":
    Serving().serve()
