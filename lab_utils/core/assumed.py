"""What a replay assumes of delays that no setting decides, each with where the figure comes from.

The figures stand here because every room uses them: a test checks that the first is the one of the provider
profile it is taken from.
"""

from __future__ import annotations

from typing import Final

DEFAULT_PROVIDERS: Final = "deepgram-openai-cartesia"
"""The provider profile that is assumed where none is named."""
TRANSCRIPTION_DELAY_S: Final = 0.247
"""Median of `stt.final` in the default provider profile: from the end of speech to the final transcript."""
TRANSCRIPTION_SOURCE: Final = f"median of the default provider profile {DEFAULT_PROVIDERS}"
PREDICTION_DELAY_S: Final = 0.04
"""v1-mini takes 25-40 ms on two cores that nothing else uses."""
PREDICTION_SOURCE: Final = "measured: v1-mini on two idle cores, 25 to 40 ms"
LATE_PREDICTIONS: Final = (
    "predictions later than the 1 s that LiveKit waits: none; measured on two cores: none up to 16 "
    "requests/s (about 62 calls), 32 % at 17/s; measure yours with 'lab plan load'"
)
"""The assumption, and where it ends (`docs/assumed.md`)."""
GIVEN: Final = "given"
"""The source of a figure that came without one."""
