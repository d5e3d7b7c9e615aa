"""Logs of real systems: read, checked, described and written; knows no simulator."""
