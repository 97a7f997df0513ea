"""The rooms and their order, as docs/architecture.md draws them: no arrow against it, and no circle."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[1]
#: Where the program meets the process: only there may a reactor be imported, inside a function.  What [app NAME] runs is
#: called without arguments, so that the demo has to ask for it, too.
ENTRANCES: Final = frozenset(("tap", "cli", "demo"))


def module_name(path: Path) -> str:
    """The dotted name of a file below the root."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES: Final = {module_name(path): ast.parse(path.read_text("utf-8")) for path in sorted((ROOT / "twistedproxy").rglob("*.py"))}


def only_for_types(node: ast.AST) -> bool:
    """Whether a statement is for type checkers: what it imports is not there when the program runs."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imported(name: str, *, running: bool = False) -> set[str]:
    """
    Every dotted name that a module imports, at its top or inside of functions; ``from a import b`` counts as a.b, too.

    With *running*, what is imported for types only is left out.
    """
    found: set[str] = set()
    left_out = {inner for node in ast.walk(MODULES[name]) if running and only_for_types(node) for inner in ast.walk(node)}
    for node in ast.walk(MODULES[name]):
        if node in left_out:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import in line {node.lineno}"
            assert node.module is not None
            found.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
    return found


def ours(name: str, *, running: bool = False) -> set[str]:
    """The modules of the program that a module imports."""
    return {other for other in imported(name, running=running) if other in MODULES and other != "twistedproxy"} - {name}


def room(name: str) -> str:
    """The room that a module belongs to."""
    return name.split(".")[1]


def drawn_order() -> list[list[set[str]]]:
    """The picture of docs/architecture.md: ranks from left to right; ``|`` parts rooms that may not see each other."""
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    picture = next(block for block in text.split("\n\n") if block.startswith("    tap, cli >"))
    return [
        [{room.strip() for room in side.split(",")} for side in rank.split("|")] for rank in " ".join(picture.split()).split(">")
    ]


ORDER: Final = drawn_order()
PLACE: Final = {room: (rank, side) for rank, sides in enumerate(ORDER) for side, rooms in enumerate(sides) for room in rooms}


def test_every_module_is_in_a_room_of_the_picture() -> None:
    assert {room(name) for name in MODULES if name != "twistedproxy"} - set(PLACE) == set()


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"twistedproxy"}))
def test_a_module_imports_only_from_rooms_to_its_right(name: str) -> None:
    rank, side = PLACE[room(name)]
    wrong = []
    for other in ours(name):
        other_rank, other_side = PLACE[room(other)]
        if room(other) != room(name) and (other_rank < rank or (other_rank == rank and other_side != side)):
            wrong.append(other)
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    # A package and the modules in it are not told apart by an import of the module: only the module counts.
    graph = {name: {other for other in ours(name, running=True) if not name.startswith(other + ".")} for name in MODULES}
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_the_reactor_is_handed_in(name: str) -> None:
    if "twisted.internet.reactor" in imported(name):
        assert room(name) in ENTRANCES
        top = {alias.name for node in MODULES[name].body if isinstance(node, ast.ImportFrom) for alias in node.names}
        assert "reactor" not in top


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.startswith("twistedproxy.wire")))
def test_bytes_get_their_meaning_without_twisted(name: str) -> None:
    assert {other for other in imported(name) if other.split(".")[0] == "twisted"} == set()


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.startswith("twistedproxy.config")))
def test_reading_a_site_opens_no_socket(name: str) -> None:
    assert {other for other in imported(name) if other.split(".")[0] in ("twisted", "socket", "ssl")} == set()


@pytest.mark.parametrize("path", sorted((ROOT / "twistedproxy").rglob("__init__.py")), ids=module_name)
def test_a_package_has_a_docstring_at_most(path: Path) -> None:
    body = MODULES[module_name(path)].body
    assert all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)
