"""What an export computes, all inside one TensorFlow graph: WAV bytes, pictures, words, and the network between them.

`speech_model.SpeechModel` is the whole; `waveform`, `spectrogram` and `words` do in a graph what preparation does in
NumPy.
"""
