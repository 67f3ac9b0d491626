"""Stereo recordings by the file names that telephone systems give them.

- Amazon Connect: `<ContactId>_<YYYYMMDD>T<hh:mm>_UTC.wav`; customer left, agent right (Amazon Connect
  Administrator Guide, "Where are recordings and transcripts stored?"). A colon that a download tool replaced
  is accepted.
- Twilio: `RE<32 hex digits>.wav` or .mp3; the first channel of a dual-channel recording is the parent call
  (Twilio, Recordings resource), the caller of an inbound call. For calls that your agent placed the channels
  may be the other way round: see `swap`.

The channels are those of any stereo file; the names tell the system, the call and the date. Mono recordings
with such names are left to the plain format.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...core.recording import Provenance
from ..audio import channel_count
from ..listing import Listing, labels_beside
from ..recording_files import FindOptions, Found, RecordingFiles
from .base import Contents, Format, read_channels

CONNECT = "amazon_connect"
TWILIO = "twilio"

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_CONNECT = re.compile(rf"(?P<contact_id>{_UUID})_(?P<date>\d{{8}})T(?P<time>\d\d.?\d\d)_UTC", re.IGNORECASE)
_TWILIO = re.compile(r"(?P<recording_sid>RE[0-9a-f]{32})", re.IGNORECASE)
_PATTERNS = {CONNECT: _CONNECT, TWILIO: _TWILIO}


def details_of(format_name: str, path: Path) -> Mapping[str, Any] | None:
    """What a file's name tells; None if it isn't a name of that system."""
    match = _PATTERNS[format_name].fullmatch(path.stem)
    return None if match is None else match.groupdict()


def _find(format_name: str, listing: Listing) -> Found:
    named = [path for path in listing.audio if details_of(format_name, path) is not None]
    stereo = [path for path in named if channel_count(path) == 2]
    found = [
        RecordingFiles(path.stem, path, None, labels_beside(path), "stereo", format_name) for path in stereo
    ]
    return Found(tuple(found), (), frozenset(stereo))


def _find_connect(listing: Listing, _: FindOptions) -> Found:
    return _find(CONNECT, listing)


def _find_twilio(listing: Listing, _: FindOptions) -> Found:
    return _find(TWILIO, listing)


def _load(files: RecordingFiles) -> Contents:
    contents = read_channels(files)
    details = details_of(files.format, files.user) or {}
    provenance = Provenance(files.format, details=dict(details))
    return Contents(contents.user, contents.agent, None, provenance, contents.notes)


AMAZON_CONNECT = Format(CONNECT, _find_connect, _load)
TWILIO_RECORDING = Format(TWILIO, _find_twilio, _load)
