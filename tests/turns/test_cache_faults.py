"""What a store's faults cost: entries made again are counted, none is lost, and no figure is wrong."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem
from paths import SAMPLES
from upath import UPath

from lab_utils.recordings.audio import BadRecording
from lab_utils.turns.cache import TraceCache
from lab_utils.workflows.study import measure

ADDRESS = "ab" * 32 + "-livekit-1-0-2"
NAMES = ["p", "words"]
ARRAYS = {"p": np.linspace(0, 1, 4, dtype=np.float32), "words": np.array(["a", "bc", "d", ""])}
PAGE = 4096
"""Of a tmpfs."""
TEN_YEARS_S = 10 * 365 * 86_400
REAL_TIME = time.time
GRID = {"vad": ["silero"], "detector": ["vad"], "min_delay": [0.3, 0.6]}


# --- an entry flipped bit by bit -------------------------------------------------------------------------


def loaded(cache: TraceCache) -> list[np.ndarray] | None:
    return cache.load(ADDRESS, NAMES)


def is_right(found: list[np.ndarray]) -> bool:
    pairs = zip(found, ARRAYS.values(), strict=True)
    return all(one.dtype == kept.dtype and np.array_equal(one, kept) for one, kept in pairs)


def test_no_flipped_bit_of_an_entry_gives_a_wrong_figure(tmp_path: Path) -> None:
    """Two bits of every byte of a small entry, and half an entry of every length."""
    cache, rng = TraceCache(tmp_path), random.Random(0)
    cache.store(ADDRESS, **ARRAYS)
    (path,) = cache.entries()
    whole = path.read_bytes()
    flipped = 0
    for bit in (8 * byte + k for byte in range(len(whole)) for k in rng.sample(range(8), 2)):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        found = loaded(cache)
        flipped += found is None
        assert found is None or is_right(found), f"bit {bit}"
    assert flipped > len(whole), "of twice as many; the others lie in what a zip file has of no use"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert loaded(cache) is None, f"the first {length} bytes"
    cache.store(ADDRESS, **ARRAYS)
    assert path.read_bytes() == whole


def test_a_sample_of_flipped_bits_of_a_long_entry(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache, rng = TraceCache(tmp_path), random.Random(0)
    long = np.random.default_rng(0).random(20_000)
    cache.store(ADDRESS, p=long)
    (path,) = cache.entries()
    whole = path.read_bytes()
    made_anew = 0
    with caplog.at_level(logging.WARNING):
        for bit in rng.sample(range(8 * len(whole)), 300):
            content = bytearray(whole)
            content[bit // 8] ^= 1 << bit % 8
            path.write_bytes(content)
            found = cache.load(ADDRESS, ["p"])
            assert found is None or np.array_equal(found[0], long), f"bit {bit}"
            if found is None:
                made_anew += 1
                cache.store(ADDRESS, p=long)
                assert path.read_bytes() == whole
    assert made_anew > 290, "of 300"
    told = [record.message for record in caplog.records if "damaged cache entry" in record.message]
    assert len(told) == 1, "of the first, and not of the others"


# --- stores that fail, and what a sweep of two calls makes anew --------------------------------------------


@dataclass(frozen=True)
class Kept:
    """Of a sweep that nothing disturbed: its figures, and what was kept."""

    figures: dict[str, list[Any]]
    entries: dict[str, bytes]
    addresses: list[str]
    """As they were stored, some again with more predictions."""

    def without(self, entries: Container[str]) -> list[str]:
        """What is stored where some entries are there."""
        return [address for address in self.addresses if f"{address}.npz" not in entries]


@pytest.fixture(scope="module", autouse=True)
def unknown() -> Iterator[None]:
    """Whether files are known depends on how old they are."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("lab_utils.turns.cache.known.JUST_NOW_S", 1e9)
        yield


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two short calls, which a sweep traces in a second."""
    folder, made = tmp_path_factory.mktemp("calls"), []
    for name, start in (("one", 0), ("two", 12)):
        audio, rate = soundfile.read(SAMPLES / "02_lost_parcel.flac", dtype="int16")
        made.append(folder / f"{name}.wav")
        soundfile.write(made[-1], audio[start * rate : (start + 12) * rate], rate)
    return made


def swept(calls: list[Path], cache: Any) -> dict[str, list[Any]]:
    """The figures of a small sweep. Raises ValueError for a call that can't be used."""
    found = measure(calls, grid=GRID, phases=1, cache=cache, jobs=1, quiet=True)
    if found.skipped:
        raise ValueError("; ".join(one.reason for one in found.skipped))
    return found.table.astype(str).to_dict("list")


@pytest.fixture(scope="module")
def undisturbed(calls: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patched:
        addresses = stored(patched)
        figures = swept(calls, folder)
    return Kept(figures, content(folder), addresses)


def content(folder: Any) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in TraceCache.at(folder).entries()}


@pytest.fixture
def store() -> Iterator[UPath]:
    """As one of fsspec's that other machines reach."""
    place = UPath("memory://cache-faults/traces")
    yield place
    place.fs.rm(place.path, recursive=True)


def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = MemoryFileSystem._open

    def only_read(self: Any, path: str, mode: str = "rb", **how: Any) -> Any:
        if mode != "rb":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return opened(self, path, mode, **how)

    def stays(self: Any, path: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    monkeypatch.setattr(MemoryFileSystem, "_open", only_read)
    monkeypatch.setattr(MemoryFileSystem, "rm_file", stays)


def room_for(monkeypatch: pytest.MonkeyPatch, n_bytes: int, number: int) -> None:
    """Half a file stays of the one that doesn't fit any more, or during which the connection broke."""
    left, write = [n_bytes], MemoryFile.write

    def fits(self: Any, data: bytes) -> int:
        written = write(self, data[: left[0]])
        left[0] -= written
        if written < len(data):
            raise OSError(number, os.strerror(number))
        return written

    monkeypatch.setattr(MemoryFile, "write", fits)


def stored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that are stored from now on."""
    addresses, store = [], TraceCache.store

    def noted(self: TraceCache, address: str, **arrays: np.ndarray) -> None:
        store(self, address, **arrays)
        addresses.append(address)

    monkeypatch.setattr(TraceCache, "store", noted)
    return addresses


def test_a_store_that_can_only_be_read_is_read_and_what_it_lacks_is_told(
    calls: list[Path], undisturbed: Kept, store: UPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept(calls[:1], store)
    before = content(store)
    with monkeypatch.context() as patched:
        read_only(patched)
        patched.setenv("LAB_CACHE_MAX", "0")  # nothing can be removed, either
        assert len(swept(calls[:1], store)["min_delay"]) == 2
        with pytest.raises(BadRecording, match="traces can't be kept") as told:
            swept(calls[1:], store)
    assert "traces can't be kept (Read-only file system); see that it can be written to" in str(told.value)
    assert content(store) == before
    made = stored(monkeypatch)
    assert swept(calls, store) == undisturbed.figures
    assert content(store) == undisturbed.entries
    assert made == undisturbed.without(before), "nothing twice"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.ECONNRESET])
def test_a_store_without_room_or_half_an_upload_costs_the_entry_in_hand(
    number: int, calls: list[Path], undisturbed: Kept, store: UPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a store that doesn't write whole files leaves it: with half of one."""
    sizes = [len(one) for one in undisturbed.entries.values()]
    with monkeypatch.context() as patched:
        room_for(patched, sum(sizes) - min(sizes) // 2, number)
        with pytest.raises(ValueError, match="traces can't be kept") as told:
            swept(calls, store)
    remedy = "free some space" if number == errno.ENOSPC else "see that it can be written to"
    assert f"traces can't be kept ({os.strerror(number)}); {remedy}" in str(told.value)
    kept = content(store)
    whole = {name for name, data in kept.items() if undisturbed.entries[name] == data}
    assert len(kept) - len(whole) == 1, "half an entry"
    made = stored(monkeypatch)
    assert swept(calls, store) == undisturbed.figures
    assert content(store) == undisturbed.entries
    assert made == undisturbed.without(whole), "the one in hand, and what was to come"


def test_a_full_disk_costs_the_entry_in_hand(
    calls: list[Path], undisturbed: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real one; where none may be mounted, a limit on files' lengths stops the long entries."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, undisturbed.entries):
        with pytest.raises(ValueError, match="traces can't be kept") as told:
            swept(calls, disk / "cache")
        assert "free some space" in str(told.value)
        kept = content(disk / "cache")
        assert 0 < len(kept) < len(undisturbed.entries)
        assert kept.items() <= undisturbed.entries.items(), "no entry is half there"
        assert not [path for path in disk.rglob("*") if path.name.startswith(".lab-")]
        shutil.copytree(disk / "cache", tmp_path / "larger")
    made = stored(monkeypatch)
    assert swept(calls, tmp_path / "larger") == undisturbed.figures
    assert content(tmp_path / "larger") == undisturbed.entries
    assert made == undisturbed.without(kept)


@contextmanager
def small_disk(folder: Path, entries: dict[str, bytes]) -> Iterator[None]:
    """A folder with room for most of the entries and not for all."""
    pages = sum(-(-len(one) // PAGE) for one in entries.values())
    mount = ["mount", "-t", "tmpfs", "-o", f"size={PAGE * (pages - 1)}", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield
        finally:
            subprocess.run(["umount", str(folder)], check=True)
        return
    sizes, before = sorted(map(len, entries.values())), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (sizes[-1] - 1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_clock_that_is_set_back_changes_nothing(
    calls: list[Path], undisturbed: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By ten years, and by a second whenever it is read."""
    swept(calls[:1], tmp_path)
    before = content(tmp_path)
    reads = itertools.count(1)
    monkeypatch.setattr(time, "time", lambda: REAL_TIME() - TEN_YEARS_S - next(reads))
    made = stored(monkeypatch)
    assert swept(calls, tmp_path) == undisturbed.figures
    assert content(tmp_path) == undisturbed.entries
    assert made == undisturbed.without(before)
    assert next(reads) > 2, "it was read"


def test_entries_from_the_future_go_first(tmp_path: Path) -> None:
    """Until they are used again by the clock that was set back."""
    cache, now_s = TraceCache(tmp_path), time.time()
    for number, used_s in enumerate((now_s - 60, now_s + TEN_YEARS_S, now_s + 2 * TEN_YEARS_S)):
        cache.store(f"{number}{number}-a", p=np.zeros(3))
        os.utime(cache.folder / f"{number}{number}" / f"{number}{number}-a.npz", (used_s, used_s))
    assert cache.load("22-a", ["p"]) is not None
    assert [path.stem for path in cache.prune(0)] == ["11-a", "00-a", "22-a"]


def test_a_recording_that_changed_since_it_was_traced_is_traced_anew_and_no_other(
    calls: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [Path(shutil.copy(call, tmp_path)) for call in calls]
    study = measure(own, grid=GRID, phases=1, cache=tmp_path / "cache", jobs=1, quiet=True)
    before = content(tmp_path / "cache")
    audio, rate = soundfile.read(own[0], dtype="int16")
    audio[rate : 2 * rate] //= 2
    soundfile.write(own[0], audio, rate)
    with pytest.raises(
        ValueError, match=r"one\.wav: its audio has changed since it was measured; put the file"
    ):
        study.load("one")
    study.load("two")
    made = stored(monkeypatch)
    again, of_the_changed = swept(own, tmp_path / "cache"), list(made)
    assert again == swept(own, tmp_path / "fresh")
    fresh = content(tmp_path / "fresh")
    assert content(tmp_path / "cache") == before | fresh
    assert of_the_changed == [one for one in made[len(of_the_changed) :] if f"{one}.npz" not in before]
    assert 0 < len(of_the_changed) < len(made) / 2
