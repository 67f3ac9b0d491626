"""The label editor of a study's recordings, one at a time."""

from __future__ import annotations

import ipywidgets as w

from ...core.files.places import Folder
from ...recordings.find import load_recording
from ...turns.cache import cache_folder
from ...turns.tracing import TraceCache, Tracer
from ...workflows.label import LabelledFile, open_labels
from ...workflows.study import Study
from ..label_editor import LabelEditor


class LabelPanel(w.VBox):
    """A menu of recordings, and the label editor of the chosen one."""

    def __init__(self, study: Study, who: str, cache: Folder | None = None) -> None:
        self._study, self._who, self._cache = study, who, cache_folder(cache)
        names = [(name, number) for number, name in enumerate(study.corpus.names)]
        self.recording = w.Dropdown(options=names, description="recording", layout={"width": "340px"})
        self.who = w.Text(value=who, description="your name", layout={"width": "260px"})
        self.note = w.HTML("Corrections count in the sweep when it is run again.")
        self.recording.observe(lambda _: self.edit(), "value")
        self.who.observe(lambda _: self._sign(), "value")
        self._shown: int | None = None
        self._head = w.HBox([self.recording, self.who, self.note], layout={"flex_flow": "row wrap"})
        super().__init__([self._head])
        self.edit()

    @property
    def editor(self) -> LabelEditor | None:
        """The editor that is shown."""
        return self.children[1] if len(self.children) > 1 else None

    def edit(self, recording: str | None = None, at_s: float | None = None) -> None:
        """Show a recording's labels, at a moment if asked; what can't be read is said beside the menu."""
        if recording is not None:
            number = self._study.number(recording)
            if self.recording.value != number:
                self.recording.value = number  # opens it
        if self.editor is None or self._shown != self.recording.value:
            self._show()
        if at_s is not None and self.editor is not None:
            self.editor.go_to(at_s)

    def _show(self) -> None:
        number = self.recording.value
        files = self._study.files[number]
        try:
            known: LabelledFile = open_labels(files.user, self._study.channels, self._cache)
            editor = LabelEditor(load_recording(files), known, Tracer(TraceCache(self._cache)), self._who)
        except (ValueError, OSError) as error:
            self.children = [self._head]
            self.note.value = f"<span role='alert'>{error}</span>"
            return
        self._shown = number
        self.children = [self._head, editor]

    def _sign(self) -> None:
        self._who = self.who.value.strip() or self._who
        if self.editor is not None:
            self.editor.who = self._who
