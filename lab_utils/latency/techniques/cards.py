"""What the twelve modules say of their techniques, as records: the docstrings are the only source."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module

from .choice import NAMES, TechniqueName


@dataclass(frozen=True)
class Card:
    """One technique in words."""

    number: int
    name: TechniqueName
    does: str
    surface: str
    """Where in LiveKit it is done."""
    by_default: str
    """What LiveKit 1.8.9 does by itself."""
    mistake: str
    offline: str
    """How it is modelled."""


HEADS = {
    "What it does": "does",
    "LiveKit surface": "surface",
    "What 1.8.9 does by itself": "by_default",
    "Common mistake": "mistake",
    "Offline": "offline",
}


def cards() -> tuple[Card, ...]:
    """A card for each technique, in the guide's order."""
    return tuple(_card(number, name) for number, name in enumerate(NAMES, 1))


def _card(number: int, name: TechniqueName) -> Card:
    told = inspect.getdoc(import_module(f".{name}", __package__)) or ""
    parts: dict[str, str] = {}
    for paragraph in told.split("\n\n"):
        head, _, text = paragraph.partition(":")
        field = HEADS.get(head.partition(" (")[0])
        if field is not None:
            parts[field] = " ".join(text.split())
    missing = [head for head, field in HEADS.items() if field not in parts]
    if missing:
        raise ValueError(f"techniques.{name}: its docstring has no paragraph {missing[0]!r}: …")
    return Card(number, name, **parts)
