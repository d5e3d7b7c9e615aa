"""The wheel-legged robot's report, figures, animation, calibration and yardsticks."""
