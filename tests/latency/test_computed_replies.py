"""What is computed beside the sessions of `lab techniques`: other speech-to-texts, and the floor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ablation_tables import ablation_of, made_up
from paths import SAMPLES

from lab_utils.core.settings import USUAL_CONDITIONS, Settings
from lab_utils.latency.ablation.run import Ablation
from lab_utils.latency.joint.calls import JointCall
from lab_utils.latency.joint.computed_replies import computed_replies, variants
from lab_utils.latency.joint.configuration import EVERY_ONE, TWELVE_COMPUTED
from lab_utils.latency.joint.evaluate import figures_of
from lab_utils.latency.techniques.choice import livekit_default
from lab_utils.recordings.find import RecordingFiles, find_recordings
from lab_utils.session.providers.files import builtin_providers, load_providers
from lab_utils.turns.cache import TraceCache
from lab_utils.turns.cache.finished import going_on
from lab_utils.turns.tracing import default_cache

CALL = SAMPLES / "03_blocked_card.flac"
GUIDE = load_providers("guide")


@pytest.fixture(scope="module")
def ablation() -> Ablation:
    """Of one call, with silence alone for a detector, so that no model is asked."""
    return replace(
        ablation_of(*made_up()),
        settings=Settings().replace(detector="vad", min_silence_duration=0.4),
        draws=1,
        recordings=(CALL.stem,),
    )


def test_each_line_is_what_that_speech_to_text_leads_to(ablation: Ablation) -> None:
    found = computed_replies(ablation, [CALL], ("caller", "agent"), default_cache())
    assert found.floor is not None
    (files,) = find_recordings(CALL)
    others = variants(GUIDE)
    assert found.by_stt.index.tolist() == list(others)
    for name, providers in others.items():
        call = JointCall.of(files, providers, USUAL_CONDITIONS, seed=0, cache=default_cache(), wait_s=8.0)
        agents = livekit_default(automatic_cache=True), TWELVE_COMPUTED
        outcomes = call.outcomes([(ablation.settings, one) for one in agents])
        expected = [figures_of([one])[q] for one in outcomes for q in ("e2e_p50", "e2e_p95")]
        assert found.by_stt.loc[name].tolist() == expected
    p50 = found.by_stt["LiveKit's default", "p50"]
    assert p50["no early transcript"] > p50["as guide has it"] + 0.05
    assert found.floor[0] < p50.min()


def test_what_the_closed_form_does_not_cover_is_left_out(ablation: Ablation) -> None:
    dynamic = replace(ablation, settings=ablation.settings.replace(endpointing_mode="dynamic"))
    found = computed_replies(dynamic, [CALL], ("caller", "agent"), default_cache())
    assert found.floor is None
    assert found.by_stt.empty
    assert found.stt_dollars > 0


def test_where_a_caller_speaks_first_no_replies_are_computed(ablation: Ablation) -> None:
    first = replace(ablation, sessions=ablation.sessions.assign(greeted=False))
    found = computed_replies(first, [CALL], ("caller", "agent"), default_cache())
    assert found.floor is None
    assert found.plain["by_stt"] == []
    assert found.plain["stt_dollars"] == found.stt_dollars > 0


def test_a_speech_to_text_is_paid_by_the_hour_and_a_judge_by_the_verdict(ablation: Ablation) -> None:
    stt = GUIDE.stt.model_copy(update={"price": 3.6})
    judge = GUIDE.judge.model_copy(update={"price": 0.25})
    dear = replace(ablation, providers=GUIDE.model_copy(update={"stt": stt, "judge": judge}))
    found = computed_replies(dear, [CALL], ("caller", "agent"), default_cache())
    (files,) = find_recordings(CALL)
    call = JointCall.of(files, GUIDE, USUAL_CONDITIONS, seed=0, cache=default_cache(), wait_s=8.0)
    assert found.stt_dollars == pytest.approx(call.recording.duration_s / len(call.ends_s))
    assert found.judge_dollars == 0.25


def test_each_draw_has_delays_of_its_own(ablation: Ablation) -> None:
    random = load_providers("deepgram-openai-cartesia")
    found = computed_replies(
        replace(ablation, providers=random, draws=2), [CALL], ("caller", "agent"), default_cache()
    )
    (files,) = find_recordings(CALL)
    calls = [
        JointCall.of(files, random, USUAL_CONDITIONS, seed=draw, cache=default_cache(), wait_s=8.0)
        for draw in range(2)
    ]
    floors = [call.floor(EVERY_ONE) for call in calls]
    assert floors[0].e2e_s.tolist() != floors[1].e2e_s.tolist()
    assert found.floor == tuple(figures_of(floors)[q] for q in ("e2e_p50", "e2e_p95"))


def test_what_was_computed_before_a_kill_is_not_computed_again(
    ablation: Ablation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = sorted(SAMPLES.glob("*.flac"))[:3]
    several = replace(ablation, recordings=tuple(call.stem for call in calls))
    began: list[str] = []

    def of(files: RecordingFiles, *more: Any, **how: Any) -> JointCall:
        if len(began) == killed_at:
            raise KeyboardInterrupt
        began.append(files.name)
        return loaded(files, *more, **how)

    def computed() -> tuple[str, list[str]]:
        """What is computed, and told."""
        began.clear()
        told: list[str] = []
        with going_on(tmp_path, told.append):
            found = computed_replies(several, calls, ("caller", "agent"), default_cache())
        return repr(found.plain), told

    killed_at, loaded = -1, JointCall.of
    monkeypatch.setattr(JointCall, "of", of)
    undisturbed, _ = computed()
    TraceCache(tmp_path).prune(0)
    killed_at = 2
    with pytest.raises(KeyboardInterrupt):
        computed()
    killed_at = -1
    assert computed() == (undisturbed, ["going on: 2 of 3 computed recordings were finished before"])
    assert began == [calls[2].stem]


@pytest.mark.parametrize("name", builtin_providers())
def test_other_speech_to_texts_differ_from_the_profiles_in_their_transcripts_alone(name: str) -> None:
    own = load_providers(name)
    first, *others = variants(own).values()
    assert first == own
    for other in others:
        assert other.stt != own.stt
        assert other.model_copy(update={"stt": own.stt}) == own
