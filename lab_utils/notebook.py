"""What the notebooks call, so that they stay thin: measure, listen, tune, export; rehearse, hear, prove.

Each function takes and gives records of the layers below. Pictures come back as images that any Jupyter can
show, with no matplotlib backend chosen.
"""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import HTML, Audio, Image
from pandas.io.formats.style import Styler

from . import grid as grids
from . import plots
from .corpus.importing import Imported
from .corpus.label_checks import ROWS, check_page, label_checks, least_sure_first
from .metrics import LONGEST_HOLD_S, attribute, false_boundaries, heard_replies, session_scores
from .profile import save_profile
from .records import LabelKind, Labels, Recording, Traced
from .rehearsal import Rehearsal, load_call, proof, rehearse
from .replay import Block, replay
from .report import Choice, Study, make_profile, run_study, tradeoff_figure
from .settings import Settings
from .sweep import score_one
from .timeline import SAMPLE_RATE_HZ
from .tracing import TraceCache, Tracer, default_cache
from .widgets.tuner import Tuner, numbers_html, wav, wav_excerpt

__all__ = [
    "check",
    "example",
    "export",
    "found",
    "hear",
    "latencies",
    "lines",
    "listen",
    "load_call",
    "look",
    "measure",
    "numbers",
    "overview",
    "proof",
    "rehearse",
    "said",
    "scores",
    "telling_span",
    "timelines",
    "tradeoff",
    "tuner",
]

FOUND = ("file", "format", "channels", "seconds", "labels from", "words from", "notes")
COMPARED = ["false_boundary_rate", "latency_mean", "missed_rate"]

IMAGE_DPI = 160
"""Drawn finer than shown, for sharp text on any screen."""


def measure(
    path: str | Path,
    *,
    grid: Mapping[str, Sequence[Any]] | None = None,
    phases: int = 4,
    jobs: int = 2,
    cache: Path | None = None,
    channels: tuple[str, str] = ("caller", "agent"),
) -> Study:
    """Load and trace the recordings in a file or folder and score a grid of settings, with progress bars.

    Says which recordings were skipped, and why. Traces are cached: a second run takes seconds.
    """
    table, impossible = grids.expand(grids.DEFAULT_GRID if grid is None else grid)
    study = run_study(
        [path], table, impossible=impossible, phases=phases, jobs=jobs, cache=cache, channels=channels
    )
    for item in study.skipped:
        print(f"skipped: {item.reason}")
    return study


def overview(study: Study) -> pd.DataFrame:
    """One row per recording: its length, what its labels hold, where they come from."""
    rows = [
        {
            "recording": recording.name,
            "seconds": round(recording.duration_s, 1),
            "holds": len(recording.labels.of_kind("hold")),
            "ends of turn": len(recording.labels.of_kind("shift")),
            "backchannels": len(recording.labels.of_kind("backchannel")),
            "cut off": len(recording.labels.of_kind("cut_off")),
            "labels from": recording.labels.source,
            "notes": "; ".join(recording.notes),
        }
        for recording in study.corpus.recordings
    ]
    return pd.DataFrame(rows)


def example(study: Study, kind: LabelKind) -> tuple[int, tuple[float, float]]:
    """Number of a recording and span in seconds: the longest pause with this label, but at most 5 s.

    Raises ValueError if there is none.
    """
    found = [
        (number, (float(start_s), float(end_s)))
        for number, recording in enumerate(study.corpus.recordings)
        for start_s, end_s in recording.labels.of_kind(kind)
        if end_s - start_s <= LONGEST_HOLD_S
    ]
    if not found:
        raise ValueError(f"no recording of this study has a {kind} of at most {LONGEST_HOLD_S:g} s")
    return max(found, key=lambda item: item[1][1] - item[1][0])


def look(
    study: Study, number: int = 0, settings: Settings | None = None, span: tuple[float, float] | None = None
) -> Image:
    """The timeline of one recording, or of a span of seconds; `settings`: LiveKit's defaults if not given."""
    settings = settings or study.defaults
    commits = attribute(replay(study.corpus.recordings[number], settings), study.corpus.marks[number])
    traced = study.corpus.recordings[number]
    return _image(plots.timeline_figure(study.load(number), traced, commits, settings, span=span))


def listen(study: Study, number: int, span: Sequence[float], around_s: float = 2.0) -> Audio:
    """A player for a span of one recording and some seconds around it: user left, agent right."""
    start_s, end_s = span
    excerpt = wav_excerpt(study.load(number), (start_s - around_s, end_s + around_s))
    return Audio(data=excerpt)


def found(imported: Imported) -> Styler:
    """What an import found, one row each: the recordings, then the files that can't be used, and why."""
    rows = [
        {
            "file": _below(imported.folder, entry.files.user),
            "format": entry.files.format,
            "channels": entry.channels,
            "seconds": f"{entry.duration_s:.1f}",
            "labels from": entry.labels_source,
            "words from": entry.words_source,
            "notes": "; ".join(entry.notes),
        }
        for entry in imported.entries
    ]
    skipped = [
        dict.fromkeys(FOUND, "")
        | {"file": _below(imported.folder, item.path), "format": "skipped", "notes": item.reason}
        for item in imported.skipped
    ]
    return _left(pd.DataFrame([*rows, *skipped], columns=FOUND).style.format(escape="html"))


def check(recording: Recording, page: int = 1, *, by_confidence: bool = True, rows: int = ROWS) -> Image:
    """A page of a labelled recording's holds and ends of turn, to check by eye; the least sure first.

    Raises ValueError for a recording without labels and for a page that there isn't.
    """
    if recording.labels is None:
        raise ValueError(f"{recording.name}: has no labels to check; write some with 'lab transcribe'")
    checks = label_checks(recording.labels)
    shown = check_page(least_sure_first(checks) if by_confidence else checks, page, rows)
    order = "least sure first" if by_confidence else "in order of time"
    pages = f"page {page} of {-(-len(checks) // rows)}"
    title = f"{recording.name}: {len(checks)} holds and ends of turn, {order}; {pages}"
    return _image(plots.label_page(recording, recording.labels, shown, title))


def apart(studies: Mapping[str, Study], choice: Choice) -> pd.DataFrame:
    """How two studies of one grid differ: the chosen setting's figures by each, and the most of any setting.

    Columns: the names of the two, and "most". Rows: false_boundary_rate, latency_mean (s), missed_rate.
    """
    one, other = (study.table[COMPARED] for study in studies.values())
    chosen = {name: study.table.loc[choice.row, COMPARED] for name, study in studies.items()}
    return pd.DataFrame(chosen | {"most": (one - other).abs().max()}).astype(float)


def lines(frame: pd.DataFrame) -> Image:
    """How settings hold on bad lines (`report.compare_lines`)."""
    return _image(plots.line_figure(frame))


def tradeoff(study: Study, choice: Choice) -> Image:
    """All settings of the sweep, the frontier, LiveKit's defaults and the choice."""
    return _image(tradeoff_figure(study, choice))


def numbers(study: Study, choice: Choice) -> HTML:
    """The choice beside LiveKit's defaults, and on recordings it was not chosen on."""
    columns = {"LiveKit's defaults": choice.defaults, "chosen": choice.chosen}
    if choice.held_out is not None:
        columns["chosen, held out"] = choice.held_out
    return HTML(numbers_html(columns, study.phases))


def tuner(study: Study, choice: Choice | None = None, cache: Path | None = None) -> Tuner:
    """Sliders that start at LiveKit's defaults; what they need beyond the traces is computed and cached."""
    presets = {"LiveKit's defaults": study.defaults}
    return Tuner(
        study.corpus,
        study.result,
        study.load,
        defaults=choice.defaults if choice else score_one(study.corpus, study.defaults),
        start=study.defaults,
        chosen=choice.chosen if choice else None,
        presets=presets | ({"Chosen setting": choice.settings} if choice else {}),
        complete=Completer(study, Tracer(TraceCache(cache or default_cache()))),
    )


@dataclass(frozen=True)
class Completer:
    """Adds to the trace of a study's recording the predictions that a setting leads to."""

    study: Study
    tracer: Tracer

    def __call__(self, number: int, traced: Traced, settings: Settings) -> Traced:
        return self.tracer.complete(self.study.load(number), traced, [Block.of(settings)])


def export(study: Study, choice: Choice, name: str, path: str | Path, tuned: Tuner | None = None) -> Path:
    """Write a profile with its evidence, making the folder if need be; returns the file.

    The profile holds the choice, or with `tuned` what the tuner's controls last said.
    """
    if tuned is not None:
        tuned.settle()
        figures = score_one(tuned.scorer.corpus, tuned.settings)
        choice = replace(choice, settings=tuned.settings, chosen=figures, held_out=None)
    made = make_profile(study, choice, name, dt.date.today())
    if tuned is not None and made.evidence is not None:
        by_hand = made.evidence.model_copy(update={"budget": "set by hand in the tuner"})
        made = made.model_copy(update={"evidence": by_hand})
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_profile(made, target)
    return target


def scores(rehearsal: Rehearsal) -> pd.DataFrame:
    """What came of each session, one row each; see `metrics.session_scores`."""
    rows = {name: session_scores(log, _labels(rehearsal)) for name, log in rehearsal.logs.items()}
    names = {"false_boundaries": "false boundaries", "heard": "of these, heard"}
    names |= {"interrupted": "interrupted replies", "e2e_p50": "e2e p50 (s)", "e2e_p95": "e2e p95 (s)"}
    table = pd.DataFrame.from_dict(rows, orient="index").rename(columns=names).round(2)
    counts = [name for name in table if not str(name).startswith("e2e")]
    return table.astype(dict.fromkeys(counts, int))


def telling_span(rehearsal: Rehearsal, before_s: float = 4.0, after_s: float = 6.0) -> tuple[float, float]:
    """Seconds around a moment at which the first session fails and the last one does not.

    That is a false boundary, if possible one whose reply was heard; without any, the first commit.
    """
    logs = list(rehearsal.logs.values())
    first, last = (false_boundaries(log, _labels(rehearsal)) for log in (logs[0], logs[-1]))
    heard = set(heard_replies(logs[0]))
    spans = {at_s: (max(0.0, at_s - before_s), at_s + after_s) for at_s in first.tolist()}
    shared = {
        at_s: any(start_s <= other < end_s for other in last) for at_s, (start_s, end_s) in spans.items()
    }
    if spans:
        return spans[min(spans, key=lambda at_s: (at_s not in heard, shared[at_s], at_s))]
    at_s = next((event.time_s for event in logs[0].of_kind("commit")), before_s)
    return max(0.0, at_s - before_s), at_s + after_s


def timelines(rehearsal: Rehearsal, span: tuple[float, float] | None = None) -> Image:
    """The sessions' timelines, stacked; all of it, or a span of seconds."""
    logs = list(rehearsal.logs.values())
    labels = rehearsal.recording.labels if logs[0].mode == "open_loop" else None  # else they lie elsewhere
    return _image(plots.session_figure(logs, span, labels, names=list(rehearsal.logs)))


def latencies(rehearsal: Rehearsal) -> Image:
    """The sessions' replies and where the time of each went, side by side."""
    return _image(plots.latency_figure(list(rehearsal.logs.values()), names=list(rehearsal.logs)))


def hear(rehearsal: Rehearsal, span: tuple[float, float]) -> HTML:
    """A player for a span of each session: caller left, agent right."""
    first, last = (round(SAMPLE_RATE_HZ * max(0.0, at_s)) for at_s in span)
    players = []
    for name, log in rehearsal.logs.items():
        if not len(log.heard[first:last]):
            raise ValueError(f"{name}: lasts {log.duration_s:.1f} s, asked for {span[0]:.1f}-{span[1]:.1f} s")
        player = Audio(data=wav(log.heard[first:last]))
        players.append(f"<div><b>{html.escape(name)}</b></div>{player._repr_html_()}")
    return HTML("".join(players))


def said(rehearsal: Rehearsal, name: str) -> Styler:
    """The conversation of one session: one row per reply, with LiveKit's end-to-end latency."""
    rows = [
        {
            "caller": reply.user_text,
            "agent": reply.agent_text,
            "interrupted": "yes" if reply.interrupted else "",
            "e2e (s)": reply.stages.get("e2e_latency", float("nan")),
        }
        for reply in rehearsal.logs[name].replies
    ]
    return _left(pd.DataFrame(rows).style.format(precision=2, na_rep="", escape="html"))


def _left(style: Styler) -> Styler:
    """Without numbers of rows, all text at the left."""
    table = style.hide(axis="index")
    # A long path breaks anywhere, so that the table fits its page.
    return table.set_table_styles(
        [
            {"selector": "th, td", "props": "text-align: left"},
            {"selector": "td:first-child", "props": "overflow-wrap: anywhere; min-width: 16em"},
        ]
    )


def _below(folder: Path, path: str | Path) -> str:
    return Path(path).relative_to(folder).as_posix() if Path(path).is_relative_to(folder) else str(path)


def _labels(rehearsal: Rehearsal) -> Labels:
    assert rehearsal.recording.labels is not None
    return rehearsal.recording.labels


def _image(figure: Any) -> Image:
    return Image(data=plots.png(figure, IMAGE_DPI), width=round(figure.get_size_inches()[0] * plots.DPI))
