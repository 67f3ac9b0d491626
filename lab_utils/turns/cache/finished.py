"""What finished sessions came to, kept until their command has ended well: a killed one goes on from there.

A session is found by a key of all that it is made of (`core.batch.made_of`); what it came to is JSON in an
entry of the cache, checked like all others. What is damaged, of other content or software, or couldn't be
kept is run again. When the command has ended well its entries are removed, so that the same command given
once more runs every session; what nobody goes on from is pruned after a week (`TraceCache.prune`).

Two runs at once share the work: the second, which finds the first one's mark (`marks.py`), begins at the end,
and each takes what the other has finished meanwhile; where they meet, what both have in hand is made twice.
Both leave the entries to the other.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from pydantic import TypeAdapter

from ...core.batch import Done, Failed, Outcome, Skipped, run_batch
from ...core.batch.made_of import Keys, Software, Unkeyed
from ...core.files.places import Folder
from . import FINISHED, TraceCache
from .marks import Mark

T = TypeVar("T")
_MET = "another run has it"
_THREADS = 16
"""A store takes its time for each answer."""


class HasFailure(Protocol):
    """What a session came to that may have failed."""

    @property
    def failure(self) -> str: ...


def came_to_its_end(of: HasFailure) -> bool:
    """Whether a session didn't fail; the next run tries one that did again."""
    return not of.failure


def _always(_: Any) -> bool:
    return True


@dataclass(frozen=True)
class Kept(Generic[T]):
    """How what a session came to is kept."""

    of: type[T]
    """As pydantic writes and reads it."""
    counts: Callable[[T], bool] = _always
    """Whether it may be gone on from: not a session that failed, nor one whose files aren't there."""
    quotes: bool = False
    """Whether it may hold words of a call, which are kept on this machine alone."""

    @property
    def _adapter(self) -> TypeAdapter[T]:
        of: Any = self.of  # a type is hashable, which mypy doubts
        return _adapter(of)

    def text(self, value: T) -> str:
        """As JSON, with NaN and infinity. Raises TypeError for what it doesn't have."""
        return json.dumps(self._adapter.dump_python(value), default=_plain)

    def read(self, text: bytes) -> T:
        """Raises ValueError."""
        return self._adapter.validate_json(text)


def _plain(value: Any) -> Any:
    """What JSON hasn't. Raises TypeError for what can't be kept."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a {type(value).__qualname__} can't be kept")


@functools.cache
def _adapter(of: Any) -> TypeAdapter[Any]:
    return TypeAdapter(of)


@dataclass(frozen=True)
class _Work:
    """Does a call, in its worker, and keeps what it came to as soon as it is done."""

    function: Callable[..., Any]
    kept: Kept[Any]
    cache: TraceCache
    made_with: Software
    """Where the key was made."""

    def __call__(self, address: str, *arguments: Any) -> tuple[Any, bool, str]:
        """The result, whether it was kept here, and why it couldn't be."""
        if (met := _read(self.cache, self.kept, address)) is not None:
            return met[0], False, _MET
        value = self.function(*arguments)
        keep = False
        try:
            now = Keys(self.made_with).of(self.function, *arguments)
            if self.kept.counts(value):
                if f"{now}{FINISHED}" != address:
                    raise ValueError("a file changed meanwhile, or workers see other times or inodes of it")
                text = self.kept.text(value)
                if self.kept.text(self.kept.read(text.encode())) != text:
                    raise ValueError(f"a {type(value).__qualname__} isn't read back as it was")
                self.cache.store(address, told=np.frombuffer(text.encode(), dtype=np.uint8))
                keep = True
        except (ValueError, TypeError, OSError) as error:
            return value, False, str(error)
        return value, keep, ""


def _read(cache: TraceCache, kept: Kept[T], address: str) -> tuple[T] | None:
    """What is kept at an address; None if there is nothing to go on from."""
    entry = cache.load(address, ["told"])
    if entry is None:
        return None
    try:
        value = kept.read(entry[0].tobytes())
    except ValueError:
        return None
    return (value,) if kept.counts(value) else None


class Command:
    """A command that goes on where a killed one was."""

    def __init__(self, cache: TraceCache, tell: Callable[[str], None]) -> None:
        self.cache, self._tell = cache, tell
        self._addresses: set[str] = set()
        self._marks: list[Mark] = []
        self._said = self._seen = self._met = False

    def begin(self, addresses: Sequence[str]) -> Mark:
        """Mark that these are worked on."""
        mark = Mark(self.cache, addresses)
        self._marks.append(mark)
        return mark

    def end(self) -> None:
        """This run is no longer under way."""
        for mark in self._marks:
            mark.close()

    def read(self, kept: Kept[T], address: str) -> tuple[T] | None:
        """What is kept at an address; None if there is nothing to go on from."""
        found = _read(self.cache, kept, address)
        if found is not None:
            self._addresses.add(address)
        return found

    def note(self, address: str, is_kept: bool, why_not: str) -> None:
        """That what a session came to was kept, or why it couldn't be.

        The first one is looked for: a cluster's workers may have a folder of the same name for themselves.
        """
        for mark in self._marks[-1:]:  # of the run under way
            mark.renew()
        if why_not == _MET:
            self._met |= address not in self._addresses  # two calls may be alike
            return
        self._addresses.add(address)
        if is_kept and not self._seen:
            self._seen = True
            if self.cache.load(address, ["told"]) is None:
                why_not = f"what workers keep in {self.cache.folder} isn't found here; name a --cache for all"
        if why_not:
            self.say_once(why_not)

    def say_once(self, why: str) -> None:
        """Tell why this command won't be gone on from, unless the user knows already."""
        if not self._said:
            self._tell(f"a run that is killed would begin again: {why}")
        self._said = True

    def tell_finished(self, finished: int, calls: int, unit: str) -> None:
        """Tell how many calls of a run aren't made again."""
        if finished:
            self._tell(f"going on: {finished} of {calls} {unit}s were finished before")

    def tell_paid_twice(self, unit: str) -> None:
        """Tell that another run is at work on the same paid calls, from the same end."""
        self._tell(f"another run of this is under way: a {unit} that both have in hand is paid for twice")

    def remove(self) -> None:
        """The command's results are written: nobody goes on from here, unless another run was met."""
        if not self._met:
            with ThreadPoolExecutor(_THREADS) as pool:
                list(pool.map(self.cache.remove, self._addresses))
        self._addresses.clear()


class Run(Generic[T]):
    """The calls of one run, those that were finished before and the rest.

    Outside of `going_on` all are the rest. So they are in a run of a single call, which there is nothing of
    to go on from, and where a call can't be told from another one.
    """

    def __init__(
        self,
        function: Callable[..., T],
        calls: Iterable[tuple[Any, ...]],
        kept: Kept[T],
        unit: str,
        *,
        paid: bool = False,
    ) -> None:
        """`unit`: what a call is called.

        `paid`: a call costs money. Then all are made in order, also beside another run: an error is told as
        it comes, before further calls are paid for.
        """
        self._calls = list(calls)
        self._unit = unit
        self.work: Callable[..., Any] = function
        """What is to be called with each of the `rest`."""
        self._command = _command.get()
        self._addresses: list[str] = []
        self._known: dict[int, T | Exception] = {}
        self._order = list(range(len(self._calls)))
        """In which the rest is worked on."""
        if self._command is None or len(self._calls) < 2:
            return
        if kept.quotes and not isinstance(self._command.cache.folder, Path):
            store = self._command.cache.folder
            self._command.say_once(f"this may quote a call, which isn't kept in a store such as {store}")
            return
        keys = Keys()
        try:
            self._addresses = [f"{keys.of(function, *one)}{FINISHED}" for one in self._calls]
        except Unkeyed as error:
            self._command.say_once(str(error))
            return
        self.work = _Work(function, kept, self._command.cache, keys.made_with)
        with ThreadPoolExecutor(_THREADS) as pool:
            found = pool.map(partial(self._command.read, kept), self._addresses)
            self._known = {number: one[0] for number, one in enumerate(found) if one is not None}
        self._order = [number for number in self._order if number not in self._known]
        mark = self._command.begin(self._addresses)
        if not paid:
            self._order = mark.in_order(self._order)
        elif mark.number:
            self._command.tell_paid_twice(unit)
        self._command.tell_finished(len(self._known), len(self._calls), unit)

    @property
    def rest(self) -> list[tuple[Any, ...]]:
        """What `work` is to be given for each call that isn't finished."""
        if not self._addresses:
            return self._calls
        return [(self._addresses[number], *self._calls[number]) for number in self._order]

    def all(self, answers: Generator[Any]) -> Generator[T | Exception]:
        """What every call came to, in order. `answers`: of the rest, by `work`, or exceptions."""
        order = iter(self._order)
        with closing(answers):
            for number in range(len(self._calls)):
                while number not in self._known:
                    done, answer = next(order), next(answers)
                    if self._addresses and self._command is not None and not isinstance(answer, Exception):
                        answer, is_kept, why_not = answer
                        self._command.note(self._addresses[done], is_kept, why_not)
                    self._known[done] = answer
                yield self._known.pop(number)

    def left(self) -> list[T | Exception]:
        """What is known of calls that `all` has not come to, in their order."""
        return [self._known[number] for number in sorted(self._known)]

    def in_batch(self, task: str, *, jobs: int = 1, quiet: bool = False) -> Generator[Outcome[T]]:
        """What becomes of every call, in order; the rest is worked on by `run_batch`."""
        rest = self.rest
        processes = min(jobs, max(1, len(rest)))
        outcomes = run_batch(
            partial(_called, self.work), rest, jobs=processes, task=task, unit=self._unit, quiet=quiet
        )
        with closing(self.all(_values_or_errors(outcomes))) as answers:
            for answer in answers:
                if not isinstance(answer, Exception):
                    yield Done(answer)
                else:
                    yield Skipped(answer) if isinstance(answer, ValueError) else Failed(answer)

    def say_once(self, why: str) -> None:
        """Tell why the command won't be gone on from, if it could have been."""
        if self._addresses and self._command is not None:
            self._command.say_once(why)


def _called(work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return work(*arguments)


def _values_or_errors(outcomes: Generator[Outcome[Any]]) -> Generator[Any]:
    with closing(outcomes):
        for outcome in outcomes:
            yield outcome.value if isinstance(outcome, Done) else outcome.error


_command: ContextVar[Command | None] = ContextVar("command", default=None)


@contextmanager
def going_on(cache: Folder | None, tell: Callable[[str], None]) -> Iterator[Command]:
    """Inside the block what sessions came to is kept in a cache, and taken from there.

    `tell` is given what the user should know. Who has written the results calls `remove`, or
    `results_are_written`. Raises InputError for a store that doesn't answer.
    """
    command = Command(TraceCache.at(cache), tell)
    token = _command.set(command)
    try:
        yield command
    finally:
        _command.reset(token)
        command.end()


def results_are_written() -> None:
    """Nobody goes on from the present command, whatever becomes of what it prints."""
    if (command := _command.get()) is not None:
        command.remove()
