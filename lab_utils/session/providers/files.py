"""Provider profiles ↔ YAML files: the built-in ones by name, others by path.

A file is plain data: each figure on a line with its unit, each part with the source of its figures. What is
read is checked against `schema`; an error names the file, the key, the value found and the remedy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from ...core.files import OneLine, OneLineItems, dumped, read_yaml, write_whole
from ...core.files.bundled import bundled
from ...core.models import Frozen, describe
from .schema import Origin, Providers, Sourced

BUILTIN_FOLDER: Final = bundled("profiles/providers")
SUFFIX: Final = ".yaml"

_HEADER = """\
# Provider profile: how long each stage of a voice agent's pipeline takes, and what it costs.
# Names ending in _s are seconds. A delay is log-normal with median p50_s and 95th percentile p95_s, constant
# without p95_s. origin says where a part's figures come from, origins where single ones do.
"""
_TITLES = {
    "stt": "Speech-to-text.",
    "large": "The language model that answers unless a technique chooses the small one.",
    "small": "The language model that routing may choose.",
    "tts": "Text-to-speech.",
    "regions": "Network between agent and providers, added to every request: next to the room, and far away.",
    "room": "The caller's way into the room.",
    "judge": "A model that scores each turn.",
    "tool": "The backend behind a function tool.",
}
_UNITS = {
    "stt.final": "from the end of speech",
    "stt.first_partial": "from the audio that it tells of",
    "stt.partial_every_s": "of audio",
    "stt.segment_gap_s": "the silence that ends a segment, which has a final transcript",
    "stt.preflight": "from the end of speech to an early transcript to start on; null: none",
    "stt.eager_eot_threshold": "Flux: confidence at which it comes, for an exported worker; null: 0.5",
    "stt.eot_threshold": "Flux: confidence that ends a turn, for an exported worker; null: Flux's 0.7",
    "stt.eot_timeout_ms": "Flux: silence that ends a turn, for an exported worker; null: Flux's 5000",
    "stt.tells_end": "whether its end of speech tells when the speech ended",
    "stt.batch": "from a request with a whole utterance",
    "stt.price": "$ per hour of audio",
    "llm.ttft": "to the first token, prompt empty or wholly cached",
    "llm.prefill_s_per_1k": "s per 1,000 prompt tokens that the cache doesn't hold",
    "llm.input_price": "$ per million tokens",
    "llm.output_price": "$ per million tokens",
    "tts.first_audio": "from the first sentence",
    "tts.chunk_length_schedule": "characters before audio is made, chunk by chunk; null: by sentence",
    "tts.speed": "seconds of audio per second",
    "tts.price": "$ per million characters",
    "judge.price": "$ per 1,000 verdicts",
    "connection.setup": "from cold to usable",
    "connection.idle_s": "unused for so long, it is closed",
    "cache.min_tokens": "shorter prefixes are not kept",
    "cache.step_tokens": "matched in blocks of so many",
    "cache.ttl_s": "from the last use",
    "cache.automatic": "false: only what a request marks",
    "cache.warm": "other calls keep the agent's instructions there; false: a call begins with none",
    "cache.read_price": "$ per million tokens; null: input_price",
    "cache.write_price": "$ per million tokens; null: input_price",
    "region.round_trip": "request and answer",
    "room.join": "from the first word to the open audio path",
}
_KINDS = {"large": "llm", "small": "llm", "near": "region", "far": "region"}
"""Parts whose units are listed under another part's name."""


class BadProviders(ValueError):
    """A provider profile can't be used; the message is one line: file, key, value found, remedy."""


def builtin_providers() -> tuple[str, ...]:
    """The names of the built-in profiles, sorted; none where the package is installed without the clone."""
    return tuple(sorted(path.stem for path in BUILTIN_FOLDER.glob(f"*{SUFFIX}")))


def load_providers(name_or_path: str | os.PathLike[str]) -> Providers:
    """A built-in profile by its name ("guide"), or any by the path of its file.

    What has a suffix or a folder is a path, everything else a name, so that a file called "guide" in the
    working directory never hides a built-in profile. Raises BadProviders (a ValueError).
    """
    text = os.fspath(name_or_path)
    if Path(text).suffix or Path(text).name != text or not text:
        return _load(Path(text))
    if text not in builtin_providers():
        known = ", ".join(builtin_providers()) or "none, since this isn't run from a clone"
        raise BadProviders(
            f"{text}: no built-in provider profile (there are: {known}); give one of them, or a {SUFFIX} file"
        )
    return _load(BUILTIN_FOLDER / f"{text}{SUFFIX}")


def _load(path: Path) -> Providers:
    try:
        read = read_yaml(path, "a provider profile")
    except ValueError as error:
        raise BadProviders(f"{path}: {error}") from None
    values = read.values
    if not isinstance(values, dict):
        came = "an empty file" if values is None else f"{type(values).__name__}"
        raise BadProviders(
            f"{path}: expected keys and values, got {came}; copy a built-in profile and edit it"
        )
    try:
        return Providers.model_validate(values)
    except ValidationError as error:
        raise BadProviders(f"{path}: {describe(error, line_of=read.line_of)}") from None


def save_providers(providers: Providers, path: str | os.PathLike[str]) -> None:
    """Write a profile file, whole or not at all. Raises OSError if the folder is missing or not writable."""
    write_whole(path, to_yaml(providers), durable=True)


def to_yaml(providers: Providers) -> str:
    """The text of a profile file; equal profiles give equal text."""
    head = {"name": providers.name, "description": providers.description}
    blocks = [_HEADER + dumped(head)]
    for name, title in _TITLES.items():
        part = getattr(providers, name)
        parts = part if isinstance(part, Frozen) else {key: part[key] for key in ("near", "far")}
        blocks.append("\n".join([f"# {title}", f"{name}:", *_lines(parts, _KINDS.get(name, name), "  "), ""]))
    return "\n".join(blocks)


def _lines(part: Frozen | dict[str, Frozen], kind: str, indent: str) -> Iterator[str]:
    """The YAML lines of a part; the origins of its figures come last."""
    fields = part if isinstance(part, dict) else {name: getattr(part, name) for name in _in_order(part)}
    for name, value in fields.items():
        if isinstance(value, Sourced) or name == "origins":
            if value:
                yield f"{indent}{name}:"
                yield from _lines(value, _KINDS.get(name, name), indent + "  ")
            continue
        unit = _UNITS.get(f"{kind}.{name}")
        line = dumped({name: _plain(value)}).rstrip("\n")
        yield f"{indent}{line}" + (f"  # {unit}" if unit else "")


def _in_order(part: Frozen) -> list[str]:
    return sorted(type(part).model_fields, key=("origin", "origins").__contains__)


def _plain(value: Any) -> Any:
    if isinstance(value, Frozen):
        return OneLine(value.model_dump(exclude_none=True, exclude_defaults=isinstance(value, Origin)))
    if isinstance(value, tuple):
        return OneLineItems(value)
    return value
