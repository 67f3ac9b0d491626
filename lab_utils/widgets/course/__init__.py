"""What a course asks of a learner: predictions before anything is shown, exercises judged by properties."""

from .exercise import Exercise
from .prediction import Prediction

__all__ = ["Exercise", "Prediction"]
