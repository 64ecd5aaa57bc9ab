"""Many trainings as one: a sweep over systems, alphas, folds and seeds, where it runs, and Table 1 reproduced.

`sweep` and `reproduce` are what the command line calls. Nothing but the command line may import from here.
"""
