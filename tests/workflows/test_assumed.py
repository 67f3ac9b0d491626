"""What is assumed of delays, and that each figure says where it comes from."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lab_utils.core.assumed import DEFAULT_PROVIDERS, TRANSCRIPTION_DELAY_S
from lab_utils.core.settings import USUAL_CONDITIONS, Conditions
from lab_utils.session.providers.files import load_providers, save_providers
from lab_utils.workflows.assumed import conditions_with


def test_the_default_delay_is_the_median_of_the_default_provider_profile() -> None:
    assert load_providers(DEFAULT_PROVIDERS).stt.final.p50_s == TRANSCRIPTION_DELAY_S
    assert USUAL_CONDITIONS.transcription_delay == TRANSCRIPTION_DELAY_S
    assert USUAL_CONDITIONS.in_words[0] == (
        "transcripts 0.25 s after speech: median of the default provider profile "
        "deepgram-openai-cartesia; change with --transcription-delay or --providers"
    )


def test_a_delay_without_a_source_is_given() -> None:
    given = Conditions(transcription_delay=0.4)
    assert (given.transcription_source, given.prediction_source) == (
        "given",
        USUAL_CONDITIONS.prediction_source,
    )
    assert USUAL_CONDITIONS.replace(prediction_delay=0.1).prediction_source == "given"
    assert given.replace(stt_silence=0.3).transcription_source == "given"
    fitted = given.replace(transcription_delay=0.5, transcription_source="our calls")
    assert fitted.in_words[0].startswith("transcripts 0.50 s after speech: our calls;")
    assert Conditions.model_validate(fitted.model_dump()) == fitted
    with pytest.raises(ValidationError, match="prediction_delay"):
        USUAL_CONDITIONS.replace(prediction_delay=2.0)


def test_a_provider_profile_by_name_or_file_says_when_transcripts_come(tmp_path) -> None:
    named = conditions_with("assemblyai-anthropic-elevenlabs", Conditions(stt_silence=0.7))
    assert (named.transcription_delay, named.stt_silence, named.stt_tells_end) == (0.256, 0.7, False)
    assert named.transcription_source == "median of the provider profile assemblyai-anthropic-elevenlabs"
    base = load_providers(DEFAULT_PROVIDERS)
    stt = base.stt.model_copy(update={"tells_end": True})
    own = base.model_copy(update={"name": "our-calls", "stt": stt})
    save_providers(own, tmp_path / "ours.yaml")
    assert load_providers(tmp_path / "ours.yaml") == own
    from_file = conditions_with(tmp_path / "ours.yaml")
    assert from_file == conditions_with(own)
    assert from_file.stt_tells_end
    assert from_file.transcription_source.endswith("our-calls")


def test_a_provider_profile_and_a_delay_are_not_taken_together() -> None:
    with pytest.raises(ValueError, match=r"both a provider profile and a transcription delay.*give one"):
        conditions_with("guide", transcription_delay=0.3)
    with pytest.raises(ValueError, match="no built-in provider profile"):
        conditions_with("nobody")
    assert conditions_with(transcription_delay=0.3).transcription_delay == 0.3
