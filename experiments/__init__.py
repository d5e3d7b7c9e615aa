"""Commands: train, collect, compare. Flags are defined in `flags.py` alone."""
