"""A dataset's records as batches: what a record holds, how it is read, and the tf.data pipeline that training takes.

`pipeline.Pipeline` is the way in; `records` and `feature_records` are also how preparation writes. All of them load
TensorFlow.
"""
