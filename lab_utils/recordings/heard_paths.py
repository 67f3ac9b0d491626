"""How audio gets to an agent: as it was recorded, at LiveKit's own rate, or through a codec.

Goal: versions of a call that sound the same to a person but not to a detector. A decision that changes with
the path is due to chance, not to the speech. Pure and deterministic: the same samples give the same samples.
Conventions: int16 mono at 16 kHz in and out, of the same length and without delay, so that labels stay valid.
Audio goes through in blocks, to the last bit as it would in one piece.
Definitions:
- `16k`: the recording's own samples.
- `24k`: LiveKit's room input. RoomIO resamples a track to 24 kHz (`rtc.AudioResampler`, medium quality:
  livekit/agents/voice/room_io/_input.py). Detector and voice activity resample that to 16 kHz (quick quality:
  inference/vad.py, inference/eot/base.py). Samples in between have 16 bits. The same library, libsoxr, is
  used here, but without its dither, which makes two of LiveKit's resamplers differ by up to 2 steps.
- `opus`: resampled to 48 kHz, coded and decoded by Opus at 32 kbit/s in speech mode with frames of 20 ms
  (what WebRTC does by default for a mono microphone), and resampled to 16 kHz.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args

import numpy as np
import soxr
from numpy.typing import NDArray

from ..core.recording import Pcm
from ..core.samples.kept import BLOCK_ROWS, blocks_of, kept
from ..core.timeline import SAMPLE_RATE_HZ

HeardPath = Literal["16k", "24k", "opus"]
HEARD_PATHS: tuple[HeardPath, ...] = get_args(HeardPath)
ROOM_RATE_HZ = 24_000
OPUS_RATE_HZ = 48_000
OPUS_BIT_RATE = 32_000


def parse_path(text: str) -> HeardPath:
    """One of `HEARD_PATHS` by its name. Raises ValueError naming them.

    >>> parse_path("opus")
    'opus'
    """
    for path in HEARD_PATHS:
        if text == path:
            return path
    raise ValueError(f"unknown path {text!r}; expected one of {', '.join(HEARD_PATHS)}")


def as_heard(pcm: Pcm, path: str) -> Pcm:
    """Audio as it is heard over one of `HEARD_PATHS`, shape=(samples,). Raises ValueError for another.

    >>> tone = (9000 * np.sin(np.arange(16_000) / 16)).astype(np.int16)
    >>> near = as_heard(tone, "24k")
    >>> len(near) == len(tone), bool(0 < np.abs(near[100:-100] - tone[100:-100]).max() < 300)
    (True, True)
    """
    path = parse_path(path)
    if path == "16k" or not len(pcm):
        return pcm
    blocks = blocks_of(pcm)
    if path == "24k":
        room = _resampled(blocks, SAMPLE_RATE_HZ, ROOM_RATE_HZ, "MQ")
        return kept(_as_long(_resampled(room, ROOM_RATE_HZ, SAMPLE_RATE_HZ, "QQ"), len(pcm)))
    wide = _opus(_resampled(blocks, SAMPLE_RATE_HZ, OPUS_RATE_HZ, "HQ"))
    return kept(_as_long(_resampled(wide, OPUS_RATE_HZ, SAMPLE_RATE_HZ, "HQ"), len(pcm)))


def _resampled(blocks: Iterable[Pcm], from_hz: int, to_hz: int, quality: str) -> Iterator[Pcm]:
    # As floats: libsoxr adds dither to integer output, differently each time.
    stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality=quality)
    for block in blocks:
        yield _whole(stream.resample_chunk(block.astype(np.float32)))
    yield _whole(stream.resample_chunk(np.zeros(0, np.float32), last=True))


def _whole(samples: NDArray[np.floating[Any]]) -> Pcm:
    whole: Pcm = np.clip(np.rint(samples), -32_768, 32_767).astype(np.int16)
    return whole


def _as_long(blocks: Iterable[Pcm], n: int) -> Iterator[Pcm]:
    """The first `n` samples, with silence after the end."""
    for block in blocks:
        yield block[:n]
        n -= len(block[:n])
    while n:
        silence = np.zeros(min(n, BLOCK_ROWS), np.int16)
        yield silence
        n -= len(silence)


def _opus(blocks: Iterable[Pcm]) -> Iterator[Pcm]:
    """Encoded and decoded at 48 kHz; the container says how many samples come before the first one."""
    import av

    file = io.BytesIO()  # an hour of it takes 15 MB
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=OPUS_RATE_HZ, options={"application": "voip"})
        stream.bit_rate = OPUS_BIT_RATE
        stream.layout = "mono"
        for block in blocks:
            if len(block):
                frame = av.AudioFrame.from_ndarray(block[None, :], format="s16", layout="mono")
                frame.sample_rate = OPUS_RATE_HZ
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as coded:
        for frame in coded.decode(audio=0):
            heard = frame.to_ndarray().reshape(-1)
            scale = 32_768 if np.issubdtype(heard.dtype, np.floating) else 1
            yield _whole(heard.astype(np.float64) * scale)
