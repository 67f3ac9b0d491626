"""Run a command where only the loopback is, and list its attempts to reach anything else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
from paths import ROOT

_OUTWARD = re.compile(r"AF_INET6?\b")
_LOOPBACK = re.compile(r'inet_addr\("127\.|"::1"|"::ffff:127\.')
SECRETS = {
    name: f"secret-of-{name.lower()}-5e1f"
    for name in ("OPENAI_API_KEY", "DEEPGRAM_API_KEY", "LIVEKIT_API_SECRET", "HF_TOKEN", "LAB_TEST_SECRET")
}
"""In the environment of every command that is watched: none may be in what it writes."""


@cache
def apart() -> tuple[str, ...]:
    """The command that begins a network namespace; skips the test where there can be none."""
    if not sys.platform.startswith("linux"):
        pytest.skip("network namespaces are Linux's")
    for tool in ("unshare", "ip", "strace"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}, which isn't installed")
    for options in (("-n",), ("-rn",)):
        command = ("unshare", *options, "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
        if (
            subprocess.run(
                [*command, "strace", "-f", "--seccomp-bpf", "-qq", "true"], capture_output=True, check=False
            ).returncode
            == 0
        ):
            return command
    pytest.skip("this machine permits no network namespace, or no strace")


def watched(
    command: Sequence[str | Path], home: Path, environment: Mapping[str, str] | None = None
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """What a command gave, and its look-ups and connections beyond the loopback, a line each.

    `home` is its home folder, with caches and configuration of its own.
    """
    home.mkdir(parents=True, exist_ok=True)
    log = home.parent / f"{home.name}.strace"
    own = ("XDG_", "LAB_", "ORT_", "HF_")  # set by this project, or by who runs the tests
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    given = {"HOME": str(home), "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"} | SECRETS
    calls = ("strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(log))
    done = subprocess.run(
        [*apart(), *calls, *map(str, command)],
        env=inherited | given | dict(environment or {}),
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
    )
    lines = log.read_text(errors="replace").splitlines()
    return done, [line for line in lines if _OUTWARD.search(line) and not _LOOPBACK.search(line)]


def lab(*arguments: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "lab_utils.cli", *arguments]


def holding_a_secret(*places: Path) -> list[str]:
    """Files below some folders in which a secret of the environment is."""
    found = []
    for place in places:
        for path in place.rglob("*") if place.is_dir() else [place]:
            if path.is_file() and any(secret.encode() in path.read_bytes() for secret in SECRETS.values()):
                found.append(str(path))
    return found
