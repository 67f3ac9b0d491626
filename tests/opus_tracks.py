"""Opus as recorders of single tracks write it: packets left out where nobody speaks, in any container."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE_HZ = 48_000
PACKET = 960
PRE_SKIP = 312
BURSTS = ((0.5, 1.5), (3.0, 3.6), (4.2, 5.0))
"""When the tone sounds, in seconds of 6."""
DURATION_S = 6.0


def bursts(spans: Sequence[tuple[float, float]] = BURSTS, duration_s: float = DURATION_S) -> np.ndarray:
    """A tone in some spans, silence elsewhere; int16 at 48 kHz, shape=(n,)."""
    t = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    on = np.zeros(len(t))
    for start_s, end_s in spans:
        on[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)] = 1.0
    return np.round(10_000 * on * np.sin(2 * np.pi * 440 * t)).astype(np.int16)


def packets(pcm: np.ndarray) -> list[bytes]:
    """The Opus packets of mono int16 at 48 kHz, 20 ms each."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE_HZ, "mono", "s16"
    encoder.bit_rate = 32_000
    encoder.time_base = Fraction(1, RATE_HZ)
    found = []
    padded = np.pad(pcm, (0, -len(pcm) % PACKET + PACKET))
    for k in range(0, len(padded), PACKET):
        frame = av.AudioFrame.from_ndarray(padded[None, k : k + PACKET], "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, k, Fraction(1, RATE_HZ)
        found += [bytes(packet) for packet in encoder.encode(frame)]
    return (found + [bytes(packet) for packet in encoder.encode(None)])[: len(padded) // PACKET]


def sent(n: int, spans: Sequence[tuple[float, float]] = BURSTS, every: int = 20) -> list[int]:
    """Numbers of the packets that a sender with DTX sends: those with sound, and one in 20 of the others."""

    def speaks(k: int) -> bool:
        at_s = k * PACKET / RATE_HZ
        return any(start_s - 0.04 <= at_s <= end_s + 0.06 for start_s, end_s in spans)

    return [k for k in range(n) if speaks(k) or k % every == 0]


Granule = Callable[[int], int]


def ends(k: int) -> int:
    """Granule position by RFC 7845: samples up to the end of packet k."""
    return (k + 1) * PACKET


def starts(k: int) -> int:
    """As Pion's oggwriter counts: 1 for the first packet, then up to the start of packet k."""
    return 1 + k * PACKET


def ogg(
    path: Path,
    found: Sequence[bytes],
    numbers: Iterable[int],
    *,
    granule: Granule = ends,
    a_page: int = 1,
    serial: int = 7,
    pre_skip: int = PRE_SKIP,
) -> Path:
    """Write some of the packets as OGG, so many a page."""
    path.write_bytes(b"".join(pages(found, list(numbers), granule, a_page, serial, pre_skip)))
    return path


def pages(
    found: Sequence[bytes],
    numbers: Sequence[int],
    granule: Granule = ends,
    a_page: int = 1,
    serial: int = 7,
    pre_skip: int = PRE_SKIP,
) -> list[bytes]:
    """The pages of one logical stream."""
    head = b"OpusHead" + struct.pack("<BBHIHB", 1, 1, pre_skip, RATE_HZ, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 4) + b"test" + struct.pack("<I", 0)
    made = [_page(serial, 0, 0, 2, [head]), _page(serial, 1, 0, 0, [tags])]
    for sequence, first in enumerate(range(0, len(numbers), a_page), start=2):
        part = numbers[first : first + a_page]
        last = 4 if first + a_page >= len(numbers) else 0
        made.append(_page(serial, sequence, granule(part[-1]), last, [found[k] for k in part]))
    return made


def mux(path: Path, tracks: Sequence[tuple[Sequence[bytes], Sequence[int]]], start_s: float = 0.0) -> Path:
    """Write tracks of packets into the container that the path's suffix names, without re-encoding."""
    with av.open(str(path), "w") as out:
        streams = []
        for _ in tracks:
            stream = out.add_stream("libopus", rate=RATE_HZ)
            stream.layout = "mono"
            streams.append(stream)
        entries = sorted((k, number) for number, (_, numbers) in enumerate(tracks) for k in numbers)
        for k, number in entries:
            packet = av.Packet(tracks[number][0][k])
            packet.stream = streams[number]
            packet.time_base = Fraction(1, RATE_HZ)
            packet.pts = packet.dts = k * PACKET + round(start_s * RATE_HZ)
            packet.duration = PACKET
            out.mux(packet)
    return path


def bursts_in(channel: np.ndarray, rate_hz: int = 16_000) -> list[tuple[float, float]]:
    """Where int16 samples sound, to 10 ms, spans less than 0.2 s apart as one."""
    hop = rate_hz // 100
    frames = channel[: len(channel) // hop * hop].reshape(-1, hop).astype(float)
    on = np.flatnonzero(np.sqrt((frames**2).mean(axis=1)) > 1_000)
    parts = np.split(on, np.flatnonzero(np.diff(on) > 20) + 1) if len(on) else []
    return [(float(part[0]) / 100, float(part[-1] + 1) / 100) for part in parts]


def _page(serial: int, sequence: int, granule: int, flags: int, found: Sequence[bytes]) -> bytes:
    lacing = bytes(size for packet in found for size in [255] * (len(packet) // 255) + [len(packet) % 255])
    page = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, granule, serial, sequence, 0, len(lacing))
    page += lacing + b"".join(found)
    return page[:22] + struct.pack("<I", _crc(page)) + page[26:]


def _crc(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ 0x04C1_1DB7 if crc & 0x8000_0000 else crc << 1
        crc &= 0xFFFF_FFFF
    return crc
