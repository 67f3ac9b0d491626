"""Text of unknown origin, as messages show it: on one line, without control characters, not too long.

And figures of ours, as tables show them.
"""

from __future__ import annotations

import math
import re
import reprlib
import unicodedata

LONGEST = 60
"""Characters of a value in a message."""

_BREAKS = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that move a terminal's cursor, reverse its text, end a line or can't be encoded."""


class _Shortened(reprlib.Repr):
    """`reprlib`'s idea, without quoting a long text or number whole before it is cut."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = LONGEST
        self.maxlevel = 3
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = 4

    def repr_str(self, x: str, level: int) -> str:
        return super().repr_str(x, level) if len(x) <= LONGEST else repr(x[: LONGEST - 3]) + "..."


def quoted(value: object) -> str:
    """A value as a message quotes it: its `repr`, about 60 characters of it, control characters escaped.

    >>> quoted("\\x1b[31mred")
    "'\\\\x1b[31mred'"
    >>> len(quoted("long" * 100_000)) < 70
    True
    """
    try:
        text = _Shortened().repr(value)
    except (RecursionError, ValueError):  # nested too deeply, or a number with thousands of digits
        text = f"<{type(value).__name__}>"
    return clip(printable(text), 3 * LONGEST)


def printable(text: str) -> str:
    """Text with control characters and what can't be encoded as escapes; letters of any script stay.

    >>> printable("a\\nb\\x1b[0m")
    'a\\\\nb\\\\x1b[0m'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def one_line(text: str) -> str:
    """A message on one line: line breaks become spaces, other control characters escapes.

    >>> one_line("can't be read:\\n  \\x07 no")
    "can't be read: \\\\x07 no"
    """
    return printable(_BREAKS.sub(" ", text.strip()))


def clip(text: str, longest: int = LONGEST) -> str:
    """The beginning of a text, marked as cut if it is longer.

    >>> clip("a long text", 8)
    'a lon...'
    """
    return text if len(text) <= longest else text[: longest - 3] + "..."


def in_ms(seconds: float | None, unit: str = " ms") -> str:
    """Seconds as people read latencies: whole milliseconds, a dash where there is no figure.

    >>> in_ms(0.3504), in_ms(1.2, ""), in_ms(None)
    ('350 ms', '1200', '–')
    """
    return "–" if seconds is None or not math.isfinite(seconds) else f"{round(1000 * seconds)}{unit}"


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
