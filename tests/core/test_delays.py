"""Random delays of simulated parts."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.core.delays import Delay, Draws, remembered, rng_for


def test_half_of_the_delays_lie_below_the_median_and_19_of_20_below_the_95th_percentile() -> None:
    rng, delay = rng_for(0, "test"), Delay(0.35, 1.2)
    samples = np.array([delay.sample(rng) for _ in range(20_000)])
    assert np.median(samples) == pytest.approx(0.35, rel=0.02)
    assert np.percentile(samples, 95) == pytest.approx(1.2, rel=0.03)
    assert np.log(samples).std() == pytest.approx(delay.sigma, rel=0.02)


@pytest.mark.slow
@given(p50_s=st.floats(0, 60), same_p95=st.booleans())
def test_a_delay_without_spread_is_constant(p50_s: float, same_p95: bool) -> None:
    delay = Delay(p50_s, p50_s if same_p95 else None)
    assert delay.sample(rng_for(1, "test")) == p50_s


def test_a_constant_takes_as_many_numbers_as_a_random_delay() -> None:
    one, other = rng_for(3, "test"), rng_for(3, "test")
    Delay(0.1).sample(one)
    Delay(0.1, 0.4).sample(other)
    assert one.random() == other.random()


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ((-0.1,), r"p50_s[\s\S]*greater than or equal to 0[\s\S]*-0.1"),
        ((61.0,), r"p50_s[\s\S]*less than or equal to 60[\s\S]*61"),
        ((float("inf"),), r"p50_s[\s\S]*inf"),
        ((float("nan"),), r"p50_s[\s\S]*nan"),
        ((0.5, 0.2), r"p95_s \(0.2 s\) is below p50_s \(0.5 s\)[\s\S]*swapped"),
        ((0.0, 0.2), r"p50_s is 0 with p95_s = 0.2 s[\s\S]*median above 0"),
        (("0.5",), r"p50_s[\s\S]*valid number[\s\S]*'0.5'"),
        ((), r"p50_s[\s\S]*valid number[\s\S]*None"),
    ],
)
def test_impossible_figures_are_refused(figures: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Delay(*figures)


def test_plain_values_of_a_file_become_a_delay_and_unknown_keys_are_refused() -> None:
    delay = Delay.model_validate({"p50_s": 0.35, "p95_s": 1.2})
    assert delay == Delay(0.35, 1.2)
    assert Delay.model_validate(delay.model_dump()) == delay
    with pytest.raises(ValueError, match="p99_s"):
        Delay.model_validate({"p50_s": 0.35, "p99_s": 1.2})


def test_delays_are_frozen_and_can_be_keys() -> None:
    assert len({Delay(0.1), Delay(0.1), Delay(0.1, 0.2)}) == 2
    with pytest.raises(ValueError, match="frozen"):
        Delay(0.1).p50_s = 0.2  # type: ignore[misc]


def test_parts_and_seeds_have_streams_of_their_own() -> None:
    streams = [tuple(rng_for(seed, part).random(4)) for seed in (0, 1) for part in ("stt", "llm", "tts", "")]
    assert len(set(streams)) == len(streams)
    assert tuple(rng_for(0, "stt").random(4)) == streams[0]


@pytest.mark.slow
def test_streams_are_the_same_in_every_process() -> None:
    code = "from lab_utils.core.delays import rng_for; print(rng_for(7, 'llm').random())"
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    assert answers == {str(rng_for(7, "llm").random())}


@given(p50_s=st.floats(0.02, 2.0), sigma=st.floats(0.05, 1.0))
def test_the_interquartile_range_gives_the_95th_percentile_of_a_log_normal(
    p50_s: float, sigma: float
) -> None:
    low, high = (p50_s * np.exp(sign * 0.67449 * sigma) for sign in (-1, 1))
    assert Delay.from_iqr(p50_s, high - low).p95_s == pytest.approx(p50_s * np.exp(1.64485 * sigma), abs=1e-3)


def test_draws_go_by_what_is_asked_and_not_by_what_was_asked_before() -> None:
    few, many = Draws(3, "llm"), Draws(3, "llm")
    for other in ("what", "when"):
        many.rng(other)
    first = [draws.rng("who").random() for draws in (few, many)]
    again = [draws.rng("who").random() for draws in (few, many)]
    assert first[0] == first[1] != again[0] == again[1]
    assert Draws(3, "tts").rng("who").random() != first[0]
    assert Draws(4, "llm").rng("who").random() != first[0]


@pytest.mark.parametrize(("p50_s", "iqr_s"), [(0.0, 0.1), (-0.1, 0.1), (0.1, -0.1), (float("nan"), 0.1)])
def test_an_impossible_interquartile_range_is_refused(p50_s: float, iqr_s: float) -> None:
    with pytest.raises(ValueError, match="expected a median above 0"):
        Delay.from_iqr(p50_s, iqr_s)


def test_remembered_numbers_are_those_of_the_stream_and_of_its_children_for_every_reader() -> None:
    fresh = rng_for(5, "line")
    numbers = [float(fresh.standard_normal()) for _ in range(3)]
    children = [[float(child.standard_normal()) for _ in range(2)] for child in fresh.spawn(3)]
    for read in (1, 3, 2):  # a later reader may read further than those before
        reader = remembered(5, "line")
        assert [reader.standard_normal() for _ in range(read)] == numbers[:read]
        assert [[child.standard_normal() for _ in range(2)] for child in reader.spawn(3)] == children
    delay, asked, drawn = Delay(0.4, 0.9), Draws(5, "llm"), Draws(5, "llm")
    for text in ("one", "one", "two"):
        assert drawn.sample(delay, text) == delay.sample(asked.rng(text))
