"""oneDNN's kernels on every x86 processor.

TensorFlow has them, and takes them unasked only where the processor has instructions for neural networks (AVX-512 VNNI,
AMX and their kin). On others, which most desktop computers have, its own convolutions and poolings take four times as
long. No TensorFlow here: it decides when it is imported.
"""

import os
import sys

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"  # TensorFlow's environment variable; what the user has set stays


def ask_for_onednn() -> None:
    """Asks TensorFlow for oneDNN's kernels where nobody has decided otherwise, and it is still to be imported."""
    if os.uname().machine in ("x86_64", "amd64") and "tensorflow" not in sys.modules:
        os.environ.setdefault(ONEDNN, "1")
