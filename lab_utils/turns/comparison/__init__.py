"""Detectors compared on the same recordings: operating points, paired differences, calibration."""
