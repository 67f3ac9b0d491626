"""When a reply's audio is there, and how long it plays: the simulated TTS, in closed form.

Definition: `session.scripted.tts`. The first piece of text takes the drawn delay; a later one is made when it
has come and the one before is done; audio is delivered in chunks, a chunk when its beginning is ready, and
comes `speed` times as fast as it plays. LiveKit passes on whole frames of a chunk's length, and the rest at
the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...core.timeline import SAMPLE_RATE_HZ
from ...session.scripted.voices import CHARACTER_S


class Frames(NamedTuple):
    """When audio can be played: for each frame the time that it is there and its length, in seconds."""

    ready_s: tuple[float, ...]
    length_s: tuple[float, ...]
    done_s: float
    """When the TTS has sent all of it."""
    taken: tuple[tuple[float, int], ...]
    """When each piece of text is begun, and its characters: what has been begun is paid for."""

    def end_s(self, start_s: float) -> float:
        """When the last frame has been played, if the first one plays from `start_s` and nothing stops it."""
        now_s = start_s
        for ready_s, length_s in zip(self.ready_s, self.length_s, strict=True):
            now_s = max(now_s, ready_s) + length_s
        return now_s


def frames(came: Sequence[tuple[float, str]], first_s: float, speed: float, chunk_s: float) -> Frames:
    """`came`: when each piece of text came, and the piece; `first_s`: from the first one to its audio.

    >>> frames([(1.0, "x" * 20)], 0.1, 10.0, 0.5)
    Frames(ready_s=(1.1, 1.15, 1.21), length_s=(0.5, 0.5, 0.1), done_s=1.21, taken=((1.0, 20),))
    """
    size = round(chunk_s * SAMPLE_RATE_HZ)
    free_s, sent_s, held, ready, lengths, taken = 0.0, 0.0, 0, [], [], []
    for place, (came_s, text) in enumerate(came):
        taken.append((max(sent_s, came_s), len(text)))
        free_s = came_s + first_s if not place else max(free_s, came_s)
        left = max(1, round(len(text) * CHARACTER_S * SAMPLE_RATE_HZ))
        while left:
            chunk = min(left, size)
            left, held = left - chunk, held + chunk
            if held >= size:
                ready.append(free_s)
                lengths.append(size / SAMPLE_RATE_HZ)
                held -= size
            sent_s = free_s
            free_s += chunk / SAMPLE_RATE_HZ / speed
    if held:
        ready.append(free_s)
        lengths.append(held / SAMPLE_RATE_HZ)
    return Frames(tuple(round(one, 9) for one in ready), tuple(lengths), round(free_s, 9), tuple(taken))
