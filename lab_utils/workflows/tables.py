"""A table of text that a notebook shows whole: pandas cuts long cells off."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from ..core.text.html import table_html


@dataclass(frozen=True)
class TextTable:
    """Rows of words; `frame` has them as data."""

    frame: pd.DataFrame

    def _repr_html_(self) -> str:
        """Escaped, left-aligned; what stands between backticks as code."""
        shown = table_html([str(name) for name in self.frame.columns], self.frame.to_numpy().tolist())
        return re.sub("`([^`]+)`", r"<code>\1</code>", shown)
