"""`make mutants`: small faults put into the core one by one; which of them do the module's own tests notice?

A mutant is one changed place of one file: a comparison moved by its boundary, an operator exchanged, a number
moved by one, a condition negated, a statement left out. A seeded sample is drawn over `CORE`. For each, the
tests of that module run in a copy of the project. A mutant that they pass *survived*: a hole in the tests,
unless nothing can tell it from the original. Those are listed, with the reason, in `EQUIVALENT`.

    python tests/mutants.py --number 200 --seed 1 --out mutants.json

Exits with 1 if less than 95 % of the mutants that are not listed die.
"""

from __future__ import annotations

import argparse
import ast
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue

import pytest
import yaml
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
EQUIVALENT = ROOT / "tests" / "mutants_equivalent.yaml"
COPIED = ("lab_utils", "tests", "audio_samples", "profiles", "pyproject.toml")
LEAST_KILLED = 0.95
NO_TESTS = 5
"""pytest's exit code when it has selected none."""
FORKS = multiprocessing.get_context("forkserver")
"""Tests run in processes forked from one that has loaded the libraries, and nothing of the project."""
LIBRARIES = ["_hypothesis_pytestplugin", "hypothesis", "livekit.agents", "pandas", "pydantic", "scipy.stats"]

CORE: dict[str, tuple[str, ...]] = {
    "lab_utils/turns/replay": (
        "tests/turns/test_replay*.py",
        "tests/turns/test_endpointing.py",
        "tests/turns/test_text_replay.py",
        "tests/turns/test_branches.py",
    ),
    "lab_utils/turns/metrics/changes": ("tests/turns/test_changes.py",),
    "lab_utils/turns/metrics/lessons": ("tests/turns/test_lessons.py",),
    "lab_utils/turns/metrics/setting_counts": (
        "tests/turns/test_metrics*.py",
        "tests/turns/test_figures.py",
        "tests/turns/test_sweep.py",
        "tests/turns/test_replay_samples.py",
    ),
    "lab_utils/turns/metrics/pooled": ("tests/turns/test_metrics*.py", "tests/turns/test_sweep.py"),
    "lab_utils/turns/metrics": (
        "tests/turns/test_metrics*.py",
        "tests/turns/test_figures.py",
        "tests/turns/test_uncertainty*.py",
    ),
    "lab_utils/turns/choose": ("tests/turns/test_choose*.py", "tests/turns/test_sweep.py"),
    "lab_utils/turns/profile": ("tests/turns/test_profile*.py",),
    "lab_utils/recordings/labels/edits": ("tests/recordings/test_label_edits.py",),
    "lab_utils/session/clock": ("tests/session/test_clock*.py", "tests/session/test_pace.py"),
    "lab_utils/session/metrics/timeline": ("tests/session/test_session_timeline.py",),
    "lab_utils/session/metrics/scores": ("tests/session/test_session_scores.py",),
    "lab_utils/session/metrics": ("tests/session/test_session_spans.py", "tests/session/test_stages.py"),
    "lab_utils/latency/ablation/guide/verdicts": ("tests/latency/test_ablation_summary.py",),
    "lab_utils/latency/techniques/tool_prefetch": (
        "tests/latency/test_techniques_foresight.py",
        "tests/latency/test_techniques_tool_prefetch.py",
    ),
}
"""Module or folder → the tests that are its own."""

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One changed place."""

    file: str
    line: int
    column: int
    what: str
    before: str
    """The line of the original."""


@dataclass(frozen=True)
class Result:
    """What became of a mutant."""

    mutant: Mutant
    killed: bool
    how: str
    """The first failing test, "timeout", or "survived"."""


def files_of(place: str) -> list[Path]:
    """The source files of one entry of `CORE`."""
    folder = ROOT / place
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def mutations(tree: ast.Module) -> Iterator[tuple[int, ast.AST, str]]:
    """Each node that can be changed: its place in `ast.walk`, itself, and a word for how."""
    told_otherwise = {
        id(inner)
        for node in ast.walk(tree)
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if part is not None
        for inner in ast.walk(part)
    }
    told_otherwise |= {  # `frozen=True`: whoever assigns to a frozen field is told by mypy
        id(inner)
        for node in ast.walk(tree)
        for decorator in getattr(node, "decorator_list", ())
        for inner in ast.walk(decorator)
    }
    # `strict=True` is a check of its own: all that it could tell is that lengths differ which never do.
    told_otherwise |= {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "strict"
    }
    nodes = list(ast.walk(tree))
    for place, node in enumerate(nodes):
        if id(node) in told_otherwise:
            continue
        for what in changes_of(node):
            yield place, node, what


def mutated(source: str, place: int) -> str:
    """The source with the node at a place of `ast.walk` changed."""
    tree = ast.parse(source)
    change(list(ast.walk(tree))[place])
    return ast.unparse(ast.fix_missing_locations(tree))


def changes_of(node: ast.AST) -> list[str]:
    """How a node can be changed."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        return [f"{type(node.ops[0]).__name__} -> {SWAPPED[type(node.ops[0])].__name__}"]
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in SWAPPED:
        return [f"{type(node.op).__name__} -> {SWAPPED[type(node.op)].__name__}"]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        return [f"without {type(node.op).__name__}"]
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return ["+ 1"]
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        return ["negated"]
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        return ["condition negated"]
    if isinstance(node, ast.AugAssign | ast.Raise | ast.Continue | ast.Break):
        return ["left out"]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return ["left out"]
    return []


def change(node: ast.AST) -> None:
    """Change a node in place, as `changes_of` says."""
    if isinstance(node, ast.Compare):
        node.ops[0] = SWAPPED[type(node.ops[0])]()  # type: ignore[call-overload]
    elif isinstance(node, ast.BinOp | ast.BoolOp):
        node.op = SWAPPED[type(node.op)]()  # type: ignore[assignment]
    elif isinstance(node, ast.UnaryOp):
        if isinstance(node.op, ast.USub):
            node.op = ast.UAdd()
        else:
            node.operand = ast.UnaryOp(ast.Not(), node.operand)
    elif isinstance(node, ast.Constant):
        node.value = not node.value if type(node.value) is bool else node.value + 1  # type: ignore[operator]
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    else:
        node.__class__ = ast.Pass  # type: ignore[assignment]
        node.__dict__.pop("value", None)


def sample(number: int, seed: int, only: str = "") -> list[tuple[Mutant, str]]:
    """Mutants drawn without replacement, each with the mutated source; the same seed draws the same."""
    found: list[tuple[Mutant, str, int]] = []
    paths = {path: None for place in CORE for path in files_of(place) if path.exists()}
    for path in paths:
        name = str(path.relative_to(ROOT))
        if only in name:
            source = path.read_text("utf-8")
            lines = source.split("\n")
            for at, node, what in mutations(ast.parse(source)):
                line = getattr(node, "lineno", 1)
                where = Mutant(name, line, getattr(node, "col_offset", 0), what, lines[line - 1].strip())
                found.append((where, source, at))
    random.Random(seed).shuffle(found)
    return [(where, mutated(source, at)) for where, source, at in found[:number]]


def tests_of(file: str) -> list[str]:
    """The test files that are a source file's own."""
    patterns = next(tests for place, tests in CORE.items() if file.startswith(place))
    return [str(path.relative_to(ROOT)) for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def judge(mutant: Mutant, source: str, folder: Path, limit_s: float) -> Result:
    """Run a mutant's tests in a copy of the project."""
    target = folder / mutant.file
    original = target.read_text("utf-8")
    target.write_text(source, "utf-8")
    arguments = ["-q", "-x", "-p", "no:cacheprovider", "--doctest-modules", mutant.file]
    arguments += tests_of(mutant.file)
    try:
        # Most die in the fast tests with few examples; only the others need the whole.
        for marked, profile in (("not slow", "quick"), ("slow or not slow", "mutants")):
            code, told = tested([*arguments, "-m", marked], profile, folder, limit_s)
            if code is None:
                return Result(mutant, True, "timeout")
            if code not in (0, NO_TESTS):
                failed = [line for line in told.splitlines() if line.startswith(("FAILED", "ERROR"))]
                return Result(mutant, True, failed[0].split(" - ")[0] if failed else f"exit {code}")
    finally:
        target.write_text(original, "utf-8")
    return Result(mutant, False, "survived")


def tested(arguments: list[str], profile: str, folder: Path, limit_s: float) -> tuple[int | None, str]:
    """pytest's exit code, None if it takes longer than the limit, and what it printed."""
    out = folder / "pytest.txt"
    process = FORKS.Process(target=run_pytest, args=(arguments, profile, folder, out))
    process.start()
    process.join(limit_s)
    if process.exitcode is None:
        with suppress(ProcessLookupError):  # it may not have got as far as a group of its own
            os.killpg(process.pid or 0, signal.SIGKILL)
        process.kill()
        process.join()
        return None, ""
    return process.exitcode, out.read_text("utf-8", "replace")


def run_pytest(arguments: list[str], profile: str, folder: Path, out: Path) -> None:
    """Run pytest on a copy of the project, in this process, which it ends."""
    os.setsid()  # to be ended with whatever it starts
    os.chdir(folder)
    here = str(Path(__file__).parent)
    sys.path[:] = [str(folder), *(path for path in sys.path if path not in (here, str(ROOT), ""))]
    os.environ |= {
        "HYPOTHESIS_PROFILE": profile,
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    sys.dont_write_bytecode = True
    with out.open("w", encoding="utf-8") as told:
        os.dup2(told.fileno(), 1)
        os.dup2(told.fileno(), 2)
    sys.exit(int(pytest.main(arguments)))


def copy_project(folder: Path) -> Path:
    """What the tests need of the project, in a folder of its own."""
    folder.mkdir()
    for part in COPIED:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part)
        else:
            shutil.copy(ROOT / part, folder / part)
    return folder


def known_equivalent() -> dict[tuple[str, str, str], str]:
    """Mutants that nothing can tell from the original: (file, line's text, change) → why."""
    entries = yaml.safe_load(EQUIVALENT.read_text("utf-8")) or []
    return {(entry["file"], entry["line"], entry["change"]): entry["why"] for entry in entries}


def main() -> int:
    """Draw, run, print; 1 if too many survive."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--limit", type=float, default=300, help="seconds for one mutant's tests")
    parser.add_argument("--only", default="", help="a part of the source file's path")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--again", type=Path, help="only those that survived a former run, by its --out")
    options = parser.parse_args()
    if options.again:
        before = {
            (m["file"], m["before"], m["what"]) for m in json.loads(options.again.read_text())["survived"]
        }
        drawn = [one for one in sample(sys.maxsize, 0) if (one[0].file, one[0].before, one[0].what) in before]
    else:
        drawn = sample(options.number, options.seed, options.only)
    equivalent = known_equivalent()
    listed = [m for m, _ in drawn if (m.file, m.before, m.what) in equivalent]
    work = [(m, source) for m, source in drawn if m not in listed]
    start = time.monotonic()
    FORKS.set_forkserver_preload(LIBRARIES)
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(options.jobs) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.jobs):
            copies.put(copy_project(Path(scratch, str(number))))

        def one(item: tuple[Mutant, str]) -> Result:
            folder = copies.get()
            try:
                return judge(*item, folder, options.limit)
            finally:
                copies.put(folder)

        results = []
        for result in tqdm(pool.map(one, work), total=len(work), desc="mutants", unit="mutant"):
            results.append(result)
            if not result.killed:
                tqdm.write(f"survived  {told(result.mutant)}")
    return report(results, listed, equivalent, time.monotonic() - start, options.out)


def told(mutant: Mutant) -> str:
    """Where a mutant is, and what was changed."""
    return f"{mutant.file}:{mutant.line}:{mutant.column}  {mutant.what}  | {mutant.before}"


def report(
    results: list[Result],
    listed: list[Mutant],
    equivalent: dict[tuple[str, str, str], str],
    seconds: float,
    out: Path | None,
) -> int:
    """Print what survived, and the share that died."""
    survived = [result.mutant for result in results if not result.killed]
    for mutant in survived:
        print(f"survived  {told(mutant)}")
    for mutant in listed:
        print(
            f"equivalent  {mutant.file}:{mutant.line}  {equivalent[mutant.file, mutant.before, mutant.what]}"
        )
    share = 1 - len(survived) / max(1, len(results))
    by_file = Counter(mutant.file for mutant in survived)
    print(f"{len(results) - len(survived)} of {len(results)} died ({share:.1%}), in {seconds:.0f} s")
    if out:
        plain = {
            "killed": len(results) - len(survived),
            "judged": len(results),
            "equivalent": [asdict(mutant) for mutant in listed],
            "survived": [asdict(mutant) for mutant in survived],
            "by_file": dict(by_file),
        }
        out.write_text(json.dumps(plain, indent=1), "utf-8")
    return 0 if share >= LEAST_KILLED else 1


if __name__ == "__main__":
    sys.exit(main())
