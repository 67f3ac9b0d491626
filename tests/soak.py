"""Faults at random for so long (`make soak`), as JSON on stdout: none may lose or change anything.

    python tests/soak.py                             # 20 minutes
    python tests/soak.py --minutes 1 --seed 7        # the same rounds for the same seed
    python tests/soak.py --rounds 1 --only label kill

Each round takes a command in a folder of its own, disturbs it with a fault, and runs it again undisturbed.
That run must end well and give what a run which nobody disturbed gives: the same values in tables, and the
same bytes in all other files (but for the folder's name, and without logs, which tell times). Nothing may be
left running or lying about, no command that ends by itself may show a traceback, and no intact entry of the
cache is lost or made again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kills
import psutil
import soundfile

from lab_utils.turns.cache import FINISHED, BadEntry, read_entry

COMMANDS = ("label", "export", "transcribe", "import", "verify", "run", "sweep", "compare")
"""Those of `kills.CASES` that take seconds."""
WITH_AUDIO = ("import", "verify", "run", "sweep", "compare")
"""What they write follows from the audio as it is."""
ON_CLUSTERS = ("import", "verify", "run", "sweep", "compare")
DAYS_BACK = 3650
BACK = f"""import time
now = time.time
time.time = lambda: now() - {DAYS_BACK * 86_400}
"""


_KEEPERS = re.compile(
    r"Traceback \(most recent call last\):\n  File \"[^\"]*resource_tracker\.py\".*?\nKeyError: '/[^']*'\n",
    re.DOTALL,
)


@dataclass
class Round:
    """One command and one fault."""

    case: kills.Case
    folder: Path
    rng: random.Random
    lasts_s: float
    told: bool = False
    """Whether a disturbed command ended by itself with an error."""
    tracebacks: list[str] = field(default_factory=list)
    """The end of the last of each command that ended by itself."""

    @property
    def mark(self) -> str:
        return str(self.folder)

    def begun(self, *more: str, **how: Any) -> subprocess.Popen[bytes]:
        """The command, under way for a random time."""
        process = kills.started(self.case, self.folder, self.mark, more, **how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(self.rng.uniform(0.1, 1.0) * self.lasts_s)
        return process

    def killed(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is not None:  # it was quicker
            self.ended(process)
            return
        process.kill()
        process.wait()

    def ended(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until it ends by itself. Raises subprocess.TimeoutExpired like `kills.said`."""
        self.hear(kills.said(process))
        self.told |= process.returncode != 0

    def hear(self, text: str) -> None:
        """Note the traceback in what a command said, if there is one.

        Not loky's own: a keeper of semaphores that a fault killed is started anew, and tells of each name
        that it never met. Nothing depends on it.
        """
        others = _KEEPERS.sub("", text)
        if "Traceback" in others:
            self.tracebacks.append(others[others.rindex("Traceback") :][-500:])


def kill(of: Round) -> None:
    """The command is killed."""
    of.killed(of.begun())


def kill_twice(of: Round) -> None:
    """So is the run after it."""
    of.killed(of.begun())
    kills.wait_until_gone(of.mark)
    of.killed(of.begun())


def kill_a_worker(of: Round) -> None:
    """One of its processes is killed; it goes on, or tells."""
    process = of.begun()
    with suppress(psutil.Error):
        children = psutil.Process(process.pid).children(recursive=True)
        if children:
            of.rng.choice(children).kill()
    of.ended(process)


def two_at_once(of: Round) -> None:
    """Two commands work on the same files and the same cache, and one is killed."""
    other = kills.started(of.case, of.folder, of.mark)
    of.killed(of.begun())
    of.ended(other)


def short_files(of: Round) -> None:
    """No file may be longer than so, as on a disk without room."""
    import resource  # Windows has none

    most = of.rng.choice((0, 500, 5_000, 50_000))
    limits = (most, most)
    of.ended(of.begun(limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits)))


def full_disk(of: Round) -> None:
    """The cache lies on a disk with room for little; where none can be mounted, as `short_files`."""
    disk = of.folder / "cache"
    disk.mkdir(exist_ok=True)
    size = of.rng.choice((8, 16, 32, 64))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        short_files(of)
        return
    try:
        of.ended(of.begun())
        shutil.copytree(disk, of.folder / "kept")
    finally:
        unmount(of, disk)
    shutil.copytree(of.folder / "kept", disk, dirs_exist_ok=True)
    shutil.rmtree(of.folder / "kept")


def read_only(of: Round) -> None:
    """The cache can only be read; where nothing can be mounted, nothing happens."""
    disk = of.folder / "cache"
    of.killed(of.begun())
    kills.wait_until_gone(of.mark)
    disk.mkdir(exist_ok=True)
    if subprocess.run(["mount", "--bind", str(disk), str(disk)], capture_output=True, check=False).returncode:
        return
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(disk)], check=True)
        of.ended(of.begun())
    finally:
        unmount(of, disk)


def unmount(of: Round, disk: Path) -> None:
    """Whatever is left running on it."""
    try:
        kills.wait_until_gone(of.mark)
    finally:
        if subprocess.run(["umount", str(disk)], capture_output=True, check=False).returncode:
            subprocess.run(["umount", "-l", str(disk)], check=True)


def damaged_entries(of: Round) -> None:
    """Entries of the cache have a flipped bit, or are cut off, as after half an upload."""
    of.killed(of.begun())
    for path in entries(of.folder):
        content = bytearray(path.read_bytes())
        bit = of.rng.randrange(8 * len(content))
        if of.rng.random() < 0.5:
            content[bit // 8] ^= 1 << bit % 8
            path.write_bytes(content)
        else:
            path.write_bytes(content[: bit // 8])


def clock_set_back(of: Round) -> None:
    """By ten years, and then it is right again: entries are from long ago or from the future."""
    (of.folder / "back").mkdir()
    (of.folder / "back" / "sitecustomize.py").write_text(BACK)
    python = os.pathsep.join([str(of.folder / "back"), os.environ.get("PYTHONPATH", "")])
    of.killed(of.begun(environment={"PYTHONPATH": python}))
    kills.wait_until_gone(of.mark)
    for path in entries(of.folder):  # the kernel's clock can't be set: it dates files as ever
        at_s = time.time() + of.rng.choice((-1, 1)) * DAYS_BACK * 86_400
        os.utime(path, (at_s, at_s))


def changed_recording(of: Round) -> None:
    """The call is another while the command runs, and then it is back."""
    call = of.folder / "call.wav"
    away = call.rename(of.folder / "call.away")
    audio, rate = soundfile.read(away, dtype="int16")
    soundfile.write(call, audio[::-1], rate)
    of.killed(of.begun())
    kills.wait_until_gone(of.mark)
    away.replace(call)


def lost_scheduler(of: Round) -> None:
    """The cluster's scheduler is killed."""
    on_cluster(of, worker=False)


def lost_cluster_worker(of: Round) -> None:
    """Its only worker is killed, and replaced by Dask."""
    on_cluster(of, worker=True)


def on_cluster(of: Round, *, worker: bool) -> None:
    """The command on a cluster of which a worker or the scheduler is killed."""
    file = of.folder / "temporary" / "scheduler.json"
    file.parent.mkdir(exist_ok=True)
    where = ["--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"]
    dask, quiet = [sys.executable, "-m", "dask"], {"stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    environment = os.environ | {"TMPDIR": str(file.parent)}
    cluster = [
        subprocess.Popen([*dask, "scheduler", "--port", "0", *where], env=environment, **quiet),
        subprocess.Popen([*dask, "worker", "--nthreads", "1", *where], env=environment, **quiet),
    ]
    try:
        deadline = time.monotonic() + kills.ENDS_S
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        process = of.begun("--scheduler", address)
        victims = psutil.Process(cluster[1].pid).children(recursive=True) if worker else cluster[:1]
        for one in victims:
            one.kill()
        of.ended(process)
    finally:
        for one in reversed(cluster):
            with suppress(psutil.Error):
                for child in psutil.Process(one.pid).children(recursive=True):
                    child.kill()
            one.kill()
            one.wait()
        shutil.rmtree(file.parent)


FAULTS: dict[str, Callable[[Round], None]] = {
    one.__name__: one
    for one in (
        *(kill, kill_twice, kill_a_worker, two_at_once, short_files, full_disk, read_only, damaged_entries),
        *(clock_set_back, changed_recording, lost_scheduler, lost_cluster_worker),
    )
}


def goes_with(fault: str, command: str) -> bool:
    """Whether a command can be disturbed so."""
    if fault == "changed_recording":
        return command in WITH_AUDIO
    return not fault.startswith("lost_") or command in ON_CLUSTERS


def entries(folder: Path) -> list[Path]:
    return sorted((folder / "cache").glob("??/*.npz"))


def intact(folder: Path) -> dict[Path, Path]:
    """The entries that a run may take as they are and leaves there, and links by which those files are known.

    Their times don't tell whether they were made again: the cache sets them, too, when it uses an old entry.
    """
    (folder / "intact").mkdir()
    found = {}
    for path in entries(folder):
        if path.stem.endswith(FINISHED):  # taken, and removed with the others
            continue
        try:
            read_entry(path, path.stem)
        except (BadEntry, OSError):
            continue
        found[path] = folder / "intact" / path.name
        os.link(path, found[path])
    return found


def disturbed(case: kills.Case, fault: str, folder: Path, rng: random.Random, before: Undisturbed) -> Seen:
    """One round."""
    case.prepare(folder)
    of = Round(case, folder, rng, before.lasts_s)
    FAULTS[fault](of)
    kills.wait_until_gone(of.mark)
    was = intact(folder)
    text = kills.run_to_end(case, folder)
    of.hear(text)
    result = case.result(folder)
    lost = [path for path in was if not path.exists()]
    again = [
        path
        for path, link in was.items()
        if path.exists() and not path.samefile(link) and path.read_bytes() == link.read_bytes()
    ]
    left = [str(path) for path in folder.rglob("*") if path.name.startswith((".lab-", "lab-"))]
    wrong = [
        *(["another result"] if result != before.result else []),
        *(f"a traceback: {one}" for one in of.tracebacks),
        *([f"lost: {lost}"] if lost else []),
        *([f"made again: {again}"] if again else []),
        *([f"left behind: {left}"] if left else []),
    ]
    return Seen(of.told, len(was), "lab: going on: " in text, wrong)


@dataclass(frozen=True)
class Undisturbed:
    """What a command gives, and how long it takes."""

    result: Any
    lasts_s: float


@dataclass(frozen=True)
class Seen:
    """What became of a round."""

    told: bool
    """Whether the disturbed command ended with an error of its own."""
    kept: int
    """Entries of the cache that were there for the run after it."""
    went_on: bool
    """Whether it took finished sessions over."""
    wrong: list[str]


def soak(seconds: float, rounds: int | None, seed: int, only: Sequence[str], folder: Path) -> dict[str, Any]:
    """Rounds until the time is over; counts by command and fault, and what was wrong."""
    rng, ends_s = random.Random(seed), time.monotonic() + seconds
    pairs = [(command, fault) for fault in FAULTS for command in COMMANDS if goes_with(fault, command)]
    pairs = [pair for pair in pairs if not only or pair == tuple(only)]
    known: dict[str, Undisturbed] = {}
    counts, by_command, by_fault, findings = Counter(), Counter(), Counter(), []
    start_s = time.monotonic()
    waiting: list[tuple[str, str]] = []
    while counts["rounds"] < rounds if rounds else time.monotonic() < ends_s:
        if not waiting:  # each pair once before any comes again
            waiting = rng.sample(pairs, len(pairs))
        command, fault = waiting.pop()
        case, number = kills.CASES[command], counts["rounds"]
        own = folder / f"{number} {command} {fault}"
        try:
            if command not in known:
                known[command] = undisturbed(case, folder / f"{number} {command} undisturbed")
            seen = disturbed(case, fault, own, random.Random(f"{seed} {number}"), known[command])
        except Exception as error:  # what it was is a finding like any other
            seen = Seen(False, 0, False, [f"{type(error).__name__}: {error}"])
        counts.update(
            rounds=1,
            told=int(seen.told),
            entries_kept=seen.kept,
            went_on=int(seen.went_on),
            wrong=int(bool(seen.wrong)),
        )
        by_command[command] += 1
        by_fault[fault] += 1
        findings += [
            {"round": number, "command": command, "fault": fault, "wrong": one} for one in seen.wrong
        ]
        print(
            f"soak: {number} {command}, {fault}: {'; '.join(seen.wrong) or 'well'}",
            file=sys.stderr,
            flush=True,
        )
        for process in kills.running(str(own)):  # after a finding
            with suppress(psutil.Error):
                process.kill()
        shutil.rmtree(own, ignore_errors=True)
    return {
        "seed": seed,
        "seconds": round(time.monotonic() - start_s),
        **{name: counts[name] for name in ("rounds", "told", "entries_kept", "went_on", "wrong")},
        "by_command": dict(sorted(by_command.items())),
        "by_fault": dict(sorted(by_fault.items())),
        "findings": findings,
    }


def undisturbed(case: kills.Case, folder: Path) -> Undisturbed:
    case.prepare(folder)
    start_s = time.monotonic()
    kills.run_to_end(case, folder)
    lasts_s = time.monotonic() - start_s
    found = Undisturbed(case.result(folder), lasts_s)
    shutil.rmtree(folder, ignore_errors=True)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Faults at random; none may lose or change anything.")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, help="as many instead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs=2, default=(), metavar=("COMMAND", "FAULT"))
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        try:
            found = soak(60 * given.minutes, given.rounds, given.seed, given.only, Path(folder))
        finally:
            shutil.rmtree(kills.SWEPT, ignore_errors=True)
    json.dump(found, sys.stdout, indent=1)
    print()
    return int(found["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
