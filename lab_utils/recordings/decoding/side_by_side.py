"""Two mono tracks of one file as the two channels of a call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .source import UNKNOWN_FRAMES, NotDecodable, Samples, Source


class SideBySide:
    """Two open tracks, read as one file of two channels; the shorter ends in silence."""

    frames = UNKNOWN_FRAMES
    channels = 2

    def __init__(self, tracks: tuple[Source, Source], names: Sequence[str]) -> None:
        """`names`: the tracks' descriptions, for notes. Raises NotDecodable for tracks of different rates."""
        rates = [track.samplerate for track in tracks]
        if rates[0] != rates[1]:
            finding = f"has two mono tracks at {rates[0]} and {rates[1]} Hz"
            raise NotDecodable(finding, "convert both to one rate")
        self.format, self.samplerate = tracks[0].format, rates[0]
        self._tracks, self._names = tracks, names

    @property
    def notes(self) -> tuple[str, ...]:
        """Which track is the user's, and notes on time stamps; complete once everything is read."""
        told = [
            f"{role}'s track: {note}"
            for role, track in zip(("user", "agent"), self._tracks, strict=True)
            for note in track.notes
        ]
        user, agent = self._names
        return (f"two mono tracks: {user} taken as the user, {agent} as the agent", *told)

    def read(self, frames: int, **_: Any) -> Samples:
        """The next samples; none at the end. Raises NotDecodable for damage."""
        blocks = [track.read(frames) for track in self._tracks]
        both = np.zeros((max(map(len, blocks)), 2), np.float32)
        for channel, block in enumerate(blocks):
            both[: len(block), channel] = block[:, 0]
        return both

    def close(self) -> None:
        for track in self._tracks:
            track.close()


def too_many_tracks(tracks: Sequence[str]) -> NotDecodable:
    """The error for tracks that can't be two channels."""
    finding = (
        f"has {len(tracks)} audio tracks ({', '.join(tracks)}), expected one, or two of one channel each"
    )
    remedy = "take out the ones of user and agent, for example with ffmpeg -i FILE -map 0:a:0 user.wav"
    return NotDecodable(finding, remedy)
