"""`lab prompts`: parts of an agent's instructions chosen by what replies under them measure."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from .common import AgentChannel, Cache, Json, Out, Paths, Seed, UserChannel, app, ending_well, warn

PartsFile = Annotated[
    Path, typer.Argument(help="YAML: instructions, with optional parts and alternatives.", show_default=False)
]
ModelName = Annotated[
    str,
    typer.Option(
        metavar="MODEL",
        help="Model that speaks as the agent. Sends the calls' words to $OPENAI_BASE_URL with "
        "$OPENAI_API_KEY.",
    ),
]
Minimize = Annotated[
    str,
    typer.Option(help="first_sentence_characters, first_token_s, first_sentence_s or dollars."),
]
Prices = Annotated[
    str, typer.Option("--providers", help="Provider profile whose prices count (large model, TTS).")
]
Expect = Annotated[
    Path | None,
    typer.Option(help="YAML of lab evaluate; instructions with more failures than as they stand are out."),
]
JudgeModel = Annotated[
    str | None,
    typer.Option("--judge", metavar="MODEL", help="Model that grades the replies' coherence, 1 to 5."),
]


@app.command()
def prompts(
    parts: PartsFile,
    paths: Paths,
    model: ModelName,
    minimize: Minimize = "first_sentence_characters",
    tries: Annotated[int, typer.Option(min=2, help="Combinations that are tried at most.")] = 20,
    turns: Annotated[int, typer.Option(min=1, help="Turns of each call that are answered.")] = 5,
    expect: Expect = None,
    judge: JudgeModel = None,
    least_coherence: Annotated[
        float, typer.Option(min=1, max=5, help="Mean grade that the judge must give.")
    ] = 4.0,
    providers: Prices = "guide",
    seed: Seed = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Send it without asking.")] = False,
    out: Out = Path("out/prompts"),
    cache: Cache = None,
    user: UserChannel = "caller",
    agent_channel: AgentChannel = "agent",
    as_json: Json = False,
) -> None:
    """Search parts of your instructions by what replies measure. Asks a live model."""
    with ending_well():
        from ..session.providers.files import load_providers
        from ..workflows import prompts as workflow
        from ..workflows.evaluate import Judge, load_expectations
        from ..workflows.study import check_folder
        from .tables.words.prompts import print_search

        check_folder(out)
        if minimize not in workflow.OBJECTIVES:
            raise ValueError(f"--minimize {minimize}: expected {', '.join(workflow.OBJECTIVES)}")
        asked = workflow.Model.of(model, option="--model")
        limits = workflow.Limits(
            load_expectations(expect) if expect else None,
            Judge.of(judge) if judge else None,
            least_coherence,
        )
        declared, prices = workflow.load_parts(parts), load_providers(providers)
        played = workflow.read_turns(paths, turns, cache=cache, channels=(user, agent_channel))
        _agreed(workflow.told(declared, played, asked, limits, tries), yes)
        found = workflow.search_prompts(
            declared,
            played,
            asked,
            prices,
            objective=minimize,
            limits=limits,
            tries=tries,
            seed=seed,
            folder=out,
            tell=(lambda _: None) if as_json else warn,
        )
        workflow.save_search(found, out)
        if as_json:
            print(json.dumps(workflow.summary_of(found) | {"out": str(out)}))
        else:
            print_search(found, out)


def _agreed(told: str, yes: bool) -> None:
    """Tell what will be sent, and ask. Raises ValueError where nobody can answer, typer.Exit for a no."""
    warn(told)
    if yes:
        return
    if not sys.stdin.isatty():
        raise ValueError("nothing was sent: nobody is there to ask; add --yes to send it")
    if not typer.confirm("send it?", err=True):
        raise typer.Exit(1)
