"""An export, loaded: its signatures, and what it says of itself."""

import contextlib
import os
import pathlib

import tensorflow as tf

from tfcr.devices import share_gpus
from tfcr.errors import TfcrError
from tfcr.exports import hears, inputs_of, latest_version, read_manifest, reads, takes_recordings

THREADS = "TF_NUM_INTRAOP_THREADS"  # by which a user tells TensorFlow; what is set by its API comes before it


class LoadedExport:
    """An export, loaded.

    Args:
        export: a version, or the folder above the versions for the newest.

    Attributes:
        described: what the export says of itself.
        inputs: what it takes of a recording: its bytes and its words, or features.
        model: the SavedModel.

    Raises:
        TfcrError: no export there, one that was changed since, or one of another format.
    """

    def __init__(self, export: str | os.PathLike):
        self.version = latest_version(pathlib.Path(export))
        self.described = read_manifest(self.version)
        if self.described.get("format") != "savedmodel":
            raise TfcrError(
                f"{self.version} takes no recordings: it is an ONNX model, or of an earlier version of this package; "
                "export the run again, as a SavedModel"
            )
        self.emotions: list[str] = self.described["emotions"]
        self.inputs: list[str] = inputs_of(self.described)
        share_gpus()
        share_cores()
        self.model = tf.saved_model.load(str(self.version))

    @property
    def takes_recordings(self) -> bool:
        """Whether it takes recordings and transcripts themselves, rather than features of them."""
        return takes_recordings(self.described)

    @property
    def hears(self) -> bool:
        """Whether it has a network of speech."""
        return hears(self.described)

    @property
    def reads(self) -> bool:
        """Whether it has a network of words."""
        return reads(self.described)


def share_cores(cores: int | None = None) -> None:
    """Has TensorFlow split an operation over half of the cores; as many run at a time as there are cores.

    Over all of them it splits where nobody decides. Then words and speech take the cores from each other, and on few
    cores handing over a part of a small operation takes longer than the part (docs/speed.md). Before the first tensor;
    where somebody has decided already, or TensorFlow has begun, it stays as it is.

    Args:
        cores: all that this process may use by default.
    """
    threading = tf.config.threading
    told = os.environ.get(THREADS, "")
    if (told.isdecimal() and int(told)) or threading.get_intra_op_parallelism_threads():
        return
    with contextlib.suppress(RuntimeError):
        threading.set_intra_op_parallelism_threads(max(1, (cores or len(os.sched_getaffinity(0))) // 2))
