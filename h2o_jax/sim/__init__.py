"""Simulators and their dynamics gaps; on the host, with NumPy and MuJoCo."""
