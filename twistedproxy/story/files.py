"""The files of a directory that may answer a request, and which of them does."""

from __future__ import annotations

from collections.abc import Iterator

from twistedproxy.answers.files.static import Static
from twistedproxy.story.lines import Line
from twistedproxy.story.tale import Tale
from twistedproxy.verdicts import FileVerdict


def files(tale: Tale) -> Iterator[Line]:
    """The lines; none for routes without ``static``, and where no file was looked for."""
    facts = tale.facts
    answer = facts.route.answer if facts.route is not None else None
    verdicts = [verdict for verdict in facts.verdicts if isinstance(verdict, FileVerdict)]
    if not isinstance(answer, Static) or not verdicts:
        return
    yield from (("files", f"looked for: {name}") for name in answer.looked_for(facts))
    yield from (("files", f"{verdict.name.lower()}: {verdict}") for verdict in verdicts)
