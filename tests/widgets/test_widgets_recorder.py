"""Record yourself: what a browser recorded becomes a recording with labels; and a microphone in Chromium."""

from __future__ import annotations

import io
import shutil
import threading
from pathlib import Path

import av
import numpy as np
import pytest
from paths import SAMPLES
from test_browser import CHROMIUM, CHROMIUM_ARGS
from widget_page import live

import lab_utils as lab
from lab_utils.core.labels import user_turns
from lab_utils.core.recording import Pcm
from lab_utils.core.sound import wav
from lab_utils.recordings.find import find_recordings, load_recording

CALL = SAMPLES / "02_lost_parcel.flac"


@pytest.fixture(scope="module")
def spoken() -> Pcm:
    """One turn of a caller with a pause inside, and two seconds of silence."""
    call = load_recording(find_recordings(CALL)[0])
    assert call.labels is not None
    turns = user_turns(call.labels)
    turn = min((one for one in turns if len(one.ipus) > 1), key=lambda one: one.end_s - one.start_s)
    first, last = (round(16_000 * at_s) for at_s in (turn.start_s - 0.5, turn.end_s + 0.2))
    return np.concatenate((call.user[max(0, first) : last], np.zeros(24_000, np.int16)))


def webm(pcm: Pcm) -> bytes:
    """As browsers record: Opus in WebM."""
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as container:
        stream = container.add_stream("libopus", rate=48_000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.repeat(pcm, 3)[None, :], format="s16", layout="mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.slow
def test_a_turn_becomes_a_recording_that_can_be_measured(spoken: Pcm, tmp_path: Path) -> None:
    recorder = lab.Recorder(CALL, folder=tmp_path / "mine", cache=tmp_path / "traces")
    assert recorder.path == str(CALL)
    said = recorder.record(webm(spoken), "audio/webm;codecs=opus")
    assert recorder.path == str(tmp_path / "mine" / "turn_01.webm")
    labels = lab.load(recorder.path).labels
    assert labels is not None
    assert [one.kind for one in labels.labels] == ["hold"] * (len(labels.ipus) - 1) + ["shift"]
    assert len(labels.of_kind("hold")) >= 1
    assert said.endswith(f"inside the turn; kept in {recorder.path}")
    grid = {"detector": ["vad"], "min_delay": [0.5]}
    study = lab.measure(recorder.path, grid=grid, phases=1, quiet=True, cache=tmp_path / "traces")
    assert study.counts["turns"] == 1
    recorder.record(wav(spoken[:, None]), "audio/wav")
    assert Path(recorder.path).name == "turn_02.wav"


def test_what_is_no_turn_is_told_and_not_kept(tmp_path: Path) -> None:
    recorder = lab.Recorder(folder=tmp_path / "mine", cache=tmp_path / "traces")
    silence = wav(np.zeros((32_000, 1), np.int16))
    hiss = wav(np.random.default_rng(0).integers(-50, 50, (32_000, 1), np.int16))
    for sound, mime, why in (
        (silence, "audio/wav", "silent throughout"),
        (hiss, "audio/wav", "turn_01.wav: no speech was heard; speak louder"),
        (b"no sound at all", "audio/webm", "turn_01.webm"),
        (silence, "video/x-unknown", "the browser recorded video/x-unknown, expected webm"),
    ):
        recorder._handle_custom_msg({"kind": "recorded", "mime": mime}, [memoryview(sound)])
        assert recorder.said.startswith("Not recorded: ")
        assert why in recorder.said
    recorder._handle_custom_msg({"kind": "recorded"}, [])
    assert recorder.path == ""
    assert not [*(tmp_path / "mine").iterdir()]


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(shutil.which(CHROMIUM) is None, reason=f"no Chromium at {CHROMIUM}")
def test_a_microphone_is_recorded(spoken: Pcm, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    heard = tmp_path / "microphone.wav"
    heard.write_bytes(wav(np.concatenate((np.zeros(8_000, np.int16), spoken))[:, None]))
    recorder = lab.Recorder(CALL, folder=tmp_path / "mine", cache=tmp_path / "traces")
    (tmp_path / "page").mkdir()
    microphone = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    microphone.append(f"--use-file-for-fake-audio-capture={heard}%noloop")
    with live(tmp_path / "page", recorder, threading.Lock()) as address, sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=[*CHROMIUM_ARGS, *microphone])
        page = browser.new_page(viewport={"width": 1024, "height": 600})
        page.goto(address)
        page.get_by_role("button", name="Record").click()
        page.get_by_text("Recording, for a minute at most").wait_for()
        page.wait_for_timeout(1000 * (len(spoken) / 16_000 + 1.0))
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("inside the turn; kept in").wait_for()
        assert page.get_by_label("What you recorded").is_visible()
        browser.close()
        assert lab.load(recorder.path).duration_s > 1.0
        browser = p.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        page = browser.new_page()
        page.goto(address)  # without a microphone, or leave to use it
        page.get_by_role("button", name="Record").click()
        page.get_by_text("What follows uses the sample.").wait_for()
        browser.close()
