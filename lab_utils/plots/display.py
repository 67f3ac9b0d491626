"""What a drawing primitive gives back: the record, the axes it drew on, and its artists by attribute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from matplotlib.axes import Axes

Artists = TypeVar("Artists")


@dataclass(frozen=True)
class Display(Generic[Artists]):
    """A record, drawn. `artists`: a dataclass; what the record has nothing of is None or an empty tuple."""

    data: Any
    ax: Axes | tuple[Axes, ...]
    artists: Artists
