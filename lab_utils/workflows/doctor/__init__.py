"""What of a machine the lab needs, what it has, and what to do about the difference."""

from .checks import Check, State, examine

__all__ = ["Check", "State", "examine"]
