"""File names of pairs: which two mono files are the channels of one call.

A pattern is a file name with `{name}` for what both files share, `{channel:USER|AGENT}` for the words that
tell user from agent, in this order, and `*` for anything else that may differ:

    {name}_{channel:rx|tx}.wav            17_rx.wav, 17_tx.wav
    {channel:in|out}-{name}-*.ulaw        in-17-0930.ulaw, out-17-0931.ulaw
    {channel:caller|agent}/{name}.wav     caller/17.wav, agent/17.wav

Without a "/" it is matched against file names, and a pair lies in one folder; with one, against the end of
the path. Upper and lower case are the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_TOKEN = re.compile(r"\{name\}|\{channel:([^{}|]+)\|([^{}|]+)\}|\*")
EXAMPLE = "{name}_{channel:rx|tx}.wav"


@dataclass(frozen=True)
class PairMatch:
    """One file of a pair."""

    folder: Path
    """Where the pair lies: the folder from which the pattern counts."""
    name: str
    is_agent: bool


@dataclass(frozen=True)
class PairPattern:
    """A parsed pattern."""

    regex: re.Pattern[str]
    agent: str
    parts: int
    """Number of parts of the path that it describes."""

    @classmethod
    def of(cls, text: str) -> PairPattern:
        """Parse a pattern. Raises ValueError if it lacks `{name}` or `{channel:USER|AGENT}`."""
        regex, words, names, end = "", [], 0, 0
        for token in _TOKEN.finditer(text):
            regex += re.escape(text[end : token.start()])
            end = token.end()
            if token[0] == "{name}":
                regex += "(?P<name>[^/]+?)" if not names else "(?P=name)"
                names += 1
            elif token[0] == "*":
                regex += "[^/]*"
            else:
                words.append((token[1], token[2]))
                regex += f"(?P<channel>{re.escape(token[1])}|{re.escape(token[2])})"
        regex += re.escape(text[end:])
        rest = text[end:] + _TOKEN.sub("", text)
        if len(words) != 1 or not names or "{" in rest or words[0][0].casefold() == words[0][1].casefold():
            wanted = "one {name} and one {channel:USER|AGENT} with two different words"
            raise ValueError(f"can't use the pair pattern {text!r}; expected {wanted}, for example {EXAMPLE}")
        return cls(re.compile(regex, re.IGNORECASE), words[0][1].casefold(), text.count("/") + 1)

    @classmethod
    def by_role(cls, user: str, agent: str, separator: str, suffix: str) -> PairPattern:
        """`X_caller.wav` with `X_agent.wav`. The words may hold anything: an identity may be "auth0|7"."""
        words = f"(?P<channel>{re.escape(user)}|{re.escape(agent)})"
        regex = f"(?P<name>[^/]+?){re.escape(separator)}{words}{re.escape(suffix)}"
        return cls(re.compile(regex, re.IGNORECASE), agent.casefold(), 1)

    def match(self, path: Path) -> PairMatch | None:
        """A file's pair and its role there; None if the pattern doesn't fit."""
        found = self.regex.fullmatch("/".join(path.parts[-self.parts :]))
        if not found:
            return None
        folder = path
        for _ in range(self.parts):
            folder = folder.parent
        return PairMatch(folder, found["name"], found["channel"].casefold() == self.agent)
