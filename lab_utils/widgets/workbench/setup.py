"""What a server hands to its page: a study with its choice, and where to write, in a folder of its own."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import joblib

from ...workflows.study import Choice, Study

STUDY_FILE, SETUP_FILE = "study.joblib", "setup.json"


@dataclass(frozen=True)
class Setup:
    """What the page is told besides the study."""

    out: str
    """Folder that receives profiles, reports and sessions."""
    cache: str | None
    """Folder of the traces; None: the user's."""
    who: str
    """Name that is kept with corrections of labels."""
    jobs: int = 2


def hand_over(folder: Path, study: Study, choice: Choice, setup: Setup) -> None:
    """Write what `taken_over` reads, into a folder that only this user can write to."""
    joblib.dump((study, choice), folder / STUDY_FILE)
    (folder / SETUP_FILE).write_text(json.dumps(asdict(setup)), encoding="utf-8")


def taken_over(folder: Path) -> tuple[Study, Choice, Setup]:
    """What `hand_over` has written."""
    study, choice = joblib.load(folder / STUDY_FILE)
    return study, choice, Setup(**json.loads((folder / SETUP_FILE).read_text(encoding="utf-8")))
