"""Recordings of one channel as two: who speaks when is told by voice, and each gets a channel and labels."""

from .separate import Separated, diarize, diarize_folders

__all__ = ["Separated", "diarize", "diarize_folders"]
