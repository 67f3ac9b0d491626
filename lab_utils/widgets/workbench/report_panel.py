"""Export of what the tuner says as a profile, and a page to send about it."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Callable
from html import escape
from pathlib import Path

import ipywidgets as w

from ...core.errors import machine_error_text
from ...workflows.report import report_page, verdict, write_page
from ...workflows.study import Choice, Study

LINKED_MB = 20
"""A page of up to so much can be had through the browser too; a larger one only from its folder."""


class ReportPanel(w.VBox):
    """Buttons that write `NAME.yaml` and `NAME.html` into a folder; what they wrote is said below.

    `choice` gives the setting to write, with its figures.
    """

    def __init__(self, study: Study, choice: Callable[[], Choice], folder: Path) -> None:
        self._study, self._choice = study, choice
        wide = {"layout": {"width": "420px"}, "style": {"description_width": "60px"}}
        flush = {"indent": False, "layout": {"width": "auto"}}
        self.name = w.Text(value="my-agent", description="name", **wide)
        self.folder = w.Text(value=str(folder), description="folder", **wide)
        self.sound = w.Checkbox(description="with sound: callers' voices will be in the page", **flush)
        self.words = w.Checkbox(description="with words: what callers had said will be in the page", **flush)
        self.export = w.Button(description="Export profile", layout={"width": "auto"})
        self.report = w.Button(description="Write report", layout={"width": "auto"})
        self.told = w.HTML()
        self.export.on_click(lambda _: self._begin(self._export))
        self.report.on_click(lambda _: self._begin(self._report))
        self._thread: threading.Thread | None = None
        super().__init__(
            [
                w.HTML("What the tuner says, as a profile that an agent loads, and as a page to send."),
                self.name,
                self.folder,
                self.sound,
                self.words,
                w.HBox([self.export, self.report]),
                self.told,
            ]
        )

    def wait(self) -> None:
        """Until what was begun is done."""
        if self._thread is not None:
            self._thread.join()

    def _begin(self, work: Callable[[Choice, str, Path], str]) -> None:
        """Do the work in a thread, so that other controls answer meanwhile."""
        name = self.name.value.strip()
        if not name or Path(name).name != name:
            self._tell(f"the name is {name!r}; give one without slashes, such as support-line")
            return
        for button in (self.export, self.report):
            button.disabled = True
        self._tell("Writing …")
        arguments = (work, self._choice(), name, Path(self.folder.value).expanduser())
        self._thread = threading.Thread(target=self._work, args=arguments, daemon=True)
        self._thread.start()

    def _work(
        self, work: Callable[[Choice, str, Path], str], choice: Choice, name: str, folder: Path
    ) -> None:
        try:
            self.told.value = work(choice, name, folder)
        except OSError as error:
            self._tell(machine_error_text(error))
        except ValueError as error:
            self._tell(str(error))
        finally:
            for button in (self.export, self.report):
                button.disabled = False

    def _tell(self, text: str) -> None:
        self.told.value = f"<p role='status'>{escape(text)}</p>"

    def _export(self, choice: Choice, name: str, folder: Path) -> str:
        path = self._study.export(choice, name, folder / f"{name}.yaml")
        snippet = self._study.profile(choice, name).snippet()
        return (
            f"<p role='status'>Written: <code>{escape(str(path.absolute()))}</code>. Or paste:</p>"
            f"<pre tabindex='0' style='line-height:1.35'>{escape(snippet)}</pre>"
        )

    def _report(self, choice: Choice, name: str, folder: Path) -> str:
        page = report_page(self._study, choice, name=name, sound=self.sound.value, words=self.words.value)
        path = write_page(page, folder / f"{name}.html")
        return (
            f"<p role='status'>Written: <code>{escape(str(path.absolute()))}</code> "
            f"({len(page.encode()) / 1e6:.1f} MB). {_link(page, path.name)}</p>"
            f"<p>{escape(verdict(choice))}</p>"
        )


def _link(page: str, name: str) -> str:
    """The page through the browser, which may be on another machine than the file."""
    data = page.encode()
    if len(data) > LINKED_MB * 1e6:
        return ""
    text = b64encode(data).decode("ascii")
    shown = f"style='text-decoration:underline' download='{escape(name, quote=True)}'"
    return f"<a {shown} href='data:text/html;base64,{text}'>Download it</a>"
