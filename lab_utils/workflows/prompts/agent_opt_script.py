"""Run by another Python, which has agent-opt and nothing of this package: asked.json → answers.json."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace


class _Unanswered:
    """In place of a generator of agent-opt's: what a prompt is worth is measured elsewhere."""

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt

    def get_prompt_template(self) -> str:
        return self._prompt

    def set_prompt_template(self, template: str) -> None:
        self._prompt = template

    def generate(self, _: object, **__: object) -> str:
        return ""


def main(asked: Path, answers: Path) -> None:
    """The variations of a prompt that a model writes for agent-opt's random search."""
    from fi.opt.optimizers import RandomSearchOptimizer  # type: ignore[import-not-found]
    from fi.opt.types import EvaluationResult  # type: ignore[import-not-found]

    given = json.loads(asked.read_text(encoding="utf-8"))
    search = RandomSearchOptimizer(
        generator=_Unanswered(given["prompt"]),
        teacher_model=given["model"],
        num_variations=given["variations"],
    )
    no_score = SimpleNamespace(evaluate=lambda inputs: [EvaluationResult(score=0.0) for _ in inputs])
    as_it_is = SimpleNamespace(map=lambda output, _: {"output": output})
    found = search.optimize(evaluator=no_score, data_mapper=as_it_is, dataset=[{}])
    prompts = [one.prompt for one in found.history]
    if prompts == [given["prompt"] + " Be creative."]:  # what it makes of a model that doesn't answer
        raise SystemExit("the model wrote no variations")
    answers.write_text(json.dumps(prompts), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
