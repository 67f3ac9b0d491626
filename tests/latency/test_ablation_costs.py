"""What sessions cost."""

import pytest

from lab_utils.latency.ablation.costs import llm_dollars, tts_dollars
from lab_utils.session.providers.files import load_providers
from lab_utils.session.scripted.usage import LlmRequest, TtsRequest


def test_tokens_cost_what_they_were_used_for():
    large = load_providers("guide").large
    read_price = large.cache.read_price
    requests = [
        LlmRequest(0.0, "m", prompt_tokens=2000, written_tokens=1536, completion_tokens=30, outcome="done"),
        LlmRequest(1.0, "m", prompt_tokens=2000, read_tokens=1536, completion_tokens=5, outcome="discarded"),
    ]
    write_price = large.cache.write_price if large.cache.write_price is not None else large.input_price
    expected = (
        1536 * write_price + (464 + 464) * large.input_price + 1536 * read_price + 35 * large.output_price
    )
    assert llm_dollars(large, requests) == pytest.approx(expected / 1e6)


def test_without_a_cache_every_token_costs_the_same():
    large = load_providers("guide").large.model_copy(update={"cache": None})
    requests = [LlmRequest(0.0, "m", prompt_tokens=1000, completion_tokens=0)]
    assert llm_dollars(large, requests) == pytest.approx(large.input_price / 1000)


def test_speech_costs_by_character():
    tts = load_providers("guide").tts
    assert tts_dollars(
        tts, [TtsRequest(0.0, characters=400), TtsRequest(1.0, characters=600)]
    ) == pytest.approx(1000 * tts.price / 1e6)
