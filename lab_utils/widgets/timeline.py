"""The timeline of one recording in a notebook: seen, heard, and stepped through by keyboard.

The browser draws (`js/src/timeline.js`); this side sends `TimelineData`, and sound and spectrograms when they
are asked for. Zoom and scroll need no kernel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets as t

from ..core.files.places import Folder
from ..core.recording import Recording
from ..core.settings import USUAL_CONDITIONS, Conditions, Settings
from ..core.sound import excerpt, wav
from ..plots.recordings import LABEL_NAMES
from ..plots.style import BLUE, ORANGE, SKY, VERMILLION
from ..turns.metrics import attribute, labelled_pauses
from ..turns.replay import replay
from ..turns.tracing import TraceCache, Tracer
from ..workflows.load import load
from .timeline_data import TimelineData, spectrogram, timeline_data

STATIC = Path(__file__).parent / "static"
LONG_S = 900.0
"""Longer recordings are sent as Opus: a WAV file of an hour has 230 MB."""
COLOURS = {"user": SKY, "agent": "#888888", "vad": BLUE, "detector": ORANGE, "failure": VERMILLION}


class Timeline(anywidget.AnyWidget):
    """One recording under one setting. Traits are what is shown; `position_s` and `selected` come back."""

    _esm = STATIC / "timeline.js"
    _css = STATIC / "timeline.css"

    title = t.Unicode().tag(sync=True)
    duration_s = t.Float().tag(sync=True)
    channels = t.List(t.Unicode()).tag(sync=True)
    peaks = t.Bytes().tag(sync=True)
    labels = t.List(t.Dict()).tag(sync=True)
    words = t.List(t.Dict()).tag(sync=True)
    vad = t.Bytes().tag(sync=True)
    vad_scale = t.Dict().tag(sync=True)
    threshold = t.Float(None, allow_none=True).tag(sync=True)
    commits = t.List(t.Dict()).tag(sync=True)
    colours = t.Dict(COLOURS).tag(sync=True)
    position_s = t.Float(0.0).tag(sync=True)
    selected = t.Int(None, allow_none=True).tag(sync=True)
    span = t.List(t.Float()).tag(sync=True)
    """What is brought into view, (from_s, to_s); empty for all."""
    said = t.Unicode().tag(sync=True)
    """Told below the picture, also to screen readers."""
    editable = t.Bool(False).tag(sync=True)
    kinds = t.List(t.List(t.Unicode())).tag(sync=True)
    """Kinds of labels, and their names."""

    def __init__(self, recording: Recording, data: TimelineData) -> None:
        super().__init__(**{name: getattr(data, name) for name in data.__dataclass_fields__} | {
            "channels": list(data.channels), "kinds": [list(one) for one in LABEL_NAMES.items()]
        })  # fmt: skip
        self.recording = recording
        self.on_msg(self._answer)

    def play(self, from_s: float, to_s: float) -> None:
        """Play a stretch where the widget is shown."""
        self.send({"kind": "play", "from_s": from_s, "to_s": to_s})

    def show(self, from_s: float, to_s: float, at_s: float | None = None, text: str = "") -> None:
        """Bring a stretch into view, with the playhead at `at_s`, and say `text`."""
        with self.hold_sync():
            self.position_s = from_s if at_s is None else at_s
            self.said = text
            self.span = [from_s, to_s]

    def _answer(self, _: Any, content: dict[str, Any], buffers: list[bytes]) -> None:
        try:
            if content.get("kind") == "sound":
                mime, sound = encoded(self.recording)
                self.send({"kind": "sound", "mime": mime}, buffers=[sound])
            elif content.get("kind") == "spectrogram":
                asked = (float(content["from_s"]), float(content["to_s"]), int(content["columns"]))
                levels = spectrogram(self.recording.user, *asked).levels
                rows, columns = levels.shape
                answer = {"kind": "spectrogram", "rows": rows, "columns": columns}
                self.send(answer, buffers=[levels.tobytes()])
        except (ValueError, OSError, KeyError, TypeError) as error:
            self.send({"kind": "problem", "text": f"{type(error).__name__}: {error}"})


def encoded(recording: Recording) -> tuple[str, bytes]:
    """A recording's sound for a browser: media type and file, user left, agent right."""
    sound = excerpt(recording, 0.0, recording.duration_s)
    if recording.duration_s <= LONG_S:
        return "audio/wav", wav(sound.stereo)
    return "audio/ogg", _opus(sound.stereo)


def _opus(stereo: np.ndarray) -> bytes:
    """16 kHz samples, shape=(n, 2), as Opus at 48 kbit/s."""
    import io

    import av

    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000, options={"application": "voip"})
        stream.bit_rate, stream.layout = 48_000, "stereo"
        resampler = av.AudioResampler("s16", "stereo", 48_000)
        step = 16_000 * 10
        for start in range(0, len(stereo), step):
            part = np.ascontiguousarray(stereo[start : start + step]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 16_000, start
            for one in resampler.resample(frame):
                container.mux(stream.encode(one))
        for one in resampler.resample(None):
            container.mux(stream.encode(one))
        container.mux(stream.encode(None))
    return file.getvalue()


def timeline(
    recording: str | Path | Recording,
    settings: Settings | None = None,
    *,
    conditions: Conditions = USUAL_CONDITIONS,
    cache: Folder | None = None,
) -> Timeline:
    """The timeline of a recording, or of the one in a file, under a setting (default: LiveKit's defaults).

    What isn't traced yet is traced and cached. Raises BadRecording as `load` does.
    """
    settings = settings or Settings()
    if not isinstance(recording, Recording):
        recording = load(recording, cache=cache)
    tracer = Tracer(TraceCache.at(cache))
    traced = tracer.trace_session(recording, settings, conditions)
    commits = attribute(replay(traced, settings, conditions), labelled_pauses(traced.labels, traced.tail_s))
    return Timeline(recording, timeline_data(recording, traced, commits, settings))
