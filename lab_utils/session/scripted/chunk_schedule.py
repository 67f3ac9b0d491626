"""Text that waits until a synthesizer has so many characters: ElevenLabs' `chunk_length_schedule`.

Definition (elevenlabs.io/docs, `generation_config`; livekit-plugins-elevenlabs 1.8.9, tts.py): with a
schedule, the plug-in sends each word, followed by a space, as soon as the next begins, and the service makes
audio of what it holds once that is as long as the schedule's first number, then its second, …; the last
number holds from there on. The end of a text flushes what is left. Without one (`auto_mode`, the plug-in's
default) each sentence is flushed, and nothing waits.
"""

from __future__ import annotations

from collections.abc import Sequence


class ChunkSchedule:
    """The words that wait in one stream.

    >>> schedule = ChunkSchedule((10, 15))
    >>> [schedule.add(word) for word in "All right. That has been moved.".split()]
    ['', 'All right.', '', '', '', 'That has been moved.']
    >>> schedule.rest()
    ''
    """

    def __init__(self, characters: Sequence[int]) -> None:
        self._characters, self._chunks = characters, 0
        self._words: list[str] = []

    def add(self, word: str) -> str:
        """What can be spoken now that this word has come; "" if it has to wait."""
        self._words.append(word)
        least = self._characters[min(self._chunks, len(self._characters) - 1)]
        return self.rest() if sum(len(one) + 1 for one in self._words) >= least else ""

    def rest(self) -> str:
        """What is spoken where the text ends."""
        words, self._words = self._words, []
        self._chunks += 1
        return " ".join(words)
