"""Functions whose shapes are known before they run, so that XLA compiles a whole training step, deterministically."""
