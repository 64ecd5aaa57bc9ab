"""What reads both embeddings: fusion heads make class scores of them, discriminators score every pair of a batch.

Each is one Keras layer in one file. They know no encoder, no labels and no loss, and import `layers` alone.
"""
