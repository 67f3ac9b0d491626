"""The small recordings in `fixtures/recordings/`, and what is true of them by construction."""

from __future__ import annotations

import shutil
from pathlib import Path

RECORDINGS = Path(__file__).resolve().parent / "fixtures" / "recordings"

USER = ((0.5, 1.5), (1.9, 2.6), (5.2, 6.0))
AGENT = ((3.2, 4.6), (6.4, 7.4))
"""When the voices of `make_fixtures.py` speak, in seconds of 8."""


def copied(name: str, folder: Path) -> Path:
    """A fixture folder, copied to where a test may spoil it."""
    return Path(shutil.copytree(RECORDINGS / name, folder / name, dirs_exist_ok=True))


def one_line(error: ValueError) -> None:
    """Check that an error can be printed as one line anywhere."""
    assert "\n" not in str(error)
    str(error).encode("utf-8")
