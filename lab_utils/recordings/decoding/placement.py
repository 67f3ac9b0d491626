"""Time stamps of compressed audio: decoded pieces at their places, silence where nothing was sent.

A silent sender may send nothing (DTX, a muted microphone), and packets get lost. The recorder then keeps the
time stamps but has no audio. If such pieces were joined end to end, the pauses would disappear. Positions are
in samples from the start of the file.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .source import NotDecodable, Samples

TOLERANCE_S = 0.01
"""A piece this near to the end of the last one follows it directly: WebM's time stamps are whole ms."""
LONGEST_GAP_S = 1800.0
LONGEST_START_S = 600.0
"""A first time stamp after this doesn't count from the start of the file but from the sender's clock."""
STEP_BACK_S = 1.0
"""Time stamps that jump back by more than this start again, as where two recordings were joined."""
_BLOCK = 1 << 18


class Placement:
    """The timeline of one track, filled from its start."""

    def __init__(self, rate_hz: int, channels: int) -> None:
        self.rate_hz = rate_hz
        self.channels = channels
        self.end = 0
        """Samples returned so far."""
        self._shift = 0
        self._begun = False
        self._gaps: list[int] = []
        self._lead = 0
        self._cut = 0
        self._begun_anew = 0

    def place(self, start: int | None, samples: Samples) -> Iterator[Samples]:
        """The next samples to write for a piece that begins at `start` (None: where the last one ended).

        Raises NotDecodable for a gap of over half an hour.
        """
        if start is not None:
            if not self._begun and start > LONGEST_START_S * self.rate_hz:
                self._shift = -start
            ahead = start + self._shift - self.end
            tolerance = TOLERANCE_S * self.rate_hz if self._begun else 0.0
            if ahead > tolerance:
                yield from self._silence(ahead)
            elif -ahead > STEP_BACK_S * self.rate_hz:
                self._shift -= ahead
                self._begun_anew += 1
            elif -ahead > tolerance:
                self._cut += min(-ahead, len(samples)) if self._begun else 0
                samples = samples[-ahead:]
        self._begun = True
        if len(samples):
            self.end += len(samples)
            yield samples

    def notes(self) -> tuple[str, ...]:
        """Notes on silence, repeated audio and restarts that the time stamps show."""
        found = []
        if self._lead >= TOLERANCE_S * self.rate_hz:
            found.append(f"{self._lead / self.rate_hz:.3f} s of silence before its first sound")
        if self._gaps:
            n = len(self._gaps)
            found.append(f"{sum(self._gaps) / self.rate_hz:.1f} s of silence in {n} gap{'s' * (n > 1)}")
        if self._cut >= TOLERANCE_S * self.rate_hz:
            found.append(f"{self._cut / self.rate_hz:.3f} s left out that came twice")
        if self._begun_anew:
            found.append(f"time stamps begin anew {self._begun_anew} times; joined end to end there")
        return tuple(f"{one}, by its time stamps" for one in found)

    def _silence(self, n: int) -> Iterator[Samples]:
        at_s = self.end / self.rate_hz
        if n > LONGEST_GAP_S * self.rate_hz:
            gap = f"has a gap of {n / self.rate_hz / 60:.0f} min at {at_s:.1f} s by its time stamps"
            raise NotDecodable(gap, "cut it into single conversations, or record it again")
        if self._begun:
            self._gaps.append(n)
        else:
            self._lead = n
        self.end += n
        while n > 0:
            yield np.zeros((min(n, _BLOCK), self.channels), np.float32)
            n -= _BLOCK


class Blocks:
    """An iterator of samples of any length, read in blocks."""

    def __init__(self, pieces: Iterator[Samples], channels: int) -> None:
        self._pieces = pieces
        self._rest: list[Samples] = []
        self._channels = channels

    def read(self, frames: int) -> Samples:
        """The next `frames` samples, fewer only at the end."""
        have = sum(map(len, self._rest))
        while have < frames and (piece := next(self._pieces, None)) is not None:
            self._rest.append(piece)
            have += len(piece)
        whole = np.concatenate(self._rest) if self._rest else np.zeros((0, self._channels), np.float32)
        self._rest = [whole[frames:]] if have > frames else []
        return whole[:frames]
