"""From a corpus to a dataset: utterances are chosen, features computed, and verified shards of records written.

`prepare.prepare` does it all, by processes of this machine or, with a writer of `beam`, on a cluster. Training does not
import from here.
"""
