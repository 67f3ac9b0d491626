"""One page about a study, for somebody who has nothing installed.

Verdict, trade-off, figures, the worst failures, settings, and how it was measured. Pictures, and sound if it
is asked for, lie in the file; nothing is loaded from elsewhere. Everything that comes from recordings is
escaped. What was said, and how it sounded, is left out unless asked for.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from ..core.files import write_whole
from ..core.settings import DEFAULTS_NOTE
from ..core.sound import interruption
from ..core.text.html import facts_html, table_html
from ..turns.deafness import detector_warnings
from ..turns.profile import LIVEKIT_AGENTS
from .study import Choice, Study
from .study.failures import Failure, failures_of
from .study.figure_texts import MAIN, NAMES, plain_figures
from .study.slices import SMALL, slice_rows, slices_beside

FAILURES = 10
LEFT_OUT = 10
"""So many recordings that couldn't be used are told with the reason."""
LEAD_S, TRAIL_S = 4.0, 5.0
STYLE = """
:root { color-scheme: light; font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; }
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0.2rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.verdict { font-size: 1.15rem; border-left: 4px solid #0072b2; padding: 0.2rem 0 0.2rem 1rem; }
.scroll { overflow-x: auto; } img { max-width: 100%; } figure { margin: 1rem 0 1.6rem; }
figcaption { color: #444; } pre { background: #f3f3f3; padding: 0.8rem; overflow-x: auto; }
audio { display: block; margin-top: 0.3rem; }
@media print {
  @page { margin: 15mm; }
  body { max-width: none; margin: 0; padding: 0; font-size: 11pt; } audio { display: none; }
  figure, pre, table, tr { break-inside: avoid; } h2 { break-after: avoid; }
  table { font-size: 9pt; } .scroll { overflow: visible; } pre { white-space: pre-wrap; font-size: 8.5pt; }
}
"""


TERMS = (
    "<p>In brackets: 95 % intervals, by recording. <b>False boundary</b>: the agent decides that the caller "
    "has finished, and the caller goes on. <b>Latency</b>: silence from the true end of a turn to that "
    "decision.</p>"
)
PAGE = (
    "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{title}</title>"
    "<meta name='viewport' content='width=device-width'><meta http-equiv='Content-Security-Policy' "
    "content=\"default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'\">"
    "<style>{style}</style></head><body><main>{body}</main></body></html>"
)


def verdict(choice: Choice) -> str:
    """What the choice changes against LiveKit's defaults, in a sentence or three.

    The figures are those of the recordings themselves; that a setting chosen on them looks better there than
    on new calls is said with the held-out rate.
    """
    rate, before = (_value(frame, "false_boundary_rate") for frame in (choice.chosen, choice.defaults))
    wait_s, before_s = (_value(frame, "latency_mean") for frame in (choice.chosen, choice.defaults))
    if any(np.isnan(one) for one in (rate, before, wait_s, before_s)):
        return "Not enough data to compare the chosen setting with LiveKit's defaults."
    later = "later" if wait_s >= before_s else "sooner"
    told = [
        f"The chosen setting cuts callers off in {rate:.0%} of their pauses; "
        f"LiveKit's defaults do in {before:.0%}.",
        f"It answers {abs(wait_s - before_s):.2f} s {later} on average: "
        f"{wait_s:.2f} s after the end of a turn instead of {before_s:.2f} s.",
    ]
    now, was = (plain_figures(frame)["false_boundary_rate"] for frame in (choice.chosen, choice.defaults))
    ends = (now["low"], now["high"], was["low"], was["high"])
    if None in ends or not (now["high"] < was["low"] or now["low"] > was["high"]):
        told.append("The intervals of the two rates overlap: the difference may be chance.")
    if choice.held_out is not None:
        new = _value(choice.held_out, "false_boundary_rate")
        if not np.isnan(new):
            told.append(f"On calls that it wasn't chosen on, expect about {new:.0%}.")
    if choice.guarantee is not None:
        told.append(str(choice.guarantee))
    return " ".join(told)


def report_page(
    study: Study,
    choice: Choice,
    *,
    name: str = "report",
    failures: int = FAILURES,
    sound: bool = False,
    words: bool = False,
    by: Sequence[str] = (),
) -> str:
    """The page as HTML. `sound`, `words`: whether the worst failures can be heard, and what was said.

    `by`: figures by slice, too (`turns.slices.KEYS`).
    """
    profile = study.profile(choice, name)
    every = failures_of(study, choice.settings)
    worst = worst_failures(every, failures)
    knobs = {knob: value for knob, value in choice.settings.knobs().items() if value is not None}
    n = study.counts
    parts = [
        f"<h1>Turn-taking: {escape(name)}</h1>",
        f"<p>{n['recordings']:,} recordings, {n['holds']:,} pauses inside turns, {n['turns']:,} ends of "
        f"turn; {study.tried:,} settings compared.</p>",
        f"<p class='verdict'>{escape(verdict(choice))}</p>",
        "<h2>The trade-off</h2>",
        f"<figure>{_img(study.plot_tradeoff(choice).png(110), 'False boundaries against latency')}</figure>",
        "<h2>Figures</h2>",
        _scrolling(table_html(["", *choice.columns, "n"], choice.rows, choice.budget_text)),
        TERMS,
        *(f"<p><b>{escape(line)}</b></p>" for line in detector_warnings(study.corpus, study.conditions)),
        *_slices(study, choice, by),
        _worst_title(len(worst), len(every), study.phases),
        *(_failure(study, choice, one, sound=sound, words=words) for one in worst),
        "<h2>Settings</h2>",
        _scrolling(facts_html("", knobs.items())),
        f"<pre tabindex='0'>{escape(profile.snippet())}</pre>",
        "<h2>How this was measured</h2>",
        f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in _how(study, choice))}</ul>",
    ]
    return PAGE.format(title=f"Turn-taking: {escape(name)}", style=STYLE, body="".join(parts))


def write_page(page: str, path: Path) -> Path:
    """Write a page, whole or not at all, making its folder if need be; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, page)
    return path


def worst_failures(failures: Iterable[Failure], most: int) -> list[Failure]:
    """Those after which the caller goes on soonest: there the agent talks over most of what they say."""
    return sorted(failures, key=lambda one: (one.pause_s - one.after_s, one.number))[:most]


def _value(frame: pd.DataFrame, metric: str) -> float:
    return float(frame["value"].astype(np.float64)[metric])


def _worst_title(n: int, of: int, takes: int) -> str:
    """`of`: how many failures there are in the first take, of so many `takes`."""
    take = " in the first take" if takes > 1 else ""
    if not of:
        return f"<h2>No failures under the chosen setting{take}</h2>"
    noun = "failure" if (n or of) == 1 else "failures"
    in_tuner = "<code>lab tune</code> lists them all"
    if not n:
        return f"<h2>{of:,} {noun} under the chosen setting{take}</h2><p>None is shown here; {in_tuner}.</p>"
    rest = f", of {of:,}{take}; {in_tuner}" if of > n else take and f"; all{take}"
    return (
        f"<h2>The {n} worst {noun} under the chosen setting</h2>"
        f"<p>Those after which the caller goes on soonest{rest}.</p>"
    )


def _failure(study: Study, choice: Choice, failure: Failure, *, sound: bool, words: bool) -> str:
    span = (failure.commit_s - LEAD_S, failure.commit_s + TRAIL_S)
    picture = study.plot_timeline(failure.recording, choice.settings, span=span)
    asked = "" if failure.probability is None else f", end-of-turn probability {failure.probability:.2f}"
    caption = (
        f"{failure.recording} at {failure.commit_s:.1f} s: committed by {failure.cause} "
        f"{failure.after_s:.2f} s into a pause of {failure.pause_s:.2f} s{asked}"
    )
    if words and failure.words:
        caption += f"; the caller had just said “{failure.words}”"
    heard = ""
    if sound:
        data = interruption(study.load(failure.recording), failure.commit_s).wav
        label = escape(f"As the caller would hear it: {failure.recording} at {failure.commit_s:.1f} s")
        heard = f"<audio controls aria-label='{label}' src='data:audio/wav;base64,{_base64(data)}'></audio>"
    return (
        f"<figure>{_img(picture.png(70), caption)}<figcaption>{escape(caption)}{heard}</figcaption></figure>"
    )


def _slices(study: Study, choice: Choice, by: Sequence[str]) -> Iterable[str]:
    """A table for each key, beside LiveKit's defaults."""
    table = slices_beside(study, choice, by) if by else pd.DataFrame({"by": []})
    for key in by:
        rows, small = slice_rows(table, key)
        yield f"<h2>By {escape(key)}</h2>"
        caption = SMALL if small else ""
        yield _scrolling(table_html([key, "setting", *(NAMES[metric] for metric in MAIN)], rows, caption))


def _how(study: Study, choice: Choice) -> list[str]:
    sources = sorted({one.labels.source or "unknown" for one in study.corpus.recordings})
    return [
        f"Recorded calls were replayed through the turn-taking of livekit-agents {LIVEKIT_AGENTS}, decision "
        "by decision as AgentSession makes them.",
        f"Each call was heard in {study.phases} take(s); labels from: {', '.join(sources)}.",
        *study.conditions.in_words,
        f"Chosen: {choice.budget_text}.",
        DEFAULTS_NOTE,
        *((f"{choice.own.title}: assumed {'; '.join(choice.own.assumed)}",) if choice.own else ()),
        *((str(study.hold_lengths),) if study.hold_lengths.cut_offs else ()),
        *_left_out([item.reason for item in study.skipped]),
    ]


def _left_out(reasons: Sequence[str]) -> list[str]:
    """Some of the recordings that couldn't be used, and how many more."""
    more = len(reasons) - LEFT_OUT
    told = [f"Left out: {reason}" for reason in reasons[:LEFT_OUT]]
    return told + [f"Left out: {more:,} more; summary.json of the sweep has all."] * (more > 0)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _img(png: bytes, text: str) -> str:
    return f"<img alt='{escape(text)}' src='data:image/png;base64,{_base64(png)}'>"


def _scrolling(table: str) -> str:
    return f"<div class='scroll' tabindex='0'>{table}</div>"
