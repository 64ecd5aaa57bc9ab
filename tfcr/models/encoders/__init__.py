"""From speech or words to one embedding: the paper's two encoders, that of one's own features, and what others read.

`configured` gives the encoders that a configuration asks for. May import layers and CPU kernels, but no head.
"""
