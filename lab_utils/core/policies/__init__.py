"""Waits that AgentSession has no knob for."""

from .settings import PolicySettings
from .wait_shape import SHAPES, WaitShape, falling_threshold, wait_curve, wait_shape

__all__ = ["SHAPES", "PolicySettings", "WaitShape", "falling_threshold", "wait_curve", "wait_shape"]
