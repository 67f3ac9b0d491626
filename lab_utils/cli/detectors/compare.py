"""`lab compare`: detectors side by side on the same recordings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    Swap,
    TranscriptionDelay,
    UserChannel,
    app,
    find_options,
    going_on,
    results_are_written,
    warn,
    working_on,
)

if TYPE_CHECKING:
    from ...workflows.detectors.compare import Comparison

Detectors = Annotated[
    list[str] | None,
    typer.Option(
        "--detector",
        help="vad, v1-mini, stt, english, multilingual, smart-turn, cloud-v1 (sends the callers' audio to "
        "LiveKit's cloud), recorded (what the sessions' own detector said), flux=TABLE or "
        "assemblyai=TABLE (confidences that Deepgram Flux or AssemblyAI gave, told in their own parameters; "
        ",eot_timeout_ms=3000 behind TABLE keeps one as it is), or a function of yours as "
        "module:function or name=module:function; with +wait_shape behind the name also tuned to waits that "
        "fall with its probability, with +extra_delay to longer ones while numbers are given; may be "
        "repeated. Without it: vad and v1-mini.",
    ),
]
Predictions = Annotated[
    list[str] | None,
    typer.Option(
        help="A table of probabilities per pause that another detector gave, as FILE or name=FILE; may be "
        "repeated."
    ),
]
QuestionFile = Annotated[
    Path | None, typer.Option("--questions", help="CSV file that receives the pauses a table has to answer.")
]
Eager = Annotated[
    bool,
    typer.Option(
        "--eager",
        help="Also measure what an eager end of turn saves and throws away, for thresholds up to the one "
        "that flux=TABLE is tuned to at 5 % false boundaries: the real AgentSession on each call, with "
        "the delays of --providers (guide, if not given).",
    ),
]


@app.command()
def compare(
    paths: Paths,
    detector: Detectors = None,
    predictions: Predictions = None,
    questions: QuestionFile = None,
    out: Out = Path("out/compare"),
    phases: Phases = 4,
    jobs: Jobs = 2,
    cache: Cache = None,
    scheduler: Scheduler = "",
    transcription_delay: TranscriptionDelay = None,
    providers: ProviderProfile = None,
    eager: Eager = False,
    reaction: Annotated[
        float, typer.Option(help="Seconds from an end of turn to the press, for push-to-talk as a reference.")
    ] = 0.2,
    language: Annotated[str, typer.Option(help="What callers speak where a recording doesn't tell.")] = "",
    user: UserChannel = "caller",
    agent: AgentChannel = "agent",
    pair: Pair = "",
    raw: Raw = "",
    swap: Swap = False,
    as_json: Json = False,
) -> None:
    """Compare turn detectors at the same budgets."""
    with working_on(scheduler), going_on(cache):
        from ...workflows import study as studies
        from ...workflows.assumed import conditions_with
        from ...workflows.detectors import compare_detectors, eager_sweep, push_to_talk
        from ...workflows.detectors.compare import SLICED_AT
        from ...workflows.detectors.eager import check_eager

        studies.check_folder(out)
        given = conditions_with(providers, transcription_delay=transcription_delay)
        pressed = push_to_talk(given, reaction)
        if eager:
            check_eager(detector or ())
        compared = compare_detectors(
            paths,
            detector or (),
            predictions=predictions or (),
            conditions=given.replace(language=language),
            phases=phases,
            jobs=jobs,
            cache=cache,
            channels=(user, agent),
            options=find_options((user, agent), pair, raw, swap),
        )
        swept = eager_sweep(compared, SLICED_AT, providers, jobs=jobs, cache=cache) if eager else None
        compared = replace(compared, push_to_talk=pressed, eager=swept)
        warn(*(f"skipped: {item.reason}" for item in compared.skipped))
        _write(compared, out, questions, as_json)


def _write(compared: Comparison, out: Path, questions: Path | None, as_json: bool) -> None:
    """Write and print what was found, and the pauses to ask about."""
    from ...workflows.detectors import write_questions, write_results
    from ..tables import compare as tables

    summary = write_results(compared, out)
    if questions is not None:
        n = write_questions(compared, questions)
        warn(f"{questions}: {n} pauses; fill in the column probability, and give it with --predictions")
    results_are_written()
    if as_json:
        print(json.dumps(summary | {"out": str(out)}))
    else:
        tables.print_comparison(compared, out)
