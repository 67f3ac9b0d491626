"""Data that comes with the project: at the top of a clone, and in an installed package below `bundled/`."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2]


def bundled(path: str) -> Path:
    """Where a file or folder of the project lies, by its path in a clone; it may be missing."""
    installed = PACKAGE / "bundled" / path
    return installed if installed.exists() else PACKAGE.parent / path
