"""Simulators and their dynamics gaps; on the CPU, with NumPy and MuJoCo."""
