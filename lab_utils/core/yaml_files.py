"""YAML that users keep: plain data read strictly, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_MAP, _STR = "tag:yaml.org,2002:map", "tag:yaml.org,2002:str"


class OneLine(dict[str, Any]):
    """A mapping written on one line."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(OneLine, lambda dumper, data: dumper.represent_mapping(_MAP, data.items(), True))
# Plain and single-quoted YAML would lose characters such as NEL.
_Dumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar(_STR, text, None if text.isprintable() else '"')
)


class _Loader(yaml.SafeLoader):
    """Plain data only, as `yaml.safe_load`, and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(None, None, f"key {key.value!r} is given twice", key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
        return super().construct_mapping(node, deep)


def dumped(values: Mapping[str, Any]) -> str:
    """The text of a mapping, in its order, one line per value; equal values give equal text."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)


def read_plain(path: str | os.PathLike[str], wanted: str) -> Any:
    """The plain data in a YAML file. Raises ValueError (one line, without the path) if there is none.

    `wanted`: what the file should be, for the message.
    """
    try:
        return yaml.load(Path(path).read_bytes(), Loader=_Loader)
    except OSError as error:
        raise ValueError(f"can't be read ({error.strerror}), expected {wanted}; check the path") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        what = " ".join(str(getattr(error, "problem", None) or error).split())
        line = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{line}{what}, expected YAML with plain data") from None


def write_whole(path: str | os.PathLike[str], text: str) -> None:
    """Write a file, whole or not at all. Raises OSError if the folder is missing or not writable."""
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(text.encode())
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
