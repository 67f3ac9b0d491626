"""A session's log as files: `session.json` (everything but the audio), `heard.flac`, `report.json`.

`report.json` is LiveKit's own session report. Equal logs give equal files, byte for byte. What was said is in
the two JSON files only if that is asked for (`left_out` says what stays of it); the audio is kept either way.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import NoneType
from typing import Any, Literal

import numpy as np

from ...core.files import BadFile, read_json, read_model, write_whole
from ...core.models import Frozen
from ...core.session_log import Reply, SessionEvent, SessionLog, SessionMode
from ...core.settings import parse_with_conditions
from ...recordings.audio import read_pcm16k, write_flac
from .left_out import without_text

FORMAT = "session-log"
VERSION = 2
"""Version 1 (up to release 0.1.0) had the conditions within the settings."""


def session_folder(folder: Path, recording: str) -> Path:
    """Folder of a recording's session: named like the recording, without characters that are not allowed."""
    name = re.sub(r"[^\w.\- ]", "_", recording)
    return folder / (name if name.strip(". ") else f"_{name}")  # ".." would be the folder above


def save_session(log: SessionLog, folder: Path, *, text: bool = False) -> Path:
    """Write a log into its own folder below `folder`; returns that folder.

    `text`: also write what was said. Each file is written whole or not at all, and `session.json` last: if it
    exists, the others do.
    """
    own = session_folder(folder, log.recording)
    own.mkdir(parents=True, exist_ok=True)
    kept = log if text else without_text(log)
    values = to_dict(kept)
    (own / "session.json").unlink(missing_ok=True)  # of an earlier run, whose files are replaced now
    if len(log.heard):
        write_flac(own / "heard.flac", log.heard)
    else:
        (own / "heard.flac").unlink(missing_ok=True)
    _write_json(own / "report.json", dict(kept.report))
    _write_json(own / "session.json", values)
    return own


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed `save_session` may have left in a session's folder, with the folder if need be."""
    leftovers = list(folder.glob(".*.tmp"))
    if not (folder / "session.json").exists():
        leftovers += [folder / "heard.flac", folder / "report.json"]
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    with suppress(OSError):  # not there, or not empty
        folder.rmdir()


class _Stored(Frozen):
    """What `session.json` holds."""

    format: Literal["session-log"]
    version: Literal[1, 2]
    recording: str
    sha256: str
    settings: dict[str, Any]
    conditions: dict[str, Any] | None = None
    mode: SessionMode
    clock: Literal["virtual", "real"]
    seed: int
    phase_samples: int
    duration_s: float
    events: tuple[SessionEvent, ...]
    replies: tuple[Reply, ...]
    caveats: tuple[str, ...]
    failure: str
    failure_message: str = ""
    text: bool = True


def read_session(folder: Path) -> SessionLog:
    """Read what `save_session` wrote, with text or without (`SessionLog.text`).

    Raises ValueError naming the file if it is no such log.
    """
    path = folder / "session.json"
    try:
        stored = read_model(path, _Stored, "a session log")
        names = _Stored.model_fields.keys() - {"format", "version", "settings", "conditions"}
        settings, conditions = parse_with_conditions(stored.settings, stored.conditions)
        path = folder / "report.json"
        report = read_json(path)
        if not isinstance(report, dict):
            raise BadFile("is no session report", "expected keys and values")
        path = folder / "heard.flac"
        return SessionLog(
            **{name: getattr(stored, name) for name in names},
            settings=settings,
            conditions=conditions,
            report=report,
            heard=read_pcm16k(path) if path.exists() else np.zeros((0, 2), dtype=np.int16),
        )
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: not a session log ({error}); run the session again") from None


def to_dict(log: SessionLog) -> dict[str, Any]:
    """Everything but the audio and LiveKit's report, as plain values.

    Raises ValueError for an event or reply with values that could not be read back unchanged.
    """
    for event in log.events:
        _check_plain(event.data, f"the {event.kind} event at {event.time_s:g} s")
    for number, reply in enumerate(log.replies):
        _check_plain(dataclasses.asdict(reply), f"reply {number}")
    names = {field.name for field in dataclasses.fields(log)} - {"heard", "report"}
    return {
        "format": FORMAT,
        "version": VERSION,
        **{name: getattr(log, name) for name in names},
        "settings": log.settings.model_dump(),
        "conditions": log.conditions.model_dump(),
        "events": [dataclasses.asdict(event) for event in log.events],
        "replies": [dataclasses.asdict(reply) for reply in log.replies],
    }


def _check_plain(value: Any, where: str) -> None:
    if isinstance(value, Mapping):
        for name, part in value.items():
            _check_plain(part, f"{where}: {name}")
    elif isinstance(value, (list, tuple)):
        for part in value:
            _check_plain(part, where)
    elif type(value) not in (str, int, float, bool, NoneType):
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise ValueError(f"{where} is of type {kind}; expected plain values, as of float() or .tolist()")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} is {value}, which JSON doesn't have; expected a finite number, or None")


def _write_json(path: Path, values: dict[str, Any]) -> None:
    write_whole(path, json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
