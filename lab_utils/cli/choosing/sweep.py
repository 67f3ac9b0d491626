"""`lab sweep`: a grid of settings on recordings, and the best of them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...core.files.places import Folder
from ..common import (
    AgentChannel,
    Cache,
    Jobs,
    Json,
    Out,
    Pair,
    Paths,
    Phases,
    ProviderProfile,
    Raw,
    Scheduler,
    Slices,
    Swap,
    TranscriptionDelay,
    UserChannel,
    app,
    find_options,
    warn,
    working_on,
)

if TYPE_CHECKING:
    import pandas as pd

FrameMs = Annotated[float, typer.Option(min=1, max=1000, help="Length of the agent's audio frames, in ms.")]
SttSilence = Annotated[
    float,
    typer.Option(min=0, max=60, help="After so much silence, in s, the STT says end of speech (stt mode)."),
]
SttTellsEnd = Annotated[
    bool,
    typer.Option("--stt-tells-end", help="The STT's end of speech tells when the speech ended (stt mode)."),
]
PredictionDelay = Annotated[
    float | None, typer.Option(min=0, max=0.999, help="From asking the turn detector to its answer, in s.")
]
Language = Annotated[
    str, typer.Option(help="What callers speak where a recording doesn't tell, as a code such as de.")
]
Lines = Annotated[
    list[str] | None,
    typer.Option(help="Also judge the choice on a bad line, e.g. noise:10, telephone, loss:0.05:3."),
]
HeardOver = Annotated[
    str,
    typer.Option(
        help="How the audio reaches your agent: 16k, 24k (LiveKit's room input) or opus. Without it, "
        "each call is heard over all of them in turn."
    ),
]


@app.command()
def sweep(
    paths: Paths,
    grid: Annotated[Path | None, typer.Option(help="YAML file: knob name -> list of values.")] = None,
    out: Out = Path("out/sweep"),
    phases: Phases = 4,
    jobs: Jobs = 2,
    cache: Cache = None,
    frame_ms: FrameMs = 50.0,
    transcription_delay: TranscriptionDelay = None,
    providers: ProviderProfile = None,
    stt_silence: SttSilence = 0.5,
    stt_tells_end: SttTellsEnd = False,
    prediction_delay: PredictionDelay = None,
    by: Slices = None,
    language: Language = "",
    user: UserChannel = "caller",
    agent: AgentChannel = "agent",
    pair: Pair = "",
    raw: Raw = "",
    swap: Swap = False,
    condition: Lines = None,
    path: HeardOver = "",
    scheduler: Scheduler = "",
    as_json: Json = False,
) -> None:
    """Score a grid of settings on recordings and choose one."""
    with working_on(scheduler):
        conditions: dict[str, Any] = {"stt_silence": stt_silence, "frame_duration": frame_ms / 1000}
        conditions["language"] = language
        conditions |= {"stt_tells_end": True} if stt_tells_end else {}
        conditions |= {} if prediction_delay is None else {"prediction_delay": prediction_delay}
        sweep_and_tell(
            paths,
            grid,
            out,
            phases=phases,
            jobs=jobs,
            cache=cache,
            as_json=as_json,
            conditions=conditions,
            providers=providers,
            transcription_delay=transcription_delay,
            channels=(user, agent),
            found_by=(pair, raw, swap),
            lines=condition or (),
            by=by or (),
            path=path,
        )


def sweep_and_tell(
    paths: list[Path],
    grid: Path | None,
    out: Path,
    *,
    phases: int,
    jobs: int,
    cache: Folder | None,
    as_json: bool,
    conditions: Mapping[str, Any] | None = None,
    providers: str | None = None,
    transcription_delay: float | None = None,
    channels: tuple[str, str] = ("caller", "agent"),
    found_by: tuple[str, str, bool] = ("", "", False),
    lines: Sequence[str] = (),
    by: Sequence[str] = (),
    path: str = "",
) -> None:
    """`lab sweep` and `lab demo`: measure, choose, write, and print what came of it."""
    from ...recordings.conditions import ChannelCondition
    from ...recordings.heard_paths import parse_path
    from ...turns.grid import read_grid
    from ...workflows import study as studies
    from ...workflows.assumed import conditions_with

    heard = parse_path(path) if path else None
    worse = [ChannelCondition.parse(text) for text in lines]
    studies.check_folder(out)
    studies.check_slices(by)
    given = conditions_with(providers, transcription_delay=transcription_delay)
    assumed = given.replace(**conditions or {})
    study = studies.measure(
        paths,
        grid=read_grid(grid) if grid else None,
        conditions=assumed,
        phases=phases,
        jobs=jobs,
        cache=cache,
        channels=channels,
        options=find_options(channels, *found_by),
        path=heard,
    )
    warn(*(f"skipped: {item.reason}" for item in study.skipped), *study.foreign)
    choice = study.choose(nearest=True)
    summary = studies.write_report(study, choice, out, out.resolve().name, dt.date.today())
    on_lines = study.score_conditions(choice, worse, jobs=jobs, cache=cache) if worse else None
    if on_lines is not None:
        studies.write_channel_conditions(on_lines, out)
        values = on_lines.astype(object).where(on_lines.notna(), None)
        summary = summary | {"lines": values.to_dict("records")}
    by_slice = studies.write_slices(study, choice, by, out) if by else None
    if by_slice is not None:
        summary = summary | {"slices": studies.plain_slices(by_slice)}
    if as_json:
        print(json.dumps(summary | {"out": str(out)}))
    else:
        _print(summary, out, on_lines, by_slice)


def _print(
    summary: dict[str, Any], out: Path, on_lines: pd.DataFrame | None, by_slice: pd.DataFrame | None
) -> None:
    from ..tables import sweep as tables

    tables.print_summary(summary, out)
    if on_lines is not None:
        tables.print_lines(on_lines)
    if by_slice is not None:
        tables.print_slices(by_slice)
