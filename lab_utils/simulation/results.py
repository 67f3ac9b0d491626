"""A session's log as files: `session.json` (everything but the audio), `heard.flac`, `report.json`.

`report.json` is LiveKit's own session report. Equal logs give equal files, byte for byte.
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from ..audio import read_pcm16k, replacing, write_flac
from ..records import Reply, SessionEvent, SessionLog
from ..settings import parse_settings

FORMAT = "session-log"
VERSION = 1


def session_folder(folder: Path, recording: str) -> Path:
    """Where a recording's session is kept: a folder of its name, without what file systems object to."""
    return folder / re.sub(r"[^\w.\- ]", "_", recording)


def save_session(log: SessionLog, folder: Path) -> Path:
    """Write a log into its own folder below `folder`, each file whole or not at all; returns that folder."""
    own = session_folder(folder, log.recording)
    own.mkdir(parents=True, exist_ok=True)
    if len(log.heard):
        write_flac(own / "heard.flac", log.heard)
    _write_json(own / "report.json", dict(log.report))
    _write_json(own / "session.json", to_dict(log))
    return own


def read_session(folder: Path) -> SessionLog:
    """Read what `save_session` wrote. Raises ValueError naming the file if it is no such log."""
    path = folder / "session.json"
    try:
        values = json.loads(path.read_text("utf-8"))
        if values.pop("format") != FORMAT or values.pop("version") != VERSION:
            raise ValueError(f"expected format {FORMAT!r}, version {VERSION}")
        values["settings"] = parse_settings(values["settings"])
        values["events"] = tuple(SessionEvent(**event) for event in values["events"])
        values["replies"] = tuple(Reply(**reply) for reply in values["replies"])
        values["caveats"] = tuple(values["caveats"])
        report = json.loads((folder / "report.json").read_text("utf-8"))
        audio = folder / "heard.flac"
        heard = read_pcm16k(audio) if audio.exists() else np.zeros((0, 2), dtype=np.int16)
        return SessionLog(**values, report=report, heard=heard)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a session log ({error}); run the session again") from None


def to_dict(log: SessionLog) -> dict[str, Any]:
    """Everything but the audio and LiveKit's report, as plain values."""
    names = {field.name for field in dataclasses.fields(log)} - {"heard", "report"}
    return {
        "format": FORMAT,
        "version": VERSION,
        **{name: getattr(log, name) for name in names},
        "settings": log.settings.model_dump(),
        "events": [dataclasses.asdict(event) for event in log.events],
        "replies": [dataclasses.asdict(reply) for reply in log.replies],
    }


def _write_json(path: Path, values: dict[str, Any]) -> None:
    with replacing(path) as part:
        part.write_text(json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
