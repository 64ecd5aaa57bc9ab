"""The paper's objective and its measures: InfoNCE over chosen negatives (Eq. 6), its weighting (Eq. 7), and metrics.

Each function takes scores and labels, and knows no network. `metrics`, `confusions` and `calibration` load no Keras.
"""
