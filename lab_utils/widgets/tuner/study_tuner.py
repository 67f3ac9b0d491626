"""The tuner for a study: starts at LiveKit's defaults; exports, copies and keeps what its controls say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.files.places import Folder
from ...core.settings import Settings
from ...core.traces import Traced
from ...turns.profile import BadProfile, Profile, load_profile, save_profile
from ...turns.replay import Block
from ...turns.sweep import score_one
from ...turns.told_settings import as_recorded, own_settings
from ...turns.tracing import TraceCache, Tracer
from ...workflows.study import Choice, Study
from .presets import Presets, default_file
from .scorer import Deliver
from .tuner import TunerView

DEFAULTS = "LiveKit's defaults"


@dataclass(frozen=True)
class Completer:
    """Adds to the trace of a study's recording the predictions that a setting leads to."""

    study: Study
    tracer: Tracer

    def __call__(self, number: int, traced: Traced, settings: Settings) -> Traced:
        block = Block.of(settings, self.study.conditions)
        return self.tracer.complete(self.study.load(number), traced, [block])


class Tuner(TunerView):
    """The tuner of a study. What it needs beyond the traces is computed off the kernel's thread, and cached.

    `choice`: drawn and offered beside LiveKit's defaults. `presets_file`: where settings kept by name are;
    None: in the user's data folder.
    """

    def __init__(
        self,
        study: Study,
        choice: Choice | None = None,
        cache: Folder | None = None,
        *,
        presets_file: Path | None = None,
        deliver: Deliver | None = None,
    ) -> None:
        self._study, self._choice = study, choice
        self._kept = Presets(presets_file or default_file())
        own = choice.own if choice else as_recorded(study.corpus, study.conditions)
        marks = {} if own is None else {own.title: own.figures}
        presets = {DEFAULTS: study.defaults} | _told(study)
        if choice is not None:
            marks["chosen"] = choice.chosen
            presets["Chosen setting"] = choice.settings
        super().__init__(
            study.corpus,
            study.table,
            study.conditions,
            start=study.defaults,
            start_name=DEFAULTS,
            complete=Completer(study, Tracer(TraceCache.at(cache))),
            marks=marks,
            presets=presets,
            deliver=deliver,
        )
        self._given = dict(presets)
        try:
            self._list_presets()
        except (ValueError, OSError) as error:
            self.problem = str(error)

    @property
    def choice(self) -> Choice:
        """What the controls say, with its figures, to be exported instead of what the study chose."""
        self.settle()
        figures = score_one(self.scorer.corpus, self.settings, self._study.conditions)
        base = self._choice or self._study.choose(nearest=True)
        return replace(
            base, settings=self.settings, chosen=figures, held_out=None, guarantee=None, by_hand=True
        )

    @property
    def study(self) -> Study:
        """The study with the predictions that the tuner has added."""
        return replace(self._study, corpus=self.scorer.corpus)

    def export(self, name: str, path: str | Path) -> Path:
        """Write what the controls say as a profile with its evidence; a profile that is there is replaced.

        Raises ValueError if a file is there that is no profile, or OSError if it can't be written.
        """
        target = Path(path).expanduser()
        if target.is_dir():
            raise InputError(f"{target}: is a folder; name a file")
        if target.exists():
            try:
                load_profile(target)
            except BadProfile as bad:
                raise InputError(
                    f"{target}: is there and is no profile that loads ({bad}); move it, or name another file"
                ) from None
        target.parent.mkdir(parents=True, exist_ok=True)
        save_profile(self._study.profile(self.choice, name, dt.date.today()), target)
        return target

    def load(self, path: str | Path) -> Profile:
        """Move the controls to a profile's settings. Raises BadProfile."""
        profile = load_profile(Path(path).expanduser())
        self.set(profile.settings)
        return profile

    def snippet(self, language: str = "python", name: str = "tuned") -> str:
        """Code to paste that builds the session with what the controls say; `language`: python or node."""
        profile = Profile(name=name, settings=self.settings)
        if language not in ("python", "node"):
            raise InputError(f"a snippet is python or node, got {language!r}")
        return profile.snippet() if language == "python" else profile.node_snippet()

    def _acts(self) -> dict[str, Callable[[dict[str, Any]], None]]:
        return super()._acts() | {
            "export": lambda asked: self._export(str(asked["name"]), str(asked["path"])),
            "load": lambda asked: self._load(str(asked["path"])),
            "snippet": lambda asked: self._send_snippet(str(asked["language"]), str(asked["name"])),
            "keep": lambda asked: self._keep(str(asked["name"])),
            "forget": lambda asked: self._forget(str(asked["name"])),
        }

    def _export(self, name: str, path: str) -> None:
        if not self._shown.exact or self._shown.settings != self.settings:
            raise InputError("the figures aren't there yet; export when they are, for they go into the file")
        written = self.export(_named(name), path.strip() or "my-agent.yaml")
        self.said = f"Wrote {written.resolve()}"

    def _load(self, path: str) -> None:
        profile = self.load(path.strip())
        self.said = f"Loaded {profile.name}"

    def _send_snippet(self, language: str, name: str) -> None:
        self.send({"kind": "snippet", "language": language, "text": self.snippet(language, _named(name))})

    def _keep(self, name: str) -> None:
        if name.strip() in self._given:
            raise InputError(f"{name.strip()!r} is taken; choose another name")
        self._kept.save(name, self.settings)
        self._list_presets()
        self.said = f"Saved as {name.strip()}"

    def _forget(self, name: str) -> None:
        self._kept.remove(name)
        self._list_presets()
        self.said = f"Removed {name}"

    def _list_presets(self) -> None:
        kept = self._kept.read()
        self._presets = {**kept, **self._given}
        self.presets = [
            *({"name": name, "kept": False} for name in self._given),
            *({"name": name, "kept": True} for name in kept if name not in self._given),
        ]


def _named(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= 200:
        raise InputError(f"a profile needs a name of 1 to 200 letters, got {len(name)}")
    return name


def _told(study: Study) -> dict[str, Settings]:
    """The settings that the recorded sessions tell to have had, where all tell the same."""
    found = {
        own[0] for one in study.corpus.recordings if (own := own_settings(one.told, one.labels)) is not None
    }
    return {"Your production's settings": found.pop()} if len(found) == 1 else {}
