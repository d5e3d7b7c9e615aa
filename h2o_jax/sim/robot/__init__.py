"""The wheel-legged robot: its log, control laws, ideal simulator and calibration."""
