"""Folders by path or by URL: on this machine, or in a store that fsspec reaches, such as `s3://bucket/traces`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..errors import InputError
from ..text import one_line

if TYPE_CHECKING:
    from upath import UPath

Place: TypeAlias = "Path | UPath"
"""A file or folder here, or of another file system."""
Folder: TypeAlias = "str | Path | UPath"
"""A folder as a user gives it: by its path or URL."""


def place_of(given: Folder) -> Place:
    """The folder that a path or a URL names; whether a store can be reached is tried at once.

    Raises InputError, with the remedy, for a scheme that nothing here knows and a store that doesn't answer.
    """
    if not isinstance(given, str) or "://" not in given:
        return Path(given) if isinstance(given, str) else given
    from upath import UPath  # takes time to load, and most folders are here

    try:
        place = UPath(given, use_listings_cache=False)  # what others have stored meanwhile is found
        place.exists()
    except ImportError as error:
        raise InputError(f"{given}: {one_line(str(error))}; for s3:// install livekit-turn-lab[s3]") from None
    except Exception as error:  # each store has errors of its own, which share no base
        why = f"{type(error).__name__}: {one_line(str(error))}"
        remedy = "see that the address is right, and that your keys are where its own tools look for them"
        raise InputError(f"{given}: can't be reached ({why}); {remedy}") from None
    return Path(place.path) if place.protocol in ("", "file", "local") else place
