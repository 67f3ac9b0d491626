"""Draw settings over one's own recordings and compare each; in worker processes.

A case whose replay or session could not be run at all is a mismatch; a recording that can't be used is left
out with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tqdm.auto import tqdm

from ...core.files.places import Folder
from ...recordings.audio import BadRecording
from ...recordings.find import RecordingFiles, find_every
from ...session.workers import in_workers
from ...turns.cache import cache_folder
from ...turns.cache.finished import Kept, Run, came_to_its_end
from ...turns.detectors import Predictor, check_weights
from .cases import Case, draw_cases
from .compare import Outcome, verify_case
from .summary import Verification

Named = tuple[str, Predictor | None]
"""A detector's name in settings, and what predicts for a user's own."""


def verify(
    paths: Sequence[str | Path],
    settings: int = 24,
    *,
    seed: int = 0,
    case: int | None = None,
    cache: Folder | None = None,
    jobs: int = 2,
    channels: tuple[str, str] = ("caller", "agent"),
    quiet: bool = False,
    detector: Named | None = None,
    every: Sequence[Named] = (),
) -> Verification:
    """Draw `settings` cases over the recordings, or take the one case of a number, and compare each.

    The case of a number is the same in every draw with the same seed, recordings and detectors. `detector`: a
    user's own (`own_detector`), or one of the lab's without a predictor, which takes the place of v1-mini in
    all cases; `every`: several of either kind, which take turns (`every_detector`).
    Raises BadRecording if no recording can be used, InputError without a text detector's weights.
    """
    named = [*every, *([detector] if detector else [])]
    check_weights(name for name, _ in named)
    files = find_every(paths, channels)
    in_turn, instead = [name for name, _ in every], detector[0] if detector else ""
    cases = draw_cases(settings if case is None else case + 1, len(files), seed, in_turn, instead)
    if case is not None:
        cases = [one for one in cases if one.number == case]
    own = {name: predictor for name, predictor in named if predictor is not None}
    outcomes: list[Outcome] = []
    skipped: dict[str, None] = {}
    try:
        answers = compare_cases(files, cases, cache=cache, processes=min(jobs, len(cases)), own=own)
        with tqdm(total=len(cases), desc="comparing", unit="setting", disable=quiet) as bar:
            for one, answer in zip(cases, answers, strict=True):
                bar.update()
                if isinstance(answer, BadRecording):
                    skipped[str(answer)] = None
                elif isinstance(answer, Exception):
                    failure = " ".join(f"{type(answer).__name__}: {answer}".splitlines())
                    outcomes.append(Outcome(one, files[one.recording].name, (), (), 0, failure))
                else:
                    outcomes.append(answer)
    except KeyboardInterrupt as interrupt:
        wrong = [outcome.case.number for outcome in outcomes if not outcome.agrees]
        found_wrong = f"these disagree: {wrong}" if wrong else "all agree"
        raise KeyboardInterrupt(
            f"{len(outcomes)} of {len(cases)} setting(s) compared, {found_wrong}"
        ) from interrupt
    if not outcomes:
        raise BadRecording("; ".join(skipped))
    outcomes.sort(key=lambda outcome: outcome.case.number)
    return Verification(seed, tuple(map(str, paths)), tuple(outcomes), tuple(skipped))


def compare_cases(
    files: Sequence[RecordingFiles],
    cases: Sequence[Case],
    *,
    cache: Folder | None = None,
    processes: int = 2,
    own: Mapping[str, Predictor] | None = None,
) -> Iterator[Outcome | Exception]:
    """The outcome of each case, in order; an exception where a recording can't be used."""
    folder = cache_folder(cache)
    arguments = ((files[case.recording], case, folder, own) for case in cases)
    run = Run(verify_case, arguments, Kept(Outcome, came_to_its_end), "setting")
    return run.all(in_workers(run.work, run.rest, processes))
