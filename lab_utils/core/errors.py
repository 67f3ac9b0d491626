"""Errors that a user can mend: one line says what came, what was expected and what to try."""

from __future__ import annotations

import errno


class InputError(ValueError):
    """What was given can't be used. A notebook shows the message alone, without the way it came."""

    def _render_traceback_(self) -> list[str]:
        """What IPython prints instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class WorkerDied(RuntimeError):
    """The work on an item took its process with it."""


def is_full(error: OSError) -> bool:
    """Whether there was no room for what was to be written."""
    return error.errno in (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", None))


def machine_error_text(error: OSError) -> str:
    """What an error of the machine says to a user: which file, what happened and what to try.

    >>> machine_error_text(PermissionError(errno.EACCES, "Permission denied", "calls/list.parquet"))
    'calls/list.parquet: Permission denied; check the path and its permissions, or choose another place'
    """
    where = f"{error.filename}: " if error.filename is not None else ""
    remedy = "free some space" if is_full(error) else "check the path and its permissions"
    return f"{where}{error.strerror or type(error).__name__}; {remedy}, or choose another place"
