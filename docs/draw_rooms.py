"""Draw the rooms of `lab_utils` from its imports into `docs/code.md`.

python docs/draw_rooms.py          # writes the drawing
python docs/draw_rooms.py --check  # exit code 1 if it is out of date
"""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "code.md"
BEGIN, END = "<!-- drawn by docs/draw_rooms.py -->", "<!-- end of the drawing -->"


def rooms() -> list[str]:
    """The rooms from the top down, as import-linter has them in pyproject.toml."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = [
        contract["layers"]
        for contract in config["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    return [name.strip(" ()") for layer in layers for name in layer.split("|")]


def drawing() -> str:
    """Rooms with their first sentence, and arrows to the rooms that they import.

    An arrow is left out where a longer way leads to the same room: what is left is the order of the rooms.
    """
    graph = grimp.build_graph("lab_utils", include_external_packages=False)
    imports: set[tuple[str, str]] = set()
    for module in graph.modules:
        parts = module.split(".")
        for other in graph.find_modules_directly_imported_by(module):
            there = other.split(".")
            if len(parts) > 1 and len(there) > 1 and there[1] != parts[1]:
                imports.add((parts[1], there[1]))
    names = rooms()
    lines = ["```mermaid", "flowchart TD"]
    for name in names:
        said = (importlib.import_module(f"lab_utils.{name}").__doc__ or "").strip().splitlines()[0]
        said = said.rstrip(".").replace('"', "'")
        lines.append(f'    {name}["<b>{name}</b><br/>{said}"]')
    for above, below in sorted(imports, key=lambda pair: tuple(map(names.index, pair))):
        if not _has_longer_way(imports, above, below):
            lines.append(f"    {above} --> {below}")
    return "\n".join([*lines, "```"])


def _has_longer_way(edges: set[tuple[str, str]], above: str, below: str) -> bool:
    """Whether another path than the arrow itself leads there; imports go down, so there is no circle."""
    seen, waiting = set(), [there for here, there in edges if here == above and there != below]
    while waiting:
        room = waiting.pop()
        if room == below:
            return True
        if room not in seen:
            seen.add(room)
            waiting += [there for here, there in edges if here == room]
    return False


def page_with(drawn: str) -> str:
    """The page with this drawing in place of the one that it has."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{drawn}\n{END}{rest.partition(END)[2]}"


def main() -> int:
    """0 if the drawing is there afterwards; 1 with --check if it was out of date."""
    sys.path.insert(0, str(ROOT))
    text = page_with(drawing())
    if text == PAGE.read_text(encoding="utf-8"):
        return 0
    if "--check" in sys.argv:
        print("docs/code.md: the drawing is out of date; run: python docs/draw_rooms.py", file=sys.stderr)
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
