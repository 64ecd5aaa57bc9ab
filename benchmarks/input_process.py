"""A process that reads batches from TFRecords on one core: `input_process.py FOLDER THREADS`.

For every line on its input it reads an epoch and prints its batches; at the end of its input it prints the peak of its
resident memory in bytes.
"""

import os
import resource
import sys

INPUTS = ("spectrogram", "num_frames", "embeddings", "num_tokens")  # of the paper's model
BATCH, SHUFFLE = 64, 2048


def main(folder: str, threads: int) -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before TensorFlow starts its threads
    from tfcr.cli.tensorflow import import_quietly

    import_quietly()
    import numpy as np

    from tfcr.data.pipeline import Pipeline
    from tfcr.dataset_info import open_dataset
    from tfcr.training import runtime

    runtime.configure(threads)
    dataset = open_dataset(folder)
    pipeline = Pipeline(dataset, INPUTS, threads)
    positions = np.arange(dataset.info["utterances"])
    print("ready", flush=True)
    for epoch, _ in enumerate(sys.stdin):
        batches = 0
        for _ in pipeline.training(positions, batch_size=BATCH, seed=0, epoch=epoch, shuffle_buffer=SHUFFLE):
            batches += 1
        print(batches, flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
