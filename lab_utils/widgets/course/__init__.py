"""What a course asks of a learner: predictions before anything is shown, exercises, turns ended by ear."""

from .endpointer import BeatTheEndpointer
from .graded import exercise
from .prediction import Prediction
from .properties import Exercise
from .recorder import Recorder

__all__ = ["BeatTheEndpointer", "Exercise", "Prediction", "Recorder", "exercise"]
