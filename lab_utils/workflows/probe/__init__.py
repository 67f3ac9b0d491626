"""The live check: a user's own plug-ins and providers, measured in real time."""

from .probe import LEAST, Plan, Played, Probe, measure, prepare

__all__ = ["LEAST", "Plan", "Played", "Probe", "measure", "prepare"]
