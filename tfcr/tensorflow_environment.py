"""What TensorFlow reads from the environment when it is imported. No TensorFlow here.

oneDNN's kernels: TensorFlow has them for every x86 processor, and takes them unasked only where the processor has
instructions for neural networks (AVX-512 VNNI, AMX and their kin). On others, which most desktop computers have, its
own convolutions and poolings take four times as long.

A GPU's memory: TensorFlow takes all of it, and a kernel that another process then launches there fails and ends that
process. Growth has it take what it needs, whatever in this process computes first.
"""

import os
import sys

ONEDNN, GROWTH = "TF_ENABLE_ONEDNN_OPTS", "TF_FORCE_GPU_ALLOW_GROWTH"  # what the user has set of them stays


def prepare_for_tensorflow() -> None:
    """Asks for both where nobody has decided otherwise, and TensorFlow is still to be imported."""
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault(GROWTH, "true")
    if os.uname().machine in ("x86_64", "amd64"):
        os.environ.setdefault(ONEDNN, "1")
