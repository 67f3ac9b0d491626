"""A cache entry that isn't exactly what was stored is made again; the cache is private and bounded."""

from __future__ import annotations

import logging
import os
import stat
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from paths import CASES
from upath import UPath

from lab_utils.turns.cache import TraceCache, largest_cache

ADDRESS = "ab" * 32 + "-livekit-1-0-2"
VALUES = np.linspace(0.0, 1.0, 200, dtype=np.float32)


@pytest.fixture
def cache(tmp_path: Path) -> TraceCache:
    cache = TraceCache(tmp_path / "cache")
    cache.store(ADDRESS, probabilities=VALUES)
    return cache


def entry(cache: TraceCache) -> Path:
    (path,) = cache.entries()
    return path


def test_what_was_stored_is_loaded(cache: TraceCache) -> None:
    (found,) = cache.load(ADDRESS, ["probabilities"]) or [None]
    np.testing.assert_array_equal(found, VALUES)
    words = np.array(["Hello,", "naïve…"], dtype=np.str_)
    cache.store("cd-words", text=words, start_s=np.zeros(2))
    assert [list(one) for one in cache.load("cd-words", ["text", "start_s"]) or []] == [
        list(words),
        [0.0, 0.0],
    ]
    cache.store("ef-none", text=np.array([], dtype=np.str_))
    assert [len(one) for one in cache.load("ef-none", ["text"]) or []] == [0]
    assert cache.load("ab-unknown", ["probabilities"]) is None


FOREIGN = {
    "nan": np.full(200, np.nan, dtype=np.float32),
    "short": VALUES[:3],
    "bool": np.ones(200, dtype=bool),
    "text": np.array(["x"] * 200),
    "dates": np.zeros(200, dtype="datetime64[s]"),
    "two dimensions": np.zeros((2, 100), dtype=np.float32),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_an_entry_put_in_place_is_not_believed(cache: TraceCache, kind: str, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        with entry(cache).open("wb") as file:
            np.savez_compressed(file, probabilities=FOREIGN[kind])
        assert cache.load(ADDRESS, ["probabilities"]) is None
        assert cache.load(ADDRESS, ["probabilities"]) is None
    assert len([record for record in caplog.records if "damaged cache entry" in record.message]) == 1


def test_an_entry_of_another_address_is_not_believed(cache: TraceCache) -> None:
    cache.store("ab-other", probabilities=VALUES[::-1])
    os.replace(cache.folder / "ab" / "ab-other.npz", entry_of(cache, ADDRESS))
    assert cache.load(ADDRESS, ["probabilities"]) is None


def entry_of(cache: TraceCache, address: str) -> Path:
    return cache.folder / address[:2] / f"{address}.npz"


def test_a_header_that_promises_more_than_there_is_takes_no_memory(cache: TraceCache) -> None:
    path = entry(cache)
    with zipfile.ZipFile(path) as archive:
        about = archive.read("about.json")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("about.json", about)
        with archive.open("probabilities.npy", "w") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)}
            np.lib.format.write_array_header_1_0(file, header)
    assert cache.load(ADDRESS, ["probabilities"]) is None


@pytest.mark.skipif(not (CASES / "attack" / "cache").is_dir(), reason="../shared is absent")
def test_every_entry_that_was_tried_on_the_project_is_made_again(cache: TraceCache) -> None:
    path = entry(cache)
    for case in sorted((CASES / "attack" / "cache").glob("*.npz")):
        path.write_bytes(case.read_bytes())
        assert cache.load(ADDRESS, ["probabilities"]) is None, case.name


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_entries_are_the_users_alone(cache: TraceCache) -> None:
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry(cache).parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry(cache).stat().st_mode) == 0o600


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = TraceCache(tmp_path)
    for number in range(4):
        cache.store(f"{number}{number}-a", probabilities=VALUES)
        os.utime(entry_of(cache, f"{number}{number}-a"), (1e9 + number, 1e9 + number))
    assert cache.load("00-a", ["probabilities"]) is not None  # used again: now the newest
    size = entry_of(cache, "00-a").stat().st_size
    removed = cache.prune(2 * size + 10)
    assert [path.stem for path in removed] == ["11-a", "22-a"]
    assert sorted(path.stem for path in cache.entries()) == ["00-a", "33-a"]


def test_what_was_lent_to_workers_goes_first_after_a_day_and_not_before(tmp_path: Path) -> None:
    cache, now_s = TraceCache(tmp_path), time.time()
    lent = [f"{number}{number}-lent-{'0f' * 16}-0" for number in range(2)]
    for address, used_s in (("ab-slow", 1e9), (lent[0], now_s), (lent[1], now_s - 90_000)):
        cache.store(address, probabilities=VALUES)
        os.utime(entry_of(cache, address), (used_s, used_s))
    size = entry_of(cache, "ab-slow").stat().st_size
    assert [path.stem for path in cache.prune(size)] == [lent[1]]
    assert cache.prune(size) == [], "the other isn't counted"
    assert [path.stem for path in cache.prune(0)] == ["ab-slow"]
    assert [path.stem for path in cache.entries()] == [lent[0]]


def test_the_entries_of_a_recording_are_found(cache: TraceCache) -> None:
    cache.store("ab" * 32 + "-agent-livekit-1-0-2", probabilities=VALUES)
    cache.store("ab" * 31 + "cd-livekit-1-0-2", probabilities=VALUES)
    assert len(cache.of_recording("ab" * 32)) == 2
    cache.link("ab" * 32, "ef" * 32)  # as heard over another line
    cache.store("ef" * 32 + "-livekit-1-0-2", probabilities=VALUES)
    assert len(cache.of_recording("ab" * 32)) == 4


@pytest.mark.parametrize(
    ("given", "size"), [("5G", 5 * 10**9), ("500 MB", 500 * 10**6), ("0", 0), ("", 2e10)]
)
def test_the_largest_size_is_read(given: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_CACHE_MAX", given)
    assert largest_cache() == size


@pytest.mark.parametrize("given", ["much", "-1G", "nan", "inf"])
def test_a_size_that_is_none_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_CACHE_MAX", given)
    with pytest.raises(ValueError, match=r"LAB_CACHE_MAX is .*expected a size, such as 5G or 500M"):
        largest_cache()


def test_a_place_of_another_file_system_is_a_cache_too() -> None:
    cache = TraceCache(UPath("memory://traces/of-a-test"))
    cache.store(ADDRESS, probabilities=VALUES)
    cache.store("cd-other", probabilities=VALUES)
    cache.link("ab" * 32, "cd")
    (found,) = cache.load(ADDRESS, ["probabilities"]) or [None]
    np.testing.assert_array_equal(found, VALUES)
    assert cache.load("ab-unknown", ["probabilities"]) is None
    assert {path.stem for path in cache.of_recording("ab" * 32)} >= {ADDRESS, "cd-other"}
    next(iter(cache.of_recording("cd"))).write_bytes(b"damaged")
    assert cache.load("cd-other", ["probabilities"]) is None
    cache.prune(0)
    assert not list(cache.entries())
