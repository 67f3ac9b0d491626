from __future__ import annotations

from lab_utils.session.providers.files import builtin_providers, load_providers
from lab_utils.session.providers.stages import stages


def test_each_stage_has_the_delay_and_the_origin_of_its_place_in_the_profile() -> None:
    for name in builtin_providers():
        profile = load_providers(name)
        found = {stage.name: stage for stage in stages(profile)}
        assert found["large.ttft"].delay == profile.large.ttft
        assert found["tts.first_audio"].origin == profile.tts.origin_of("first_audio")
        assert ("stt.preflight" in found) == (profile.stt.preflight is not None)
