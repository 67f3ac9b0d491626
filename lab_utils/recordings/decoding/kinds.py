"""A file's kind, found by its first bytes, and the suffixes by which audio files are searched.

Suffixes only serve to find files. How a file is read depends on its content, so a WAV file called .mp3 is
read as WAV. FFmpeg is always told which demuxer to use and never guesses: some demuxers (playlists) would
open other files and addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

By = Literal["wav", "ogg", "sndfile", "ffmpeg"]

SNDFILE_SUFFIXES = (
    ".wav", ".wave", ".bwf", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".mpga", ".aif",
    ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".sph", ".voc",
)  # fmt: skip
CONTAINER_SUFFIXES = (
    ".mp4", ".m4a", ".m4b", ".m4r", ".mov", ".3gp", ".3g2", ".3ga", ".webm", ".weba", ".mka", ".mkv", ".aac",
    ".adts", ".amr", ".awb", ".wma", ".asf", ".spx",
)  # fmt: skip
AUDIO_SUFFIXES = (*SNDFILE_SUFFIXES, *CONTAINER_SUFFIXES)

UNSUPPORTED: dict[str, tuple[str, str]] = {
    ".g722": ("G.722 without a header", "-f g722"),
    ".722": ("G.722 without a header", "-f g722"),
    ".g726": ("G.726 without a header", "-f g726 -code_size 4"),
    ".g723": ("G.723 without a header", "-f g723_1"),
    ".g723_1": ("G.723.1 without a header", "-f g723_1"),
    ".g729": ("G.729 without a header", "-f g729"),
    ".729": ("G.729 without a header", "-f g729"),
    ".g728": ("G.728 without a header", ""),
    ".gsm": ("GSM 06.10 without a header", "-f gsm"),
    ".vox": ("Dialogic ADPCM without a header", "-f s16le -c:a adpcm_ima_oki -ar 8000"),
    ".sln": ("16-bit samples without a header (Asterisk)", "-f s16le -ar 8000"),
    ".sln16": ("16-bit samples without a header (Asterisk)", "-f s16le -ar 16000"),
    ".ilbc": ("iLBC", ""),
    ".lbc": ("iLBC", ""),
    ".silk": ("SILK", ""),
    ".evs": ("EVS", ""),
    ".ape": ("Monkey's Audio", ""),
    ".wv": ("WavPack", ""),
    ".tta": ("True Audio", ""),
    ".ra": ("RealAudio", ""),
    ".rm": ("RealMedia", ""),
    ".qcp": ("QCELP", ""),
    ".dss": ("Digital Speech Standard", ""),
    ".ds2": ("Digital Speech Standard", ""),
    ".ac3": ("Dolby AC-3", ""),
    ".eac3": ("Dolby E-AC-3", ""),
    ".dts": ("DTS", ""),
    ".mpc": ("Musepack", ""),
    ".flv": ("Flash Video", ""),
    ".avi": ("AVI", ""),
    ".m2ts": ("an MPEG transport stream", ""),
    ".mts": ("an MPEG transport stream", ""),
    ".m4p": ("AAC with copy protection", ""),
    ".aax": ("AAC with copy protection", ""),
}
"""Suffix -> what such a file is, and what FFmpeg must be told to read it."""


@dataclass(frozen=True)
class Kind:
    """How a file is read."""

    by: By
    name: str
    demuxer: str = ""
    """FFmpeg's, by name."""


_WAV = Kind("wav", "WAV", "wav")
_MP4 = Kind("ffmpeg", "MP4", "mov")
_AAC = Kind("ffmpeg", "AAC", "aac")
_MP3 = Kind("sndfile", "MP3")
_FLAC = Kind("sndfile", "FLAC", "flac")
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"styp", b"moof", b"free", b"skip", b"pnot")
_BEGINNINGS: tuple[tuple[bytes, Kind], ...] = (
    (b"OggS", Kind("ogg", "OGG", "ogg")),
    (b"fLaC", _FLAC),
    (b"\x1a\x45\xdf\xa3", Kind("ffmpeg", "WebM or Matroska", "matroska")),
    (b"#!AMR", Kind("ffmpeg", "AMR", "amr")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind("ffmpeg", "Windows Media", "asf")),
    (b"caff", Kind("sndfile", "CAF", "caf")),
    (b".snd", Kind("sndfile", "AU")),
    (b"dns.", Kind("sndfile", "AU")),
    (b"riff\x2e\x91\xcf\x11", Kind("sndfile", "W64")),
    (b"NIST_1A", Kind("sndfile", "NIST SPHERE")),
    (b"Creative Voice File", Kind("sndfile", "VOC")),
)


def kind_of(head: bytes) -> Kind | None:
    """The kind of a file that begins with these bytes; None if it isn't audio."""
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        return _WAV if head[8:12] in (b"WAVE", b"") else None
    if head[:4] == b"FORM":
        return Kind("sndfile", "AIFF") if head[8:12] in (b"AIFF", b"AIFC") else None
    if head[4:8] in _BOXES:
        return _MP4
    for magic, kind in _BEGINNINGS:
        if head.startswith(magic):
            return kind
    if head.startswith(b"ID3") and len(head) >= 10:
        size = sum((byte & 0x7F) << (7 * (3 - k)) for k, byte in enumerate(head[6:10]))
        inner = head[10 + size :]
        return (kind_of(inner) if inner[:4] == b"fLaC" or _is_adts(inner) else None) or _MP3
    if _is_adts(head):
        return _AAC
    if len(head) >= 4 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[2] >> 4 not in (0, 15):
        return _MP3
    return None


def _is_adts(head: bytes) -> bool:
    """Whether these are frames of AAC: they begin like those of MPEG audio, with a layer of 0."""
    return len(head) >= 4 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and (head[2] >> 2) & 15 < 13
