"""What the objects of the shell have in common: a surface of values and actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.tables import printable

if TYPE_CHECKING:
    from twistedproxy.admin.objects import Objects


class LiveObject:
    """
    One of them.

    :cvar values: names of its values
    :cvar actions: names of what it can be asked to do
    """

    values: ClassVar[frozenset[str]] = frozenset()
    actions: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, objects: Objects, name: str) -> None:
        self._objects = objects
        self.name = name

    def __dir__(self) -> list[str]:
        return sorted(self.values | self.actions)

    def _do(self, verb: str, *arguments: Any, **options: Any) -> Any:
        found = self._objects.verbs().get(verb)
        if found is None:
            raise VerbError(f"{verb} takes a key that may do more")
        return found(*arguments, **options)

    def _told(self, *lines: tuple[str, str]) -> str:
        """Facts, one a line."""
        given = [(word, text) for word, text in lines if text]
        width = max(len(word) for word, _ in given)
        return "\n".join(f"{word:<{width}}  {printable(text)}" for word, text in given)
