"""A process that reads batches from TFRecords on one core: `input_process.py FOLDER THREADS [BATCHES]`.

For every line on its input it reads an epoch and prints its batches. With BATCHES it reads so many instead, in as many
epochs as they take, and ends.
"""

import itertools
import os
import sys

INPUTS = ("spectrogram", "num_frames", "embeddings", "num_tokens")  # of the paper's model
BATCH, SHUFFLE = 64, 2048


def main(folder: str, threads: int, batches: int | None = None) -> None:
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

    def epoch(number):
        return pipeline.training(positions, batch_size=BATCH, seed=0, epoch=number, shuffle_buffer=SHUFFLE)

    if batches is not None:
        endless = itertools.chain.from_iterable(map(epoch, itertools.count()))
        for _ in itertools.islice(endless, batches):
            pass
        return
    print("ready", flush=True)
    for number, _ in enumerate(sys.stdin):
        print(sum(1 for _ in epoch(number)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
