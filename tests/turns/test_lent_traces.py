"""Traced recordings lent through the cache: the same when read, nothing else unpickled, gone afterwards."""

from __future__ import annotations

import errno
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import Turn, labels_of, traced_of
from upath import UPath

from lab_utils.core.traces import Traced
from lab_utils.turns.cache import TraceCache
from lab_utils.turns.cache.lent import lent
from lab_utils.turns.sweep import Corpus


@pytest.fixture
def recordings() -> list[Traced]:
    made = traced_of(labels_of([Turn((1.0, 1.2), ((0.5, "hold"),), 0.6, 2.0)]), tail_s=8.0)
    own = {"path": "/home/me/call.wav", "notes": ("cut",), "told": {"min_delay": 0.5}}
    return [replace(made, name=name, sha256=name * 32, **own) for name in ("ab", "cd")]


def same(one: Traced, other: Traced) -> bool:
    """But for what scoring has no need of."""
    other = replace(other, path=other.name, notes=(), told={})
    return pickle.dumps(one, pickle.HIGHEST_PROTOCOL) == pickle.dumps(other, pickle.HIGHEST_PROTOCOL)


@pytest.mark.parametrize("place", ["folder", "memory://lent"])
def test_workers_read_what_was_lent_one_by_one_and_then_it_is_gone(
    recordings: list[Traced], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab_utils.turns.cache.lent.PART_BYTES", 1000)
    cache = TraceCache(UPath(place) if "://" in place else tmp_path / place)
    with lent(cache, recordings) as there:
        assert len(list(cache.entries())) > 2 * len(recordings), "in parts"
        assert {path.name[:64] for path in cache.of_recording("ab" * 32)} == {"ab" * 32}
        sent = pickle.dumps(there)
        assert len(sent) < 0.5 * sum(len(pickle.dumps(one)) for one in recordings)
        received = pickle.loads(sent)
        assert all(same(received[k], one) for k, one in enumerate(recordings))
        assert received[1] is received[1], "the last one stays"
    assert not list(cache.entries())


def test_traces_are_sent_along_where_the_cache_can_only_be_read(
    recordings: list[Traced], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab_utils.turns.sweep.current", object)  # as if on a cluster
    corpus = Corpus.of(recordings, TraceCache(tmp_path))
    with corpus.for_workers() as lent_ones:
        assert list(TraceCache(tmp_path).entries())
        assert same(lent_ones.recordings[1], recordings[1])

    def read_only(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr("lab_utils.turns.cache.write_whole", read_only)
    with corpus.for_workers() as sent:
        assert sent is corpus


def test_an_error_of_the_work_is_not_taken_for_one_of_lending(
    recordings: list[Traced], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab_utils.turns.sweep.current", object)
    corpus = Corpus.of(recordings, TraceCache(tmp_path))
    with pytest.raises(ValueError, match="of the work"), corpus.for_workers():
        raise ValueError("of the work")


def test_what_is_not_exactly_what_was_lent_is_refused(recordings: list[Traced], tmp_path: Path) -> None:
    cache = TraceCache(tmp_path)
    with lent(cache, recordings) as there:
        (path,) = cache.of_recording("ab" * 32)
        other = pickle.dumps(print, pickle.HIGHEST_PROTOCOL)  # an entry as it should be, of something else
        cache.store(path.stem, pickled=np.frombuffer(other, np.uint8))
        with pytest.raises(ValueError, match="put there for the workers aren't there, or not whole"):
            there[0]
        assert same(there[1], recordings[1])
        cache.remove(cache.of_recording("cd" * 32)[0].stem)
        with pytest.raises(ValueError, match="give a cache that all machines share"):
            pickle.loads(pickle.dumps(there))[1]
