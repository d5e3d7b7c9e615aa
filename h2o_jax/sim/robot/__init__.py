"""The wheel-legged robot: its log, its operator, its laws and its calibration."""
