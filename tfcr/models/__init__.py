"""The networks. `contrastive.ContrastiveModel` trains one with the paper's objective; `systems` has a file per system.

A network is an encoder of speech and one of words (`encoders`), and a head over both (`heads`), joined by `network`.
They are made of `layers` and, on a CPU, of `cpu`. Imports go from systems to encoders and heads, and from these to
layers; importing a room loads Keras, but for `systems` and `sizes`.
"""
