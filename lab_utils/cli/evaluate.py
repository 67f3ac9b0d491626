"""`lab evaluate`: finished calls judged by words, audio and tools; failures grouped."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from .common import (
    AgentChannel,
    Jobs,
    Json,
    Out,
    UserChannel,
    app,
    ending_well,
    going_on,
    results_are_written,
    warn,
)

Sessions = Annotated[
    list[Path],
    typer.Argument(
        help="Results of lab run, session reports with audio, or folders of them.", show_default=False
    ),
]
Expect = Annotated[
    Path | None, typer.Option(help="YAML: tools and words that calls must have, claims that need a tool.")
]
JudgeModel = Annotated[
    str | None,
    typer.Option(
        "--judge",
        metavar="MODEL",
        help="Model that judges coherence. Sends the words and tool calls with their arguments of each call "
        "to $OPENAI_BASE_URL with $OPENAI_API_KEY.",
    ),
]
With = Annotated[
    str | None,
    typer.Option("--with", help="ai-evaluation: it asks the judge, from the environment of --python."),
]
OtherPython = Annotated[Path | None, typer.Option("--python", help="Python that has what --with names.")]
Slow = Annotated[float, typer.Option(min=0, help="Seconds beyond which a reply is a failure.")]


@app.command()
def evaluate(
    sessions: Sessions,
    expect: Expect = None,
    judge: JudgeModel = None,
    with_: With = None,
    python: OtherPython = None,
    slow: Slow = 3.0,
    out: Out = Path("out/evaluate"),
    jobs: Jobs = 1,
    user: UserChannel = "caller",
    agent_channel: AgentChannel = "agent",
    as_json: Json = False,
) -> None:
    """Judge finished calls by words, audio and tools. Failures are grouped."""
    with ending_well(), going_on(None) if judge else nullcontext():
        from ..workflows import evaluate as workflow
        from ..workflows.study import check_folder
        from .tables.words.evaluate import print_evaluation

        check_folder(out)
        found = workflow.evaluate(
            sessions,
            workflow.load_expectations(expect) if expect else None,
            judge=workflow.Judge.of(judge) if judge else None,
            ai_evaluation=_other_python(with_, python, judge),
            slow_s=slow,
            channels=(user, agent_channel),
            jobs=jobs,
            quiet=as_json,
            tell=warn,
        )
        workflow.save_evaluation(found, out)
        results_are_written()
        warn(*(f"skipped: {reason}" for reason in found.skipped), *found.untold)
        if as_json:
            print(json.dumps(workflow.summary_of(found) | {"out": str(out)}))
        else:
            print_evaluation(found, out)


def _other_python(package: str | None, python: Path | None, judge: str | None) -> Path | None:
    """The Python that has the package, if one is asked for. Raises ValueError where the options don't fit."""
    if package is None and python is None:
        return None
    if package != "ai-evaluation":
        raise ValueError(f"--with {package}: expected ai-evaluation")
    if python is None or judge is None:
        raise ValueError(
            "--with ai-evaluation needs --python, of its environment, and --judge, the model it asks"
        )
    return python
