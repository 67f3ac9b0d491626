"""Run by another Python, which has ai-evaluation and nothing of this package: asked.json → grades.json."""

import json
import sys
from pathlib import Path


def main(asked: Path, grades: Path) -> None:
    """Grade each call; an error of one is kept in its place."""
    from fi.evals import evaluate  # type: ignore[import-not-found]

    given = json.loads(asked.read_text(encoding="utf-8"))
    found = []
    for text in given["calls"]:
        try:
            result = evaluate(prompt=given["prompt"], engine="llm", model=given["model"], output=text)
            error = str(result.error or "") if result.score is None else ""
            found.append({"score": result.score, "reason": _reason(result.reason), "error": error})
        except Exception as error:
            found.append({"score": None, "reason": "", "error": f"{type(error).__name__}: {error}"})
    grades.write_text(json.dumps(found), encoding="utf-8")


def _reason(told: object) -> str:
    """The reason alone, where the model's whole answer was given as one."""
    try:
        return str(json.loads(str(told))["reason"])
    except (ValueError, KeyError, TypeError):
        return str(told or "")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
