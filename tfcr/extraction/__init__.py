"""Features by pretrained models: recordings and transcripts through a Hugging Face model or openSMILE. No TensorFlow.

A file of features names what computed it in the attribute `extractor` at its root, and `extractor_of` makes that again.
"""
