"""YAML that users keep: plain data read strictly, with the line of each value; written one value a line.

Less than YAML allows is read: one document, no tags, no merge keys (`<<`), keys that are text and stand once,
at most `MAX_DEPTH` levels and `MAX_VALUES` values. An alias (`*name`) counts as often as it is used and can't
stand inside what it names, so that no small file grows large. Values are built from the parser's events
without recursion.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..text import clip, one_line, quoted
from .reading import BadFile, marked_text, read_limited

MAX_YAML_BYTES = 4 << 20
"""A profile of 10,000 recordings has about half of it."""
MAX_DEPTH = 20
MAX_VALUES = 50_000
_MAX_NUMBER = 100
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+", re.ASCII)
"""Characters; a longer plain scalar is text."""

_MAP, _SEQ, _STR = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:str"
_PREFIX = "tag:yaml.org,2002:"
_TEXT_TAGS = frozenset({_STR, f"{_PREFIX}value"})
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class OneLine(dict[str, Any]):
    """A mapping written on one line."""


class OneLineItems(list[Any]):
    """A list written on one line."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(OneLine, lambda dumper, data: dumper.represent_mapping(_MAP, data.items(), True))
_Dumper.add_representer(OneLineItems, lambda dumper, data: dumper.represent_sequence(_SEQ, data, True))
# Plain and single-quoted YAML would lose characters such as NEL.
_Dumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar(_STR, text, None if text.isprintable() else '"')
)


def dumped(values: Mapping[str, Any]) -> str:
    """The text of a mapping, in its order, one line per value; equal values give equal text."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)


@dataclass(frozen=True)
class Document:
    """The plain data of a YAML file."""

    values: Any
    lines: Mapping[tuple[int | str, ...], int]
    """The line, from 1, at which each value stands, by its keys and indices."""

    def line_of(self, loc: Sequence[int | str]) -> int | None:
        """The line of a value, or of the nearest that holds it."""
        for length in range(len(loc), 0, -1):
            if (line := self.lines.get(tuple(loc[:length]))) is not None:
                return line
        return None


def read_yaml(path: str | os.PathLike[str], wanted: str) -> Document:
    """The plain data in a YAML file. Raises ValueError (one line, without the path) if there is none.

    `wanted`: what the file should be, for the message.
    """
    try:
        return parse_yaml(marked_text(read_limited(Path(path), MAX_YAML_BYTES, may_be_empty=True)))
    except BadFile as error:
        if error.finding.startswith("can't be read"):
            raise ValueError(f"{error.finding}, expected {wanted}; check the path") from None
        raise ValueError(f"{error.finding}, expected YAML with plain data; {error.remedy}") from None


def parse_yaml(text: str) -> Document:
    """The plain data of a YAML text. Raises ValueError, naming the line, for what isn't plain data."""
    if found := yaml.reader.Reader.NON_PRINTABLE.search(text):
        number = text.count("\n", 0, found.start()) + 1
        what = f"control character {quoted(found.group())}"
        raise ValueError(f"line {number}: {what}, expected YAML with plain data")
    try:
        return _Builder().built(yaml.parse(text, Loader=_Loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = one_line(str(getattr(error, "problem", None) or getattr(error, "reason", None) or error))
        line = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{line}{clip(what, 200)}, expected YAML with plain data") from None


@dataclass
class _Open:
    """A list or mapping that is being read."""

    values: Any
    path: tuple[int | str, ...]
    anchor: str | None
    key: str | None = None
    """Of a mapping: the key whose value comes next."""
    size: int = 1
    depth: int = 1


@dataclass
class _Builder:
    open: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Any, int, int]] = field(default_factory=dict)
    """By name: a value, how many values are in it, and how deep it is."""
    lines: dict[tuple[int | str, ...], int] = field(default_factory=dict)
    total: int = 0
    root: Any = None

    def built(self, events: Iterator[yaml.Event]) -> Document:
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _refused(event, "but found another document")
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._start(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end(event)
        return Document(self.root, self.lines)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor not in self.anchors:
            raise _refused(event, f"*{clip(event.anchor or '')} names nothing above it")
        value, size, depth = self.anchors[event.anchor]
        self._check(event, depth, size)
        if self._awaits_key():
            self._key(event, value)
        else:
            self._put(event, value, size, depth)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        _check_tag(event)
        self._check(event, 0, 1)
        if self._awaits_key():
            if event.implicit[0] and event.value == "<<":
                raise _refused(event, "a merge key (<<) isn't read; write the keys out")
            value: Any = event.value
            self._key(event, value)
        else:
            value = _plain(event)
            self._put(event, value, 1, 0)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1, 0)

    def _start(self, event: yaml.CollectionStartEvent) -> None:
        _check_tag(event)
        if self._awaits_key():
            raise _refused(event, "a key is a list or a mapping, expected text")
        self._check(event, 1, 1)
        path = self._path()
        self.lines.setdefault(path, _line(event))
        values: Any = [] if isinstance(event, yaml.SequenceStartEvent) else {}
        self.open.append(_Open(values, path, event.anchor))

    def _end(self, event: yaml.CollectionEndEvent) -> None:
        done = self.open.pop()
        if done.anchor:
            self.anchors[done.anchor] = (done.values, done.size, done.depth)
        self.total -= 1  # `_put` counts it again
        self._put(event, done.values, done.size, done.depth, known=done.path)

    def _awaits_key(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1].values, dict) and self.open[-1].key is None

    def _path(self) -> tuple[int | str, ...]:
        if not self.open:
            return ()
        place = self.open[-1]
        return (*place.path, place.key if place.key is not None else len(place.values))

    def _key(self, event: yaml.NodeEvent, key: Any) -> None:
        place = self.open[-1]
        if not isinstance(key, str):
            raise _refused(event, "a key isn't text")
        if key in place.values:
            raise _refused(event, f"key {quoted(key)} is given twice")
        place.key = key
        self.lines[(*place.path, key)] = _line(event)

    def _put(self, event: Any, value: Any, size: int, depth: int, known: Any = None) -> None:
        if not self.open:
            self.root = value
            return
        place = self.open[-1]
        if known is None:
            self.lines.setdefault(self._path(), _line(event))
        place.size += size
        place.depth = max(place.depth, depth + 1)
        if isinstance(place.values, list):
            place.values.append(value)
        else:
            place.values[place.key] = value
            place.key = None

    def _check(self, event: yaml.Event, depth: int, size: int) -> None:
        if len(self.open) + depth > MAX_DEPTH:
            raise _refused(event, f"more than {MAX_DEPTH} levels of lists and mappings")
        self.total += size
        if self.total > MAX_VALUES:
            raise _refused(event, f"more than {MAX_VALUES:,} values, aliases counted as often as used")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _check_tag(event: yaml.NodeEvent) -> None:
    tag = getattr(event, "tag", None)
    if tag is not None:
        name = tag.replace(_PREFIX, "!!") if tag.startswith(_PREFIX) else tag
        raise _refused(event, f"tag {clip(one_line(name))} isn't read; write the plain value")


_RESOLVER: Any = yaml.resolver.Resolver()
_CONSTRUCTOR = yaml.constructor.SafeConstructor()


def _plain(event: yaml.ScalarEvent) -> Any:
    """The value of a scalar: text if it is quoted or long; else what YAML takes its text for."""
    if not event.implicit[0] or len(event.value) > _MAX_NUMBER:
        return event.value
    if _INTEGER.fullmatch(event.value):  # these two are as the slow way below has them
        return int(event.value)
    if _DECIMAL.fullmatch(event.value):
        return float(event.value)
    tag = _RESOLVER.resolve(yaml.ScalarNode, event.value, (True, False))
    if tag in _TEXT_TAGS:
        return event.value
    if tag == f"{_PREFIX}merge":
        raise _refused(event, "a merge key (<<) isn't read; write the keys out")
    try:
        return _CONSTRUCTOR.construct_object(yaml.ScalarNode(tag, event.value))
    except (ValueError, OverflowError) as error:  # such as a 45th of a month
        raise _refused(event, f"{quoted(event.value)}: {error}") from None


def _refused(event: Any, finding: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, finding, event.start_mark)
