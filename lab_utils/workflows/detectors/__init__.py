"""Detectors side by side: which one, by how much, for which callers (`lab compare`)."""

from .compare import Comparison, compare_detectors
from .given import load_detector
from .results import FILES, questions, summary_of, write_questions, write_results

__all__ = [
    "FILES",
    "Comparison",
    "compare_detectors",
    "load_detector",
    "questions",
    "summary_of",
    "write_questions",
    "write_results",
]
