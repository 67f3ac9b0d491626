"""What a provider profile may hold."""

from __future__ import annotations

import datetime
import pickle
from typing import Any

import pytest
from provider_profiles import ORIGIN, small_profile

from lab_utils.core.delays import Delay
from lab_utils.session.providers.schema import Origin, Region, TtsProvider


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
