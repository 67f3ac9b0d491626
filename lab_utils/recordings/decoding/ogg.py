"""Opus in OGG by its granule positions: DTX, lost packets, chained and multiplexed streams.

libsndfile reads OGG as if it had no gaps. Recorders of single tracks (LiveKit, Pion's oggwriter) write what
was sent, and the granule position of each page says when: it is the number of samples at 48 kHz up to the end
of the page's last packet (RFC 7845, section 4). So a page's packets begin at its granule position less their
durations. If a page with several packets has a gap, the file doesn't say between which packets it lies: it is
put after the last of the smallest packets (`_gap_before`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from .placement import Blocks, Placement
from .source import UNKNOWN_FRAMES, NotDecodable, Samples

RATE_HZ = 48_000
MAX_PACKET = 1 << 20
_SAME = 480
"""Granule positions that differ from the packets' lengths by no more than this (10 ms) mean no gap."""
_CODECS = {
    b"OpusHead": "Opus", b"\x01vorbis": "Vorbis", b"\x7fFLAC": "FLAC", b"Speex   ": "Speex",
    b"\x80theora": "Theora", b"fishead\0": "", b"CELT    ": "CELT", b"BBCD\0": "Dirac", b"OVP80": "VP8",
}  # fmt: skip
_VIDEO = ("Theora", "Dirac", "VP8", "")


@dataclass
class _Stream:
    """One logical stream, and up to where its packets are placed."""

    codec: str
    head: bytes
    last: int | None = None
    """Granule position up to which packets are placed."""
    last_size: int = 0
    """Bytes of the packet placed last."""
    origin: int = 0
    """Granule position of the start of the file, in this stream."""
    pages: int = 0
    partial: bytearray = field(default_factory=bytearray)

    @property
    def pre_skip(self) -> int:
        return int.from_bytes(self.head[10:12], "little")

    @property
    def channels(self) -> int:
        return self.head[9]


@dataclass(frozen=True)
class _Page:
    serial: int
    granule: int
    bos: bool
    eos: bool
    packets: list[bytes]


@dataclass(frozen=True)
class OggHeader:
    """What the first pages tell about the audio."""

    codecs: tuple[str, ...]
    """Codec of each audio stream that begins at the start of the file."""
    channels: tuple[int, ...]
    """Number of channels of each; 0 if it isn't Opus."""


def ogg_header(file: IO[bytes]) -> OggHeader:
    """The audio streams of an OGG file, from its first pages."""
    codecs, channels = [], []
    for page in _pages(file, {}):
        if not page.bos:
            break
        head = page.packets[0] if page.packets else b""
        codec = _codec(head)
        if codec not in _VIDEO:
            codecs.append(codec)
            channels.append(head[9] if codec == "Opus" and len(head) >= 19 else 0)
    return OggHeader(tuple(codecs), tuple(channels))


def needs_placing(path: Path) -> bool:
    """Whether an OGG file with Opus must be read by `OggOpus`: gaps, several streams, or a late start."""
    with path.open("rb") as file:
        header = ogg_header(file)
        if set(header.codecs) != {"Opus"}:
            return False
        if len(header.codecs) > 1:
            return True
        file.seek(0)
        begun = 0
        partial: dict[int, bytearray] = {}
        last: int | None = None
        for page in _pages(file, partial):
            begun += page.bos
            if begun > 1:
                return True
            samples = sum(map(packet_samples, page.packets))
            if page.granule < 0 or not samples or _is_header(page):
                continue
            start = page.granule - samples
            if last is not None and abs(start - last) > _SAME and not (page.eos and start < last):
                return True
            if last is None and (abs(start) > _SAME) and not (page.eos and start < 0):
                return True
            last = page.granule
    return False


class OggOpus:
    """An OGG file whose audio streams are Opus: one stream, chained ones, or two mono ones side by side."""

    format = "OGG"
    frames = UNKNOWN_FRAMES
    samplerate = RATE_HZ

    def __init__(self, path: Path, stream: int | None = None) -> None:
        """`stream`: its number among those that begin together (None: the only one). Raises NotDecodable."""
        self._file = path.open("rb")
        header = ogg_header(self._file)
        self._file.seek(0)
        self._wanted = stream or 0
        self.channels = header.channels[self._wanted]
        if self.channels not in (1, 2):
            self._file.close()
            raise NotDecodable(f"has {self.channels} channels of Opus, expected 1 or 2")
        self._placement = Placement(RATE_HZ, self.channels)
        self._links = 0
        self._vague = 0
        """Length in samples of the longest page with a gap whose place among the packets is unknown."""
        self._blocks = Blocks(self._decoded(), self.channels)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on time stamps and streams; complete once everything is read."""
        joined = (f"{self._links} streams one after the other; joined end to end",) if self._links > 1 else ()
        vague_s = self._vague / RATE_HZ
        vague = (f"where in a page of up to {vague_s:.2f} s a gap lies isn't told: pages of several packets",)
        return self._placement.notes() + (vague if self._vague else ()) + joined

    def read(self, frames: int, **_: Any) -> Samples:
        """The next samples. Raises NotDecodable for damage."""
        import av

        try:
            return self._blocks.read(frames)
        except (av.FFmpegError, ValueError) as error:
            raise NotDecodable(str(error)) from None

    def _decoded(self) -> Iterator[Samples]:
        seen = -1
        stream: _Stream | None = None
        serial = 0
        decoder: Any = None
        ended = 0
        for page in _pages(self._file, {}):
            if page.bos:
                head = page.packets[0] if page.packets else b""
                if _codec(head) != "Opus":
                    continue
                # Parallel streams all begin before the first of them continues; a chained one begins later.
                if stream is not None and stream.pages:
                    seen = -1
                seen += 1
                if seen == self._wanted:
                    if head[9:10] != bytes([self.channels]) or len(head) < 19:
                        raise NotDecodable("changes its number of channels")
                    ended = self._placement.end
                    stream, serial, decoder = _Stream("Opus", head), page.serial, _decoder(head)
                    self._links += 1
                continue
            if stream is None or page.serial != serial or _is_header(page):
                continue
            stream.pages += 1
            yield from self._page(page, stream, decoder, ended)

    def _page(self, page: _Page, stream: _Stream, decoder: Any, ended: int) -> Iterator[Samples]:
        lengths = [packet_samples(packet) for packet in page.packets]
        at = self._start(page, sum(lengths), stream, ended)
        gap_before = 0
        if stream.last is not None and at - stream.last > _SAME and len(page.packets) > 1:
            gap_before = _gap_before(stream.last_size, [len(packet) for packet in page.packets])
            self._vague = max(self._vague, sum(lengths) + at - stream.last)
        last_sample = page.granule if page.eos and page.granule >= 0 else None
        behind = 0 if stream.last is None else at - stream.last
        for k, (packet, length) in enumerate(zip(page.packets, lengths, strict=True)):
            samples = _decode(decoder, packet, length, self.channels)
            if last_sample is not None and at + length > last_sample:
                samples = samples[: max(0, last_sample - at)]
            start = at - stream.origin - stream.pre_skip + ended - (behind if k < gap_before else 0)
            at += length
            samples = samples[max(0, ended - start) :]
            if len(samples):
                yield from self._placement.place(max(start, ended), samples)
            stream.last_size = len(packet)
        stream.last = at

    def _start(self, page: _Page, length: int, stream: _Stream, ended: int) -> int:
        """The granule position at which a page's first packet begins."""
        if page.granule < 0 or not length:
            return stream.last or 0
        at = page.granule - length
        if stream.last is None:
            if page.eos:
                return max(at, 0)  # a short file: its end is cut to the granule position
            if ended or at < 0:
                # Below 0: a writer that counts the starts of packets (Pion). A chained stream has its own
                # clock.
                stream.origin = at
            return at
        if abs(at - stream.last) <= _SAME or (page.eos and at < stream.last):
            return stream.last
        return at

    def close(self) -> None:
        self._file.close()


def packet_samples(packet: bytes) -> int:
    """Samples at 48 kHz in an Opus packet, by its first byte (RFC 6716, section 3.1); 0 for no packet."""
    if not packet:
        return 0
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        frame = (480, 960)[config & 1]
    else:
        frame = (120, 240, 480, 960)[config & 3]
    count = (1, 2, 2, packet[1] & 63 if len(packet) > 1 else 0)[code]
    return min(frame * count, 5760)


def _gap_before(last_size: int, sizes: list[int]) -> int:
    """Index of the packet before which a page's gap lies: it follows the last of the smallest packets.

    >>> _gap_before(80, [75, 80, 3, 78])  # somebody stopped after the third
    3
    >>> _gap_before(3, [75, 80, 78])  # and here before the page
    0
    """
    before = [last_size, *sizes[:-1]]
    small = min(before) * 1.5 + 2
    return max(k for k, size in enumerate(before) if size <= small)


def _codec(head: bytes) -> str:
    return next((name for magic, name in _CODECS.items() if head.startswith(magic)), "an unknown codec")


def _is_header(page: _Page) -> bool:
    return page.bos or any(packet.startswith((b"OpusTags", b"OpusHead")) for packet in page.packets)


def _decoder(head: bytes) -> Any:
    import av  # FFmpeg takes time to load, and most recordings need none

    decoder: Any = av.CodecContext.create("libopus", "r")
    # `OggOpus` skips the samples at the start itself, so the decoder is told to skip none.
    decoder.extradata = head[:10] + b"\0\0" + head[12:]
    decoder.sample_rate = RATE_HZ
    decoder.layout = "mono" if head[9] == 1 else "stereo"
    return decoder


def _decode(decoder: Any, packet: bytes, length: int, channels: int) -> Samples:
    """A packet's samples, exactly `length` of them; silence for a packet that can't be decoded."""
    import av

    pieces = []
    try:
        for frame in decoder.decode(av.Packet(packet)):
            values = frame.to_ndarray()
            if frame.format.is_planar:
                values = values.T
            else:
                values = values.reshape(-1, channels)
            if values.dtype == np.int16:
                values = values.astype(np.float32) / 32_768.0
            pieces.append(values.astype(np.float32, copy=False))
    except av.FFmpegError:
        pieces = []
    samples = np.concatenate(pieces)[:length] if pieces else np.zeros((0, channels), np.float32)
    if len(samples) < length:
        samples = np.concatenate((samples, np.zeros((length - len(samples), channels), np.float32)))
    return samples


def _pages(file: IO[bytes], partial: dict[int, bytearray]) -> Iterator[_Page]:
    """The pages from the file's position on, each with the packets that end in it; damaged bytes are skipped.

    `partial`: for each stream (by serial number) the part of a packet that continues on its next page.
    """
    while True:
        head = file.read(27)
        if len(head) < 27:
            return
        if not head.startswith(b"OggS"):
            if not _resync(file, head):
                return
            continue
        lacing = file.read(head[26])
        body = file.read(sum(lacing))
        if len(lacing) < head[26] or len(body) < sum(lacing):
            return
        serial = int.from_bytes(head[14:18], "little")
        packet = partial.setdefault(serial, bytearray())
        if not head[5] & 1:
            packet.clear()
        packets, at = [], 0
        for size in lacing:
            packet += body[at : at + size]
            at += size
            if size < 255:
                packets.append(bytes(packet))
                packet.clear()
            elif len(packet) > MAX_PACKET:
                packet.clear()
        granule = int.from_bytes(head[6:14], "little", signed=True)
        yield _Page(serial, granule, bool(head[5] & 2), bool(head[5] & 4), packets)


def _resync(file: IO[bytes], head: bytes) -> bool:
    """Go to the next page after damage; False if there is none."""
    tail = head[1:]
    while True:
        more = file.read(1 << 16)
        found = (tail + more).find(b"OggS")
        if found >= 0:
            file.seek(found - len(tail) - len(more), 1)
            return True
        if not more:
            return False
        tail = (tail + more)[-3:]
