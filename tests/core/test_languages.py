"""Thresholds by language: LiveKit's look-up is the judge."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.agents import NOT_GIVEN
from livekit.agents.inference.eot.languages import LOCAL_LANGUAGES, ThresholdOptions
from livekit.agents.language import LanguageCode

from lab_utils.core.languages import LIVEKIT_THRESHOLDS, ByLanguage, by_language, threshold_in
from lab_utils.core.settings import Conditions, Settings

CODES = st.sampled_from(["de", "en", "pt-BR", "en_US", "sv", "zh-TW", "ko"])
VALUES = st.sampled_from([0.0, 0.2, 0.36, 0.5, 1.0])


def test_livekits_calibration_is_the_installed_ones() -> None:
    assert dict(LIVEKIT_THRESHOLDS) == LOCAL_LANGUAGES


ONCE = st.sampled_from(["de", "en", "pt-BR", "sv", "zh-TW", "ko"])


@given(st.one_of(VALUES, st.dictionaries(ONCE, VALUES, min_size=1)), st.one_of(st.just(""), CODES))
def test_the_threshold_in_force_is_the_one_livekit_looks_up(chosen, spoken) -> None:
    settings = Settings().replace(unlikely_threshold=chosen)
    arguments = settings.detector.arguments()
    assert arguments is not None
    options = ThresholdOptions("turn-detector-v1-mini", arguments.get("unlikely_threshold", NOT_GIVEN))
    assert settings.detector.threshold_in(spoken) == options.lookup(LanguageCode(spoken) if spoken else None)


def test_thresholds_by_language_are_values_like_others() -> None:
    settings = Settings().replace(unlikely_threshold={"pt-BR": 0.4, "de": 0.25})
    chosen = settings.detector.unlikely_threshold
    assert chosen == {"de": 0.25, "pt": 0.4}
    assert isinstance(chosen, ByLanguage)
    assert (float(chosen), str(chosen)) == (0.36, "de 0.25, pt 0.4")
    assert settings == Settings().replace(unlikely_threshold={"de": 0.25, "pt": 0.4})
    assert hash(settings) == hash(pickle.loads(pickle.dumps(settings)))
    assert Settings.from_knobs(settings.knobs()) == settings
    assert Settings.model_validate(settings.model_dump()) == settings
    with pytest.raises(TypeError, match="vary the settings with replace"):
        chosen["de"] = 0.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "no language; expected thresholds by language"),
        ({"German": 0.3}, "'German' is no language code; expected one such as de"),
        ({"multi": 0.3}, "'multi' is no language code"),
        ({3: 0.3}, "'3' is no language code"),
        ({"de": 1.5}, "de: expected a threshold from 0 to 1, got '1.5'"),
        ({"de": float("nan")}, "de: expected a threshold from 0 to 1, got 'nan'"),
        ({"de": True}, "de: expected a threshold from 0 to 1, got 'True'"),
        ({"pt": 0.3, "pt-BR": 0.4}, "pt comes twice; LiveKit tells no regions apart"),
    ],
)
def test_what_is_no_threshold_by_language_is_refused(values, message) -> None:
    with pytest.raises(ValueError, match=message):
        by_language(values)
    with pytest.raises(ValueError, match=f"unlikely_threshold: {message}"):
        Settings().replace(unlikely_threshold=values)


def test_the_language_of_recordings_is_a_code() -> None:
    assert Conditions(language="pt-BR").language == "pt"
    assert threshold_in(0.36, Conditions(language="de").language) == 0.245
    with pytest.raises(ValueError, match="expected a language code such as de"):
        Conditions(language="German")
