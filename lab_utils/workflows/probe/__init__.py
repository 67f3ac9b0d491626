"""The live check: a user's own plug-ins and providers, measured in real time."""

from .probe import LEAST, Plan, Probe, measure, prepare

__all__ = ["LEAST", "Plan", "Probe", "measure", "prepare"]
