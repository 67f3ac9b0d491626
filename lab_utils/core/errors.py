"""Errors that a user can mend: one line says what came, what was expected and what to try."""

from __future__ import annotations


class InputError(ValueError):
    """What was given can't be used. A notebook shows the message alone, without the way it came."""

    def _render_traceback_(self) -> list[str]:
        """What IPython prints instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]
