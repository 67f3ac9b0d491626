"""One list of stages: every other list is a part of it."""

from __future__ import annotations

from lab_utils.core.stages import STAGE_NAMES, STAGES
from lab_utils.latency import fitting
from lab_utils.latency.ablation import turns
from lab_utils.latency.ablation.guide.claims import STAGE_FIGURES
from lab_utils.latency.ablation.guide.verdicts import STAGE_OF, STAGE_WORDS
from lab_utils.session.metrics.stages import ADDED, SUMMARIZED, VISIBLE
from lab_utils.session.providers.files import load_providers
from lab_utils.session.providers.stages import stages


def test_names_are_livekits_in_the_order_of_a_reply():
    assert STAGE_NAMES == (
        "transcription_delay",
        "end_of_turn_delay",
        "on_user_turn_completed_delay",
        "llm_node_ttft",
        "tts_node_ttfb",
        "playback_latency",
        "e2e_latency",
    )


def test_the_sum_and_the_summary_keep_the_order():
    assert STAGE_NAMES[1:-1] == ADDED
    assert (*ADDED, "other") == VISIBLE
    assert [name for name in SUMMARIZED if name not in ("other", "saved")] == list(STAGE_NAMES)


def test_tables_of_techniques_name_the_parts_of_the_agent():
    assert list(turns.REPORTED) == ["transcription_s", "hook_s", "llm_ttft_s", "tts_first_audio_s"]
    assert set(turns.REPORTED.values()) < set(STAGE_NAMES)
    assert set(STAGE_OF.values()) == set(STAGE_WORDS) == set(turns.REPORTED)
    assert set(STAGE_FIGURES) < {*turns.STAGES, *turns.MEASURES}


def test_what_livekit_measures_are_delays_of_a_provider_profile():
    assert fitting.STAGES == ("stt.final", "large.ttft", "small.ttft", "tts.first_audio")
    assert set(fitting.STAGES) < {stage.name for stage in stages(load_providers("guide"))}
    assert all(stage.part in ("stt", "llm", "tts") for stage in STAGES if stage.delays)
