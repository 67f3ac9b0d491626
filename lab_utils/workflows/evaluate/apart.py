"""A package that conflicts with LiveKit's, run by a Python of an environment of its own.

It is asked in JSON, and answers in JSON, between two processes. Of the environment's variables it gets what
it needs to reach the model, and no key but the endpoint's.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ...core.errors import InputError
from ...core.files import BadFile, read_model
from ...core.files.scratch import scratch_folder
from ...core.text import one_line
from .endpoint import Endpoint

Answer = TypeVar("Answer")
NETWORK = ("SSL_CERT_FILE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
"""Variables of the environment that say how a model is reached."""
_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", *NETWORK)
_INSTALLED = """
import sys
from importlib.metadata import distributions
print(sys.version, sorted(f"{one.metadata['Name']} {one.version}" for one in distributions()))
"""
_ASKING_S = 30.0


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """What such a process gets of an environment."""
    return {name: environment[name] for name in _PASSED if name in environment}


@dataclass(frozen=True)
class Apart:
    """A package, and the script of this project's that asks it: `SCRIPT asked.json answers.json`."""

    package: str
    script: Path

    @property
    def remedy(self) -> str:
        """How its environment is made."""
        return f"make an environment for it: python -m venv apart && apart/bin/pip install {self.package}"

    def check(self, python: Path) -> None:
        """Raise InputError for a Python that isn't there or can't be run; before anything is told or sent."""
        if not python.is_file():
            raise InputError(f"--python {python}: no such file; {self.remedy}")
        if not os.access(python, os.X_OK):
            raise InputError(f"--python {python}: can't be run, it isn't executable; {self.remedy}")

    def installed(self, python: Path, environment: Mapping[str, str] = os.environ) -> str:
        """The version of that Python and of each package in its environment; "" if it can't be asked."""
        command = [str(python), "-c", _INSTALLED]
        try:
            done = subprocess.run(
                command,
                env=passed_on(environment),
                capture_output=True,
                text=True,
                timeout=_ASKING_S,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        return done.stdout

    def answers(
        self,
        asked: Mapping[str, Any],
        shape: type[Answer],
        endpoint: Endpoint,
        python: Path,
        timeout_s: float,
        environment: Mapping[str, str] = os.environ,
    ) -> Answer:
        """What the script answers, in a shape that pydantic knows.

        Raises InputError if it can't be run by that Python, and subprocess.TimeoutExpired.
        """
        self.check(python)
        passed = passed_on(environment) | {
            "OPENAI_API_KEY": endpoint.key,
            "OPENAI_BASE_URL": endpoint.base_url,
            "OPENAI_API_BASE": endpoint.base_url,
        }
        passed["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches a list of prices from GitHub
        with scratch_folder("apart") as folder:
            (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
            command = [python, self.script, folder / "asked.json", folder / "answers.json"]
            try:
                done = subprocess.run(
                    command, env=passed, capture_output=True, text=True, timeout=timeout_s, check=False
                )
            except OSError as error:
                raise InputError(
                    f"--python {python}: can't be run ({error.strerror}); {self.remedy}"
                ) from None
            try:
                return read_model(folder / "answers.json", shape, "answers")
            except (BadFile, OSError):
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                why = endpoint.without_key(one_line(last))
                raise InputError(
                    f"--python {python}: {self.package} can't be run ({why}); {self.remedy}"
                ) from None
