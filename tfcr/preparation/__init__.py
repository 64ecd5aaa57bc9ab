"""From a corpus to a dataset: utterances are chosen, features computed, and verified shards of records written.

`prepare.prepare` does it all: by threads of this process, or on a cluster with the writer of `beam`. Training does not
import from here.
"""
