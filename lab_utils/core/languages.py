"""Thresholds by language: LiveKit's own, and a user's, which stand before them.

Source of the rules: livekit/agents/inference/eot/languages.py (1.8.9), `ThresholdOptions`. A single threshold
holds for every language; thresholds by language are laid over LiveKit's; a language that neither names, has
LiveKit's English threshold. An unknown language counts as English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn

LIVEKIT_THRESHOLDS: Mapping[str, float] = {
    "ar": 0.35,
    "de": 0.245,
    "en": 0.36,
    "es": 0.35,
    "fr": 0.285,
    "hi": 0.305,
    "id": 0.345,
    "it": 0.23,
    "ja": 0.295,
    "ko": 0.4,
    "nl": 0.2,
    "pt": 0.32,
    "tr": 0.255,
    "zh": 0.355,
}
"""v1-mini's thresholds as LiveKit calibrated them."""
ENGLISH_UNLIKELY_THRESHOLD = LIVEKIT_THRESHOLDS["en"]
"""As a setting it means "as LiveKit calibrated", in every language; a profile then gives no threshold."""
_CODE = re.compile(r"[a-z]{2,3}(?:[-_][a-z0-9]{2,8})*", re.IGNORECASE)


class ByLanguage(dict[str, float]):
    """Thresholds by language code ("de"), which can't be changed; `float(…)` is the one of English."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))

    def __reduce__(self) -> tuple[Any, ...]:
        return ByLanguage, (dict(self),)

    def _fixed(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("thresholds of settings can't be changed; vary the settings with replace")

    __setitem__ = __delitem__ = update = pop = popitem = clear = setdefault = __ior__ = _fixed

    def __float__(self) -> float:
        return threshold_in(self, "")

    def __str__(self) -> str:
        return ", ".join(f"{language} {value:g}" for language, value in sorted(self.items()))


def base_language(code: str) -> str:
    """The language of a code, without its region; "" for what names no single language.

    >>> base_language("pt-BR"), base_language("EN_us"), base_language("multi"), base_language("")
    ('pt', 'en', '', '')
    """
    if not _CODE.fullmatch(code) or code.lower() in ("auto", "multi"):
        return ""
    return re.split("[-_]", code.lower())[0]


def by_language(values: Mapping[Any, Any]) -> ByLanguage:
    """Checked thresholds. Raises ValueError for a key that is no language code, or no threshold."""
    if not values:
        raise ValueError("no language; expected thresholds by language, for example {en: 0.36, de: 0.25}")
    found: dict[str, float] = {}
    for code, value in values.items():
        language = base_language(code) if isinstance(code, str) else ""
        if not language:
            raise ValueError(f"{str(code)[:40]!r} is no language code; expected one such as de or pt-BR")
        if language in found:
            raise ValueError(f"{language} comes twice; LiveKit tells no regions apart: give it once")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ValueError(f"{language}: expected a threshold from 0 to 1, got {str(value)[:40]!r}")
        found[language] = float(value)
    return ByLanguage(sorted(found.items()))


def threshold_in(threshold: float | Mapping[str, float], language: str) -> float:
    """The threshold in force where a speaker's language is this one ("" if unknown).

    >>> threshold_in(0.36, "de"), threshold_in(0.4, "de"), threshold_in({"en": 0.5}, "de")
    (0.245, 0.4, 0.245)
    >>> threshold_in({"en": 0.5}, ""), threshold_in({"en": 0.5}, "xx")
    (0.5, 0.36)
    """
    language = base_language(language) or "en"
    if isinstance(threshold, Mapping):
        own = threshold.get(language)
        if own is not None:
            return own
    elif threshold != ENGLISH_UNLIKELY_THRESHOLD:
        return threshold
    return LIVEKIT_THRESHOLDS.get(language, ENGLISH_UNLIKELY_THRESHOLD)
