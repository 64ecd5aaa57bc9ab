"""The parts that encoders and heads are made of: one Keras layer, regularizer or set of initial weights in each file.

They know nothing of systems, configurations or datasets, and import no other room.
"""
