"""A results folder that can't be opened again is told by name, with what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab_utils.workflows.study import reopen_study

GOOD = (Path(__file__).resolve().parent.parent / "golden" / "0.1.0" / "sweep" / "summary.json").read_text(
    "utf-8"
)


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("", r"summary\.json: is empty"),
        (GOOD[:200], "damaged or cut off: not JSON"),
        ("[]", "expected a summary of this version"),
        (GOOD.replace('"version": 1', '"version": 9'), "version: expected 1, got 9"),
        (GOOD.replace('"phases"', '"phase"'), "phases: missing"),
        (GOOD.replace('"phases": 1', '"phases": "1"'), "phases: expected a valid integer, got '1'"),
        (GOOD.replace('"stt_silence": 0.5', '"stt_silence": -1'), "conditions.stt_silence: expected greater"),
    ],
)
def test_what_is_wrong_with_a_summary_is_told(tmp_path: Path, text: str, finding: str) -> None:
    (tmp_path / "summary.json").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=rf"{finding}.*; run 'lab sweep' again"):
        reopen_study(tmp_path, jobs=1, quiet=True)


def test_a_folder_without_a_summary_names_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file; give a folder made by 'lab sweep' or 'lab demo'"):
        reopen_study(tmp_path, jobs=1, quiet=True)
