"""docs/reference.md, made from the rows of settings/: ``python -m twistedproxy.config.reference > docs/reference.md``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from twistedproxy.config.sections import SECTIONS, SectionKind, rows
from twistedproxy.config.values import KINDS, Shape
from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.templates import LOG_NAMES, REQUEST_NAMES

_HEAD = """\
# Reference: every section and every key

This page is generated from `twistedproxy/settings/` (`make docs`). How the file is written, and how its errors look, stands
in [configuration.md](configuration.md).

Durations are written `250ms 5s 10m 24h 30d` or `0`, sizes `512 4k 10m 1g` (powers of 1024), switches `yes` or `no`. Relative
paths start in the directory of the file that says them.
"""


def reference() -> str:
    """The text of docs/reference.md."""
    parts = [_HEAD, *(_section(kind, made) for kind, made in SECTIONS.items()), _templates()]
    return "\n".join(parts)


def _section(kind: str, section: SectionKind) -> str:
    title = f"[{kind} {section.named}]" if section.named else f"[{kind}]"
    inherited = rows(RouteKnobs) if kind == "route" else {}
    lines = [f"## {title}", "", _first_sentence(section.made), ""]
    if kind == "defaults":
        return "\n".join([*lines, "Its keys are those of a route that are marked with *d* below.", ""])
    lines += ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    for key, row in rows(section.made).items():
        marked = f"`{key}` *d*" if key in inherited else f"`{key}`"
        lines.append(f"| {marked} | {_value(row)} | {_default(row)} | {_escaped('; '.join(_meaning(row)))} |")
    return "\n".join([*lines, ""])


def _first_sentence(made: type[Any]) -> str:
    return " ".join((made.__doc__ or "").strip().split("\n\n")[0].split()).replace("``", "`")


def _value(row: Mapping[str, Any]) -> str:
    kind = KINDS[row["kind"]]
    words = [kind.called] if kind.shape is not Shape.LINES else [kind.called, "one a line"]
    if kind.shape is Shape.WORDS:
        words.append("split by blanks")
    return _escaped(", ".join(words))


def _default(row: Mapping[str, Any]) -> str:
    if row["required"]:
        return "required"
    kind, default = KINDS[row["kind"]], row["default"]
    if default is None or default == ():
        return ""
    return f"`{kind.write(default) if kind.shape is Shape.ONE else ' '.join(map(kind.write, default))}`"


def _meaning(row: Mapping[str, Any]) -> Iterator[str]:
    yield row["doc"]
    write = KINDS[row["kind"]].write
    if row["choices"]:
        yield f"one of {', '.join(f'`{choice}`' for choice in row['choices'])}"
    # A least value of zero, or of the smallest duration that is not zero, only says that there are no negative ones.
    if row["minimum"] is not None and row["minimum"] > 0.001:
        yield f"at least {write(row['minimum'])}"
    if row["maximum"] is not None:
        yield f"at most {write(row['maximum'])}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _templates() -> str:
    lines = [
        "## Names in templates",
        "",
        "`{{` and `}}` stand for the braces themselves. In `redirect`, what the request says is known:",
        "",
        _names(REQUEST_NAMES),
        "",
        "The `format` of a log knows these, too:",
        "",
        _names(LOG_NAMES - REQUEST_NAMES),
        "",
    ]
    return "\n".join(lines)


def _names(names: frozenset[str]) -> str:
    return " ".join(f"`{{{name}NAME}}`" if name.endswith(".") else f"`{{{name}}}`" for name in sorted(names))


if __name__ == "__main__":
    print(reference(), end="")
