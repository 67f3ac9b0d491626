"""Settings that a user keeps by name, from one session to the next: one JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from ...core.errors import InputError
from ...core.files import write_whole
from ...core.settings import Settings, parse_settings

MOST_LETTERS = 80


def default_file() -> Path:
    """Where presets are kept: in the user's data folder."""
    return user_data_path("livekit-turn-lab") / "presets.json"


@dataclass(frozen=True)
class Presets:
    """The file of presets. Every change reads it anew, so that two tuners don't lose each other's."""

    path: Path

    def read(self) -> dict[str, Settings]:
        """Name → settings; none if there is no file. Raises ValueError for a file that isn't one of these."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        try:
            return {str(name): parse_settings(values) for name, values in json.loads(text).items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise InputError(
                f"{self.path}: is no file of presets ({error}); move it away, and presets can be saved again"
            ) from None

    def save(self, name: str, settings: Settings) -> None:
        """Add a preset, or give it other settings. Raises OSError if the file can't be written."""
        name = name.strip()
        if not 0 < len(name) <= MOST_LETTERS:
            raise InputError(f"a preset needs a name of 1 to {MOST_LETTERS} letters, got {len(name)}")
        self._write({**self.read(), name: settings})

    def remove(self, name: str) -> None:
        """Forget a preset."""
        self._write({kept: settings for kept, settings in self.read().items() if kept != name})

    def _write(self, presets: Mapping[str, Settings]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        plain = {name: settings.model_dump(mode="json") for name, settings in presets.items()}
        write_whole(self.path, json.dumps(plain, indent=1) + "\n")
