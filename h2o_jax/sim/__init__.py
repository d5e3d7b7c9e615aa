"""The host side: simulators, dynamics gaps, logs. Runs on NumPy and MuJoCo only."""
