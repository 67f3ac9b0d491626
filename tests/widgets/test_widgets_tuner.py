"""The tuner without a browser: set a control's value, read what changed."""

from __future__ import annotations

import wave
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from synthetic import Turn, complete, labels_of, traced_of

from lab_utils.core.recording import Recording
from lab_utils.core.settings import Conditions, Settings
from lab_utils.core.sound import excerpt
from lab_utils.core.timeline import SAMPLE_RATE_HZ
from lab_utils.core.traces import Traced
from lab_utils.turns import grid
from lab_utils.turns.replay import Block, blocks_of
from lab_utils.turns.sweep import Corpus, score_one, sweep
from lab_utils.widgets.tuner import LEAD_S, REST_S, TRAIL_S, Tuner, numbers_html, on_loop

SCRIPT = [
    Turn((1.0, 0.3, 0.3, 0.3), ((0.6, "hold"), (0.6, "hold"), (0.6, "hold"))),
    Turn((0.7, 0.3, 0.3), ((2.9, "hold"), (0.6, "hold"))),
    Turn((1.2, 0.3), ((0.65, "hold"),)),
]
LABELS = [labels_of(SCRIPT), labels_of(SCRIPT[::-1], rest_s=3.0)]
GRID = {
    "min_delay": [0.3, 0.5],
    "max_delay": [1.0, 2.5],
    "detector": ["vad", "v1-mini"],
    "vad": ["livekit", "silero"],
}


def load(number: int) -> Recording:
    n = round(LABELS[number].duration_s * SAMPLE_RATE_HZ)
    user = np.random.default_rng(number).integers(-9000, 9000, n).astype(np.int16)
    return Recording(f"call {number}", "x.wav", user, -user, "0" * 64, LABELS[number])


def by_detector(number: int, traced: Traced, settings: Settings) -> Traced:
    return complete(traced, [Block.of(settings)])


class Loop:
    """An event loop that a test turns by hand."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, delay_s: float, call: Callable[[], None]) -> Callable[[], None]:
        item = (delay_s, call)
        self.waiting.append(item)
        return lambda: self.waiting.remove(item) if item in self.waiting else None

    def turn(self) -> float:
        delay_s, call = self.waiting.pop(0)
        call()
        return delay_s


def make(**others) -> Tuner:
    table, _ = grid.expand(GRID)
    blocks = [block for _, block in blocks_of(table, Conditions(), len(table))]
    traced = [
        complete(
            traced_of(
                labels, name=f"call {k}", seed=k, offsets=(0, 256), vads=("livekit", "silero"), noise=0.05
            ),
            [*blocks, Block.of(Settings())],
        )
        for k, labels in enumerate(LABELS)
    ]
    corpus = Corpus.of(traced)
    result = sweep(corpus, table, Conditions(), quiet=True)
    defaults = score_one(corpus, Settings())
    return Tuner(corpus, result, load, defaults=defaults, **others)


@pytest.fixture
def tuner() -> Tuner:
    return make(complete=by_detector)


def untraced(tuner: Tuner) -> list[float]:
    """Values of min_delay that lead to predictions that no setting of the grid needed; at least two."""
    found = [
        delay_s
        for delay_s in (0.35, 0.4, 0.45, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)
        if not tuner.scorer.score(Settings().replace(min_delay=delay_s)).exact
    ]
    assert len(found) > 1
    return found


def seen(tuner: Tuner) -> tuple[str, bytes, bytes]:
    return tuner.numbers.value, bytes(tuner.tradeoff.value), bytes(tuner.timeline.value)


@pytest.mark.slow
def test_it_opens_at_the_start_with_everything_drawn(tuner: Tuner):
    assert tuner.settings == Settings()
    assert all(picture.startswith(b"\x89PNG") for picture in seen(tuner)[1:])
    assert "false boundaries per hold" in tuner.numbers.value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_delay", 0.5),
        ("max_delay", 1.0),
        ("vad", "silero"),
        ("detector", "vad"),
        ("unlikely_threshold", 0.8),
    ],
)
def test_a_control_moves_numbers_and_pictures(tuner: Tuner, name: str, value: object):
    before = seen(tuner)
    tuner.controls.knobs[name].value = value
    assert tuner.settings == Settings().replace(**{name: value})
    assert all(new != old for new, old in zip(seen(tuner), before, strict=True))


@pytest.mark.slow
def test_numbers_are_those_of_the_setting(tuner: Tuner):
    tuner.controls.knobs["min_delay"].value = 0.5
    figures = score_one(tuner.scorer.corpus, tuner.settings)
    rate, latency_s = figures["value"]["false_boundary_rate"], figures["value"]["latency_mean"]
    assert f">{100 * rate:.1f} %<" in tuner.numbers.value
    assert f">{latency_s:.2f} s<" in tuner.numbers.value


@pytest.mark.slow
def test_the_impossible_is_explained_and_pictures_stay(tuner: Tuner):
    before = seen(tuner)
    tuner.controls.knobs["max_delay"].value = 0.1
    assert "Not possible: min_delay (0.3 s) is above max_delay (0.1 s)" in tuner.status.value
    assert seen(tuner) == before
    tuner.controls.undo()
    assert "Not possible" not in tuner.status.value


@pytest.mark.slow
def test_undo_brings_the_same_pictures_back(tuner: Tuner):
    before = seen(tuner)
    tuner.controls.knobs["min_delay"].value = 0.5
    tuner.controls.undo()
    assert seen(tuner) == before


@pytest.mark.slow
def test_without_a_loop_missing_predictions_are_computed_at_once(tuner: Tuner):
    tuner.controls.knobs["min_delay"].value = untraced(tuner)[0]
    assert tuner.scorer.score(tuner.settings).exact
    assert "Approximate" not in tuner.status.value


@pytest.mark.slow
def test_with_a_loop_a_guess_is_shown_and_then_made_good():
    loop = Loop()
    tuner = make(complete=by_detector, later=loop)
    tuner.controls.knobs["min_delay"].value = untraced(tuner)[0]
    assert "Approximate" in tuner.status.value
    assert loop.turn() == REST_S
    assert "recordings" in tuner.status.value
    while loop.waiting:
        assert loop.turn() < REST_S
    assert "Approximate" not in tuner.status.value
    assert tuner.scorer.score(tuner.settings).exact


@pytest.mark.slow
def test_a_move_cancels_what_was_waiting():
    loop = Loop()
    tuner = make(complete=by_detector, later=loop)
    for delay_s in untraced(tuner)[:2]:
        tuner.controls.knobs["min_delay"].value = delay_s
    assert len(loop.waiting) == 1
    tuner.controls.knobs["min_delay"].value = 0.5
    assert not loop.waiting


@pytest.mark.slow
def test_settle_does_not_wait_for_the_loop():
    loop = Loop()
    tuner = make(complete=by_detector, later=loop)
    tuner.controls.knobs["min_delay"].value = untraced(tuner)[0]
    tuner.settle()
    assert not loop.waiting
    assert tuner.scorer.score(tuner.settings).exact


@pytest.mark.slow
def test_audio_that_is_gone_is_reported():
    def gone(number: int, traced: Traced, settings: Settings) -> Traced:
        raise FileNotFoundError("call.wav: no such file")

    tuner = make(complete=gone)
    tuner.controls.knobs["min_delay"].value = untraced(tuner)[0]
    assert "call.wav: no such file" in tuner.status.value


@pytest.mark.slow
def test_without_a_way_to_complete_it_says_so():
    tuner = make()
    tuner.controls.knobs["min_delay"].value = untraced(tuner)[0]
    assert "not in the traces" in tuner.status.value


@pytest.mark.slow
def test_failures_are_listed_shown_and_played(tuner: Tuner):
    frame = tuner._commits
    false = frame[frame["false_boundary"]]
    assert len(tuner.failures.options) == len(false) > 0
    assert tuner.failures.value is None
    at_s = false["commit_s"].iloc[0]
    before = tuner.timeline.value
    tuner.failures.index = 0
    assert tuner.failures.value == at_s
    assert tuner.span.value[0] <= at_s <= tuner.span.value[1]
    assert tuner.timeline.value != before or tuner.span.value == (0, tuner.span.max)
    rate, samples = _decode(tuner.audio.value)
    assert rate == SAMPLE_RATE_HZ
    expected = min(at_s + TRAIL_S, LABELS[0].duration_s) - max(at_s - LEAD_S, 0)
    assert len(samples) == pytest.approx(expected * rate, abs=1)
    assert tuner.audio.autoplay


@pytest.mark.slow
def test_without_a_failure_the_next_recording_with_one_is_named(tuner: Tuner):
    tuner.controls.set(Settings().replace(detector="vad", min_delay=3.0, max_delay=3.0))
    assert tuner.failures.options == ()
    assert "No false boundary in this recording under this setting" in tuner.failures_title.value
    assert "Nor in any other" in tuner.failures_title.value
    for failing, named in (((1,), "call 1"), ((0, 1), "call 1"), ((), "Nor in any other")):
        tuner._scored = replace(tuner._scored, failing=failing)
        assert named in tuner._where_next()
    tuner.recording.value = 1
    tuner._scored = replace(tuner._scored, failing=(0,))
    assert tuner._where_next() == "The next with one: call 0"


@pytest.mark.slow
def test_another_recording_has_its_own_picture_and_failures(tuner: Tuner):
    before = tuner.timeline.value
    tuner.recording.value = 1
    assert tuner.span.value == (0.0, LABELS[1].duration_s)
    assert tuner.timeline.value != before
    tuner.recording.value = 0
    assert tuner.span.value == (0.0, LABELS[0].duration_s)
    assert tuner.timeline.value == before


@pytest.mark.slow
def test_zoom_and_show_all(tuner: Tuner):
    before = tuner.timeline.value
    tuner.span.value = (1.0, 4.0)
    assert tuner.timeline.value != before
    tuner.whole.click()
    assert tuner.timeline.value == before


@pytest.mark.slow
def test_presets_and_what_has_no_control():
    odd = Settings().replace(activation_threshold=0.6)
    tuner = make(complete=by_detector, presets={"Odd": odd})
    tuner.controls.preset_buttons["Odd"].click()
    assert tuner.settings == odd
    assert "activation_threshold 0.6" in tuner.status.value


def test_an_excerpt_is_clipped_to_the_recording():
    recording = load(0)
    _, samples = _decode(excerpt(recording, -1.0, 0.5).wav)
    np.testing.assert_array_equal(samples[:, 0], recording.user[: SAMPLE_RATE_HZ // 2])
    np.testing.assert_array_equal(samples[:, 1], recording.agent[: SAMPLE_RATE_HZ // 2])


@pytest.mark.slow
def test_numbers_show_a_dash_for_no_figure_and_each_n(tuner: Tuner):
    figures = score_one(tuner.scorer.corpus, Settings())
    other = figures.copy()
    other.loc["latency_mean", ["value", "n"]] = [np.nan, 1]
    html = numbers_html({"now": figures, "<then>": other}, phases=2)
    assert ">–<" in html
    assert f">{int(figures['n']['latency_mean'])}/1<" in html
    assert "&lt;then&gt;" in html
    assert "Averages over 2 takes." in html


def test_on_a_running_loop_a_call_comes_later_and_can_be_cancelled():
    import asyncio

    async def main() -> list[int]:
        called: list[int] = []
        on_loop(0.0, lambda: called.append(1))
        on_loop(0.0, lambda: called.append(2))()
        assert not called
        await asyncio.sleep(0.05)
        return called

    assert asyncio.run(main()) == [1]


def _decode(data: bytes) -> tuple[int, np.ndarray]:
    with wave.open(BytesIO(data)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        return file.getframerate(), samples
