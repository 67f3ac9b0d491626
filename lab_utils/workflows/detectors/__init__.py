"""Detectors side by side: which one, by how much, for which callers (`lab compare`)."""

from .compare import Comparison, compare_detectors
from .eager import eager_sweep
from .given import load_detector
from .push_to_talk import push_to_talk
from .results import FILES, questions, summary_of, write_questions, write_results
from .runnable import every_detector

__all__ = [
    "FILES",
    "Comparison",
    "compare_detectors",
    "eager_sweep",
    "every_detector",
    "load_detector",
    "push_to_talk",
    "questions",
    "summary_of",
    "write_questions",
    "write_results",
]
