"""What noise does to speech and words: degradations of a test part in grades, drawn from a seed. No TensorFlow.

`grades` lists them. Speech is degraded in its recordings (`speech`), or where these are not at hand in the powers of
its spectrogram (`spectrogram`); `voices` applies either to a test part. `words` degrades transcripts, and `results`
keeps what a trained run said of it all.
"""
