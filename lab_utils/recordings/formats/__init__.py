"""Import formats, one module each, and the order in which they are tried.

A format that recognises files by what is in them, or by the folders of a corpus, comes before one that goes
by a file name; plain audio comes last and takes what is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from . import (
    ami,
    eot_bench,
    harper_valley,
    headerless,
    livekit_egress,
    livekit_report,
    otlp,
    plain,
    telephony,
)
from .base import Contents, Format

FORMATS: tuple[Format, ...] = (
    harper_valley.FORMAT,
    eot_bench.FORMAT,
    livekit_report.FORMAT,
    livekit_egress.FORMAT,
    otlp.FORMAT,
    ami.FORMAT,
    telephony.AMAZON_CONNECT,
    telephony.TWILIO_RECORDING,
    headerless.FORMAT,
    plain.FORMAT,
)
BY_NAME: Mapping[str, Format] = MappingProxyType({one.name: one for one in FORMATS})

BY_CONVENTION = frozenset(
    {plain.NAME, headerless.NAME, telephony.CONNECT, telephony.TWILIO, livekit_report.NAME, otlp.NAME}
)
"""Formats in which only a convention tells user from agent; in the others a name or a transcript does."""

__all__ = ["BY_CONVENTION", "BY_NAME", "FORMATS", "Contents", "Format"]
