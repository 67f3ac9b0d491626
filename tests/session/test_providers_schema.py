"""What a provider profile may hold."""

from __future__ import annotations

import datetime
import pickle
from pathlib import Path
from typing import Any

import pytest
from provider_profiles import ORIGIN, small_profile

from lab_utils.core.delays import Delay
from lab_utils.session.providers.files import load_providers, save_providers, to_yaml
from lab_utils.session.providers.schema import Origin, Region, SttProvider, TtsProvider


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (datetime.date(2026, 8, 4), "2026-08-04"),
        ("2026-08-04", "2026-08-04"),
        ("2026-08", "2026-08"),
        (2026, "2026"),
        (None, None),
    ],
)
def test_a_date_is_as_exact_as_it_is_known(given: Any, kept: str | None) -> None:
    assert Origin(source="x", date=given).date == kept


@pytest.mark.parametrize("given", ["Aug 2026", "2026-13", "2026-8-4", "", 3])
def test_what_is_no_date_is_refused_with_an_example(given: Any) -> None:
    with pytest.raises(ValueError, match=r"date[\s\S]*expected a date as 2026-05-04"):
        Origin(source="x", date=given)


def test_a_figure_has_its_own_origin_or_that_of_its_part() -> None:
    price = Origin(source="a price list", date="2026-05")
    tts = small_profile().tts.model_copy(update={"origins": {"price": price}})
    assert tts.origin_of("price") == price
    assert tts.origin_of("first_audio") == ORIGIN


@pytest.mark.parametrize("name", ["prize", "provider", "connection", "origin"])
def test_an_origin_of_no_figure_is_refused_and_the_figures_are_named(name: str) -> None:
    tts = small_profile().tts
    with pytest.raises(ValueError, match=rf"origins\.{name}: no such figure.*first_audio, speed, price"):
        TtsProvider(**dict(tts) | {"origins": {name: ORIGIN}})


@pytest.mark.parametrize("schedule", [(), (49,), (120, 501), (99.5,)])
def test_a_schedule_has_the_range_of_the_service(schedule: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="chunk_length_schedule"):
        TtsProvider(**dict(small_profile().tts) | {"chunk_length_schedule": schedule})


def test_the_schedule_of_the_docs_is_read_from_a_file_and_written_to_one(tmp_path: Path) -> None:
    text = to_yaml(load_providers("assemblyai-anthropic-elevenlabs"))
    mine, again = tmp_path / "mine.yaml", tmp_path / "again.yaml"
    line = "chunk_length_schedule: [120, 160, 250, 290]"
    mine.write_text(text.replace("chunk_length_schedule: null", line), encoding="utf-8")
    profile = load_providers(mine)
    assert profile.tts.chunk_length_schedule == (120, 160, 250, 290)
    save_providers(profile, again)
    assert line in again.read_text(encoding="utf-8")
    assert load_providers(again) == profile
    mine.write_text(text.replace("chunk_length_schedule: null", line.replace("120", "99.5")), "utf-8")
    with pytest.raises(ValueError, match=r"tts\.chunk_length_schedule\[0\]"):
        load_providers(mine)


FLUX = {"provider": "deepgram", "model": "flux-general-en", "preflight": Delay(0.1)}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (FLUX, {"eager_eot_threshold": 0.5}),
        (FLUX | {"preflight": None}, {}),
        (
            FLUX | {"eager_eot_threshold": 0.8, "eot_threshold": 0.85, "eot_timeout_ms": 3000},
            {"eager_eot_threshold": 0.8, "eot_threshold": 0.85, "eot_timeout_ms": 3000},
        ),
        (FLUX | {"preflight": None, "eot_threshold": 0.6}, {"eot_threshold": 0.6}),
        (FLUX | {"model": "nova-3"}, {}),
    ],
)
def test_what_flux_is_told_of_the_end_of_turn(given: dict[str, Any], told: dict[str, float]) -> None:
    assert SttProvider(**dict(small_profile().stt) | given).flux_parameters() == told


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (
            {"eager_eot_threshold": 0.8},
            r"0\.8 is above eot_threshold 0\.7 \(Flux's own\), which Flux refuses",
        ),
        ({"eager_eot_threshold": 0.8, "eot_threshold": 0.75}, r"0\.8 is above eot_threshold 0\.75, which"),
        ({"eager_eot_threshold": 0.4, "preflight": None}, "there is no preflight; give its delay"),
        ({"eager_eot_threshold": 0.4, "model": "nova-3"}, "nova-3 has no such parameter"),
        (
            {"eot_timeout_ms": 3000, "provider": "other"},
            "eot_timeout_ms: other's flux-general-en has no such",
        ),
    ],
)
def test_what_flux_would_refuse_or_never_get_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        SttProvider(**dict(small_profile().stt) | FLUX | given)


def test_another_service_under_the_same_figures_has_no_parameters_of_flux() -> None:
    """As `lab probe` names a base's figures by the worker's own service: the file must be read again."""
    flux = SttProvider(**dict(small_profile().stt) | FLUX | {"eot_threshold": 0.8})
    assert flux.named("deepgram", "nova-3").flux_parameters() == {}
    assert flux.named("Deepgram", "flux-general-multi").flux_parameters()["eot_threshold"] == 0.8


def test_only_what_says_so_is_assumed() -> None:
    assert Origin(source="assumed: nobody has timed it").assumed
    assert not Origin(source="Coval").assumed


@pytest.mark.parametrize("missing", ["near", "far"])
def test_both_regions_are_needed(missing: str) -> None:
    regions = {name: Region(round_trip=Delay(0.01), origin=ORIGIN) for name in {"near", "far"} - {missing}}
    with pytest.raises(ValueError, match=rf"regions\.{missing}: missing; give both"):
        small_profile(regions=regions)


def test_profiles_travel_to_worker_processes() -> None:
    profile = small_profile()
    assert pickle.loads(pickle.dumps(profile)) == profile
