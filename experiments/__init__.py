"""Commands: `python -m experiments` lists them, `experiments.cli` reads their flags."""
