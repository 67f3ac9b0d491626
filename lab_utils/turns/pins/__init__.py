"""Failures that are kept as checks: their file beside profiles, and their calls without sound for CI."""

from .calls import SUFFIX, PinnedCalls, read_calls, without_sound, write_calls
from .file import (
    PINS_FILE,
    PINS_VERSION,
    SAME_S,
    Pin,
    PinFile,
    PinnedCall,
    PinnedCommit,
    PinnedLabel,
    add_pin,
    read_pins,
    remove_pin,
)

__all__ = [
    "PINS_FILE",
    "PINS_VERSION",
    "SAME_S",
    "SUFFIX",
    "Pin",
    "PinFile",
    "PinnedCall",
    "PinnedCalls",
    "PinnedCommit",
    "PinnedLabel",
    "add_pin",
    "read_calls",
    "read_pins",
    "remove_pin",
    "without_sound",
    "write_calls",
]
