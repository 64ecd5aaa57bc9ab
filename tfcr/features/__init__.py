"""What networks read, from waveforms and transcripts: spectrograms, MFCCs, mel bands, prosody; words and their vectors.

A file holds one feature, `sets` names them all, and `presets` says how the paper and its authors' code differ. No
TensorFlow, so that preparation and the server's page can import it cheaply.
"""
