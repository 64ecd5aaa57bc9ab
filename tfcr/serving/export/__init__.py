"""A run written as a model that others load: `saved_model` for TensorFlow and TF Serving, `onnx_export` for the rest.

Beside it lie a model card, requests to warm up with, and what starts TF Serving.
"""
