"""Transcripts: the words of each channel with their times, by Whisper (faster-whisper), on this machine.

Goal: words of recordings that come without a transcript, at many times real time on a CPU.
Conventions: int16 mono audio at 16 kHz; seconds from the start of the recording. Whisper gets only the parts
in which the VAD found speech (`pieces`), so silence takes no time and can't become text. Words during which
the VAD found no speech are dropped (`spans.heard_words`). Decoding is greedy at temperature 0: the same audio
gives the same words, whatever the number of threads; another kind of processor may round differently.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...core.labels import Speaker, Word
from ...core.recording import Pcm, Recording
from ...core.traces import Bools, VadTrace
from .attach import source_of, with_words
from .models import DEFAULT_MODEL, Whisper, WhisperFolder, find_model, load_model
from .pieces import Piece, pack, sound_of, times_of
from .spans import heard_words, speech_mask, speech_s, speech_spans
from .word_times import given_room, in_order, tightened

__all__ = [
    "DEFAULT_MODEL",
    "WhisperFolder",
    "find_model",
    "source_of",
    "transcribe",
    "transcribe_channel",
    "with_words",
]


def transcribe(
    recording: Recording,
    speech: dict[Speaker, VadTrace],
    model: str = DEFAULT_MODEL,
    *,
    language: str | None = None,
    threads: int = 0,
) -> tuple[Word, ...]:
    """The words of both channels, the user's first, each in order of time.

    `speech`: LiveKit's VAD on each channel, at phase 0. `language`: a code such as "de" for a multilingual
    model; None detects it. `threads`: 0 takes all cores. Raises ValueError for a model that is not on this
    machine, or a language it doesn't know.
    """
    folder = find_model(model)
    words: list[Word] = []
    channels: tuple[tuple[Speaker, Pcm | None], ...] = (("user", recording.user), ("agent", recording.agent))
    for speaker, pcm in channels:
        if pcm is not None:
            words += transcribe_channel(
                pcm, speech[speaker], speaker, folder, language=language, threads=threads
            )
    return tuple(words)


def transcribe_channel(
    pcm: Pcm,
    trace: VadTrace,
    speaker: Speaker,
    model: WhisperFolder,
    *,
    language: str | None = None,
    threads: int = 0,
) -> tuple[Word, ...]:
    """The words of one channel; see `transcribe`. Without speech no model is loaded."""
    if trace.phase_samples:
        raise ValueError(f"expected a VAD trace of phase 0, got one of {trace.phase_samples} samples")
    mask = speech_mask(trace, len(pcm))
    packs = pack(speech_spans(mask), trace.probabilities, len(pcm))
    if not packs:
        return ()
    whisper = load_model(model, threads)
    sounds = [sound_of(pcm, pieces) for pieces in packs]
    language = whisper.language(language, sounds[0])
    found: list[Word] = []
    for pieces, sound in zip(packs, sounds, strict=True):
        found += _words(whisper, sound, pieces, mask, speaker, language)
    return tuple(in_order(tightened(heard_words(found, mask), mask)))


def _words(
    whisper: Whisper,
    sound: NDArray[np.float32],
    pieces: list[Piece],
    mask: Bools,
    speaker: Speaker,
    language: str,
) -> Iterator[Word]:
    """Whisper's words for one pack of pieces, with times in the recording."""
    heard = (
        Word(speaker, float(word.start), float(word.end), word.word.strip())
        for word in whisper.words(sound, language)
    )
    for word in given_room(word for word in heard if word.text):
        # Whisper may extend a word from one piece into the next: keep the part with most speech.
        spans = times_of(pieces, word.start_s, word.end_s)
        start_s, end_s = max(spans, key=lambda span: (speech_s(mask, *span), span[1] - span[0]))
        yield replace(word, start_s=start_s, end_s=end_s)
