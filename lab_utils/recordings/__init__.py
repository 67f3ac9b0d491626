"""Recordings and labels: audio files, the project's label files, labels from two channels."""
