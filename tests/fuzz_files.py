"""Fuzzing targets: what isn't imported through a folder of calls. See `fuzz.py`.

Profiles and provider profiles (YAML), entries of the cache, the JSON of speech-to-text programs, and
compressed audio whose time stamps count.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fuzz_target import Target, dumped, imports_soundly
from opus_tracks import BURSTS, bursts, mux, ogg, packets, sent
from paths import ROOT, TESTS
from recording_fixtures import one_line
from recordings.test_annotation_kinds import READ, REFUSED

from lab_utils.recordings.annotations import BadAnnotation, read_annotation
from lab_utils.recordings.annotations.roles import annotation_of, guess_roles, labels_of
from lab_utils.session.providers.files import load_providers
from lab_utils.turns.cache import TraceCache
from lab_utils.turns.profile import load_profile, to_yaml

PROVIDERS = ROOT / "profiles" / "providers"
ADDRESS = "ab12-fuzzed"


def _loading(name: str, load: Callable[[Path], object]) -> Callable[[Path], Callable[[bytes], None]]:
    """Fuzzes a file that is read by `load`, which may raise ValueError."""

    def prepare(folder: Path) -> Callable[[bytes], None]:
        path = folder / name

        def try_one(data: bytes) -> None:
            path.write_bytes(data)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    load(path)
                except ValueError as error:
                    one_line(error)

        return try_one

    return prepare


def _profile(path: Path) -> None:
    to_yaml(load_profile(path))


def _cache(folder: Path) -> Callable[[bytes], None]:
    cache = TraceCache(folder)
    path = folder / ADDRESS[:2] / f"{ADDRESS}.npz"
    path.parent.mkdir()

    def try_one(data: bytes) -> None:
        path.write_bytes(data)
        found = cache.load(ADDRESS, ["starts", "ends"])
        assert found is None or [array.tolist() for array in found] == [[1, 2, 3], [4, 5, 6]]

    return try_one


def _cache_seeds() -> tuple[bytes, ...]:
    with tempfile.TemporaryDirectory() as name:
        cache = TraceCache(Path(name))
        cache.store(ADDRESS, starts=np.array([1, 2, 3]), ends=np.array([4, 5, 6]))
        return tuple(path.read_bytes() for path in cache.entries())


def _speech_to_text(path: Path) -> None:
    try:
        found = read_annotation(path)
        roles = guess_roles(found) or dict.fromkeys(found.speakers, "user")
        annotation_of(labels_of(found, roles, 60.0))
    except BadAnnotation as error:
        one_line(error)


def _timed_audio(folder: Path) -> Callable[[bytes], None]:
    """The first byte chooses the container by the file's name."""
    calls = folder / "calls"
    calls.mkdir()
    files = [calls / f"call.{suffix}" for suffix in ("ogg", "webm", "mp4", "mka")]

    def try_one(data: bytes) -> None:
        for path in files:
            path.unlink(missing_ok=True)
        if data:
            files[data[0] % len(files)].write_bytes(data[1:])
        imports_soundly(calls)

    return try_one


def _timed_audio_seeds() -> tuple[bytes, ...]:
    found = packets(bursts(BURSTS, 2.0))
    numbers = sent(len(found))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = [ogg(folder / "a.ogg", found, numbers)]
        made += [mux(folder / f"a.{suffix}", [(found, numbers)] * 2) for suffix in ("webm", "mp4", "mka")]
        return tuple(bytes([k]) + path.read_bytes() for k, path in enumerate(made))


def _files(*paths: Path) -> tuple[bytes, ...]:
    return tuple(path.read_bytes() for path in paths)


def _programs() -> tuple[bytes, ...]:
    return dumped(*(value for value, *_ in READ.values()), *REFUSED.values())


TARGETS = {
    "profile": Target(lambda: _files(TESTS / "golden" / "profile.yaml"), _loading("x.yaml", _profile)),
    "providers": Target(
        lambda: _files(*sorted(PROVIDERS.glob("*.yaml"))), _loading("x.yaml", load_providers)
    ),
    "cache": Target(_cache_seeds, _cache),
    "speech_to_text": Target(_programs, _loading("x.json", _speech_to_text), is_json=True),
    "timed_audio": Target(_timed_audio_seeds, _timed_audio),
}
