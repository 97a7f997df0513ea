"""``/why.json``: what became of a request, for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twistedproxy.admin.live import Live
from twistedproxy.admin.recall import Recall
from twistedproxy.story.story import as_json
from twistedproxy.story.tale import Tale


def why_json(live: Live, asked: Mapping[bytes, Sequence[bytes]], *, queries: bool) -> tuple[int, dict[str, Any]]:
    """
    The status and the JSON of an answer.

    :param asked: of the URL: ``id`` is a number or a request id; without it the last one that failed is told, or else the last
    :param queries: whether what follows a ``?`` in URLs is shown
    """
    recall = Recall(live)
    wanted = asked.get(b"id", [b""])[0].decode("latin-1")
    tale: Tale | None
    if not wanted:
        tale = recall.last()
    else:
        tale = recall.find(int(wanted) if wanted.isdecimal() and wanted.isascii() and len(wanted) < 16 else wanted)
    if tale is None:
        most = recall.most
        remembered = f"the last {most} are ([site] remember)" if most else "none are: [site] remember = 0"
        return 404, {"error": f"no such request is remembered; {remembered}"}
    tale.hides_query = not queries
    return 200, as_json(tale)
