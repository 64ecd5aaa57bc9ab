"""One fold trained and tested: checkpoints, a resumed training, several devices, and a finished run tested again.

`train.train_fold` tells it in order. Experiments and exports may import from here; models may not.
"""
