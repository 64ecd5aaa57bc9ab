"""A trained run in use: exported as one graph (`graph`, `export`), asked about files (`predict`), served (`server`).

`graph` imports none of the others, and `server` never `export`'s making of models. All load TensorFlow but
`recordings` and `wav_bytes`, which say what is to be predicted.
"""
