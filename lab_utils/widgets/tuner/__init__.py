"""The tuner of a study: what a notebook shows, and what it keeps in files."""

from .study_tuner import Tuner

__all__ = ["Tuner"]
