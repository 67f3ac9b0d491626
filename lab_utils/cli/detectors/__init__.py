"""Commands about turn detectors side by side."""
