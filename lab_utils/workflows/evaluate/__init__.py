"""Finished calls judged by their words, audio and tools; what went wrong, grouped."""

from .evaluate import SLOW_S, Evaluated, Evaluation, evaluate
from .expectations import Expectations, load_expectations
from .files import FILES, save_evaluation, summary_of
from .judge import Judge

__all__ = [
    "FILES",
    "SLOW_S",
    "Evaluated",
    "Evaluation",
    "Expectations",
    "Judge",
    "evaluate",
    "load_expectations",
    "save_evaluation",
    "summary_of",
]
