"""What an agent hears: pieces of audio one after another, put together only where they are read.

A call is heard in several takes and on hundreds of branches, which share almost all of their samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ..recording import Pcm
from ..timeline import SAMPLE_RATE_HZ, TAIL_S
from .kept import release


class Audio(Protocol):
    """An array of samples, or a `Stream` of them."""

    def __len__(self) -> int: ...
    def __getitem__(self, where: slice, /) -> Pcm: ...


class Stream:
    """Pieces one after another; a number stands for so many samples of digital silence.

    >>> heard = Stream(2, np.array([5, 6, 7], dtype=np.int16), 1)
    >>> len(heard), heard[1:4].tolist(), heard[4:99].tolist()
    (6, [0, 5, 6], [7, 0])
    """

    def __init__(self, *pieces: Audio | int) -> None:
        self._pieces = pieces
        lengths = [piece if isinstance(piece, int) else len(piece) for piece in pieces]
        self._starts = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, where: slice) -> Pcm:
        """A stretch as an array of its own; its step must be 1."""
        first, last, step = where.indices(len(self))
        if step != 1:
            raise ValueError(f"a stream is read forwards, sample by sample; got a step of {step}")
        found = np.zeros(max(0, last - first), dtype=np.int16)
        k = max(0, int(np.searchsorted(self._starts, first, side="right")) - 1)
        while k < len(self._pieces) and self._starts[k] < last:
            start, piece = int(self._starts[k]), self._pieces[k]
            if not isinstance(piece, int):
                own = piece[max(0, first - start) : last - start]
                at = max(0, start - first)
                found[at : at + len(own)] = own
                if isinstance(piece, np.ndarray):
                    release(piece)
            k += 1
        return found

    def until(self, sample: int, *then: Audio | int) -> Stream:
        """The same up to a sample, and other pieces from there on."""
        return Stream(_Start(self, sample), *then)


class _Start:
    """The first samples of audio."""

    def __init__(self, audio: Audio, n: int) -> None:
        self._audio, self._n = audio, min(n, len(audio))

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, where: slice) -> Pcm:
        first, last, _ = where.indices(self._n)
        return self._audio[first:last]


class Columns:
    """Channels side by side, put together where they are read; shape=(samples, channels).

    >>> Columns(np.zeros(3, np.int16), np.ones(3, np.int16))[1:].tolist()
    [[0, 1], [0, 1]]
    """

    def __init__(self, *channels: Pcm) -> None:
        self._channels = channels

    def __len__(self) -> int:
        return len(self._channels[0])

    def __getitem__(self, where: slice) -> Pcm:
        both = np.stack([channel[where] for channel in self._channels], axis=1)
        release(*self._channels)
        return both


def heard_stream(audio: Audio, phase_samples: int, tail_s: float = TAIL_S) -> Stream:
    """The same samples as `timeline.stream_of`, in bounded memory."""
    return Stream(phase_samples, audio, round(tail_s * SAMPLE_RATE_HZ))


def to_and_fro(pcm: Pcm, n: int) -> Sequence[Audio]:
    """Pieces of `n` samples in all: the audio forwards and backwards in turn."""
    pieces = [piece for _ in range(-(-n // (2 * len(pcm)))) for piece in (pcm, pcm[::-1])]
    return [_Start(Stream(*pieces), n)]
