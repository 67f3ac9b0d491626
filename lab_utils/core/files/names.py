"""Names of files and folders that don't take each other's place."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def numbered(names: Iterable[str], written: Callable[[str], str] = str) -> list[str]:
    """The names, with a number where one would be that of an earlier one, also in case alone.

    `written`: what a file or folder of a name is called.

    >>> numbered(["call", "Call", "other"])
    ['call', 'Call-2', 'other']
    """
    found: dict[str, str] = {}
    for plain in names:
        name, number = plain, 1
        while written(name).casefold() in found:
            number += 1
            name = f"{plain}-{number}"
        found[written(name).casefold()] = name
    return list(found.values())
