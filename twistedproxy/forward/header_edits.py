"""
Edits of header fields, as site.ini says them: ``set``, ``add``, ``append``, ``default`` and ``remove``.

They are made ready with their route.  Values without names cost nothing more than the edit; those that have names are
rendered for each exchange.  A value that comes out empty sends no field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from twistedproxy.message import Field, Headers
from twistedproxy.settings.edits import HeaderEdit
from twistedproxy.templates import PEER_NAMES, RESPONSE_NAMES, Template

#: What no value of a field may hold (RFC 9110 §5.5); a client's own words may.
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


#: Which of them may stand on which side, the configuration knows.
_NAMES: Final = PEER_NAMES | RESPONSE_NAMES


class Edit(NamedTuple):
    """One edit whose value is known; *lower* is *name* in lower case."""

    action: str
    name: bytes
    lower: bytes
    value: bytes


Edits = tuple[Edit, ...]


class Editing:
    """
    The edits of one side of a route.

    :ivar constant: all of them, when none has a name in its value; otherwise empty
    :ivar varies: at least one has a name in its value
    """

    __slots__ = ("_steps", "constant", "varies")

    def __init__(self, edits: Sequence[HeaderEdit]) -> None:
        self._steps = [(edit, Template.parse(edit.value, _NAMES)) for edit in edits]
        self.varies = any(not template.is_constant for _, template in self._steps)
        self.constant: Edits = () if self.varies else self.rendered(lambda name: name)

    def rendered(self, lookup: Callable[[str], str]) -> Edits:
        """All of them, with what *lookup* gives for names; a dash, which stands for what is not known, becomes nothing."""
        return tuple(
            Edit(edit.action, edit.name.encode("ascii"), edit.name.lower().encode("ascii"), rendered(template, lookup))
            for edit, template in self._steps
        )


def rendered(template: Template, lookup: Callable[[str], str]) -> bytes:
    """The value of a field by *template*: nothing for what is not known, and control characters escaped."""

    def known(name: str) -> str:
        value = lookup(name)
        return "" if value == "-" else value

    return _CONTROL.sub(_escaped, template.render(known).encode("latin-1", "replace")).strip(b" \t")


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


def edited(headers: Headers, edits: Edits) -> Headers:
    """*headers* as *edits* make them, in order."""
    if not edits:
        return headers
    fields = list(headers.items)
    for action, name, lower, value in edits:
        if action == "default":
            if value and all(field[0].lower() != lower for field in fields):
                fields.append((name, value))
        elif action == "append":
            if value:
                fields = _appended(fields, name, lower, value)
        else:
            if action != "add":
                fields = [field for field in fields if field[0].lower() != lower]
            if action != "remove" and value:
                fields.append((name, value))
    return Headers(fields)


def _appended(fields: list[Field], name: bytes, lower: bytes, value: bytes) -> list[Field]:
    """*value* as one more element of the list in the field *name* (RFC 9110 §5.6.1), or as its only one."""
    for place in range(len(fields) - 1, -1, -1):
        if fields[place][0].lower() == lower:
            before = fields[place][1]
            return [*fields[:place], (fields[place][0], before + b", " + value if before else value), *fields[place + 1 :]]
    return [*fields, (name, value)]
