"""The sections of `experiments.report`, each a function from runs to what it shows."""
