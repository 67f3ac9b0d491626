"""What a course asks of a learner: predictions before anything is shown, exercises judged by properties."""

from .graded import exercise
from .prediction import Prediction
from .properties import Exercise

__all__ = ["Exercise", "Prediction", "exercise"]
