"""WAV headers: which codec, and how many bytes of samples there really are.

A recorder writes the sizes last. If it died, or wrote into a pipe that was cut off, the sizes are 0, an
earlier value, or the largest number. The samples then go on to the end of the file, unless known chunks
follow them. Layout: RIFF (Multimedia Programming Interface 1.0), WAVE_FORMAT_EXTENSIBLE, EBU Tech 3306
(RF64), ITU-R BS.2088 (BW64).
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import IO, Literal

from .source import CONVERT, NotDecodable

STREAMED_BYTES = 0x7FFF_0000
"""A size of this much or more was written by a stream, before the length was known."""
_LEAST_S = 0.1
"""If so little follows the samples that the header counts, it isn't taken for audio."""
_EXTENSIBLE = 0xFFFE
_READABLE = {0x0001, 0x0002, 0x0003, 0x0006, 0x0007, 0x0011, 0x0031, 0x0050, 0x0055}
"""Format tags that libsndfile reads: PCM, MS ADPCM, float, A-law, u-law, IMA ADPCM, GSM 6.10, MPEG."""
_BY_FFMPEG = {0x028F}
"""G.722: FFmpeg decodes it, and there is only one way to write it."""
_NAMES = {
    0x0005: "IBM CVSD", 0x0010: "OKI ADPCM", 0x0012: "MediaSpace ADPCM", 0x0014: "G.723 ADPCM",
    0x0016: "G.723 ADPCM", 0x0017: "Dialogic OKI ADPCM", 0x0020: "Yamaha ADPCM", 0x0022: "TrueSpeech",
    0x0034: "Antex ADPCM", 0x0038: "Rockwell ADPCM", 0x0040: "G.721 ADPCM", 0x0041: "G.728 CELP",
    0x0042: "G.723.1", 0x0045: "G.726 ADPCM", 0x0057: "AMR-NB", 0x0058: "AMR-WB", 0x0059: "G.726 ADPCM",
    0x0061: "Duck DK4 ADPCM", 0x0062: "Duck DK3 ADPCM", 0x0064: "G.726 ADPCM", 0x0065: "G.722 ADPCM",
    0x0067: "G.722.1", 0x0072: "ACELP.net", 0x0075: "Voxware", 0x0083: "G.729A", 0x0085: "DSAT Display",
    0x0086: "G.728", 0x008A: "G.723.1", 0x0092: "Dolby AC-3", 0x00FF: "AAC", 0x0111: "G.723.1 (Vivo)",
    0x0123: "G.726 ADPCM", 0x0125: "Sanyo ADPCM", 0x0130: "ACELP.net", 0x0133: "G.729", 0x0134: "G.729A",
    0x0140: "G.726 ADPCM", 0x0155: "G.722 ADPCM", 0x0160: "Windows Media Audio 1",
    0x0161: "Windows Media Audio 2",
    0x0162: "Windows Media Audio Pro", 0x0163: "Windows Media Audio Lossless", 0x0215: "iLBC",
    0x028F: "G.722 ADPCM", 0x028E: "Siren", 0x1500: "GSM 6.10", 0x1501: "GSM", 0x1600: "MPEG ADTS AAC",
    0x1602: "MPEG LOAS", 0x1610: "HE-AAC", 0x2000: "Dolby AC-3", 0x2001: "DTS", 0x676F: "Vorbis",
    0x704F: "Opus", 0xA109: "Speex", 0xA112: "iLBC", 0xF1AC: "FLAC",
    0xA10C: "G.728", 0xA10D: "G.723.1", 0xA116: "AMR",
}  # fmt: skip
_KNOWN_CHUNKS = frozenset(
    b"LIST bext id3  ID3  cue  smpl fact PEAK iXML JUNK junk PAD  _PMX afsp DISP axml chna umid LGWV cart "
    b"levl minf elm1 regn ltxt inst plst note labl slnt acid strc SAUR MD5  aXML link Fake FLLR".split(b" ")
) | {b"id3 ", b"ID3 ", b"cue ", b"PAD ", b"MD5 "}
_TAGS = (b"TAG", b"ID3", b"APETAGEX")


@dataclass(frozen=True)
class WavHeader:
    """Where the samples of a WAV file are."""

    order: str
    tag: int
    """Format tag; of WAVE_FORMAT_EXTENSIBLE the one in its GUID."""
    rate_bytes: int
    """Bytes a second."""
    align: int
    data_at: int
    declared: int
    """Bytes of samples according to the header."""
    patches: tuple[tuple[int, int], ...]
    """Position and width in bytes of each field that holds the size of the samples."""
    riff_size: tuple[int, int]
    """Position and width in bytes of the field that holds the file's size less 8."""
    bw64: bool

    @property
    def codec(self) -> str:
        """The codec's name."""
        return _NAMES.get(self.tag, f"an unknown codec (format tag 0x{self.tag:04X})")


def wav_header(file: IO[bytes]) -> WavHeader | None:
    """The header of a WAV file; None if it has no "fmt " chunk before a "data" chunk."""
    head = file.read(12)
    order = {b"RIFF": "<", b"RIFX": ">", b"RF64": "<", b"BW64": "<"}.get(head[:4])
    if order is None or head[8:] != b"WAVE":
        return None
    large = 0
    large_at = 0
    form: tuple[int, int, int] | None = None
    while len(header := file.read(8)) == 8:
        name, length = struct.unpack(f"{order}4sI", header)
        at = file.tell()
        if name == b"data":
            if form is None:
                return None
            is_large = length == 0xFFFF_FFFF and large_at > 0
            return WavHeader(
                order, *form, at, large if is_large else length,
                ((large_at + 8, 8),) if is_large else ((at - 4, 4),),
                (large_at, 8) if large_at else (4, 4), head[:4] == b"BW64",
            )  # fmt: skip
        body = file.read(min(length, 40))
        if name == b"ds64" and len(body) >= 16:
            large_at, large = at, int.from_bytes(body[8:16], "little")
        elif name == b"fmt " and len(body) >= 16:
            tag, _, _, rate_bytes, align = struct.unpack(f"{order}HHIIH", body[:14])
            if tag == _EXTENSIBLE and len(body) >= 26:
                tag = int.from_bytes(body[24:26], "little")
            form = tag, rate_bytes, align
        file.seek(at + length + length % 2)
    return None


def is_for_ffmpeg(header: WavHeader) -> bool:
    """Whether FFmpeg reads the file's codec (True) or libsndfile does (False).

    Raises NotDecodable, naming the codec, if neither does.
    """
    if header.tag in _READABLE or header.tag in _BY_FFMPEG:
        return header.tag in _BY_FFMPEG
    raise NotDecodable(f"is {header.codec} in a WAV file, a codec that isn't read here", CONVERT)


@dataclass(frozen=True)
class WavData:
    """The bytes of samples that are there."""

    n_bytes: int
    missing: int = 0
    """Bytes that the header promises and the file lacks."""
    mended: bool = False
    """Whether the sizes in the header must be replaced."""
    note: str = ""


def wav_data(file: IO[bytes], header: WavHeader, size: int) -> WavData:
    """How many bytes of samples a WAV file of `size` bytes has."""
    present = max(0, size - header.data_at)
    declared = header.declared
    if declared >= STREAMED_BYTES and declared > present:
        return WavData(present)
    if declared > present:
        return WavData(present, missing=declared - present)
    rest = present - declared
    if rest <= _LEAST_S * header.rate_bytes and declared:
        return WavData(declared)
    file.seek(header.data_at + declared)
    follows = file.read(8)
    another = follows.startswith((b"RIFF", b"RF64"))
    if rest == 0 or (not another and _chunks_follow(file, header, header.data_at + declared, size)):
        return WavData(declared)
    if (another or follows.startswith(_TAGS)) and declared:
        note = "what follows the samples in the file is left out"
        return WavData(declared, mended=True, note=note)
    n_bytes = present - present % max(1, header.align)
    what = "was never written" if not declared else "was written only halfway"
    return WavData(n_bytes, mended=True, note=f"the length in its header {what}; read to the end of the file")


def _chunks_follow(file: IO[bytes], header: WavHeader, at: int, size: int) -> bool:
    """Whether the bytes after the samples are chunks; an odd length may have been padded or not."""
    for start in dict.fromkeys((at + header.declared % 2, at)):
        position, first = start, True
        while position + 8 <= size:
            file.seek(position)
            name, length = struct.unpack(f"{header.order}4sI", file.read(8))
            if name in _KNOWN_CHUNKS and first:
                return True
            if not all(0x20 <= byte < 0x7F for byte in name) or position + 8 + length > size + 1:
                break
            position, first = position + 8 + length + length % 2, False
        else:
            if not first:
                return True
    return False


class Mended(io.RawIOBase):
    """A file with some bytes replaced while it is read; `size` is where it ends."""

    def __init__(self, file: IO[bytes], patches: dict[int, bytes], size: int) -> None:
        self._file, self._patches, self._size = file, patches, size
        self._file.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            offset, whence = self._size + offset, io.SEEK_SET
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        at = self._file.tell()
        data = bytearray(self._file.read(max(0, min(len(buffer), self._size - at))))
        for place, value in self._patches.items():
            for k, byte in enumerate(value):
                if at <= place + k < at + len(data):
                    data[place + k - at] = byte
        buffer[: len(data)] = data
        return len(data)


def mended(file: IO[bytes], header: WavHeader, data: WavData) -> Mended:
    """The file as its writer would have finished it: true sizes, and a name that libsndfile knows."""
    end = header.data_at + data.n_bytes
    byteorder: Literal["little", "big"] = "little" if header.order == "<" else "big"
    sizes = [(header.riff_size, end - 8), *((place, data.n_bytes) for place in header.patches)]
    patches = {
        at: min(value, (1 << (8 * width)) - 1).to_bytes(width, byteorder) for (at, width), value in sizes
    }
    if header.bw64:
        patches[0] = b"RF64"
    return Mended(file, patches, end)
