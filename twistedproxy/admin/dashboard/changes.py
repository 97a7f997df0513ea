"""What an operator changes by the dashboard: the verbs of the shell, by name."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import Deferred, maybeDeferred

from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live import Live
from twistedproxy.admin.roles import Role, Who
from twistedproxy.admin.verbs import Verbs

#: The verbs that there are buttons for, and what each is told beside pool and peer; with ``?``: or not.
VERBS: Final[dict[str, tuple[str, ...]]] = {"drain": ("minutes?",), "restore": (), "set_weight": ("weight",)}


def change(live: Live, user: str, asked: object) -> Deferred[str]:
    """
    Do what is *asked* for, as the operator *user*: ``{"verb": "drain", "pool": …, "peer": …, "minutes": 10}``.

    The Deferred fires with what the shell would print, and fails with VerbError when it cannot be done.
    """
    return maybeDeferred(_call, live, Who(f"{user}@dashboard", Role.OPERATE), asked).addCallback(str)


def _call(live: Live, who: Who, asked: object) -> Any:
    if not isinstance(asked, dict) or asked.get("verb") not in list(VERBS):
        raise VerbError(f"a change has a verb: {', '.join(VERBS)}")
    arguments = dict(asked)
    verb = arguments.pop("verb")
    if not all(isinstance(arguments.get(name), str) for name in ("pool", "peer")):
        raise VerbError(f"{verb} is for a pool and a peer")
    takes = {"pool", "peer", *(name.rstrip("?") for name in VERBS[verb])}
    if set(arguments) - takes:
        raise VerbError(f"{verb} takes {', '.join(sorted(takes))} only")
    return Verbs(live, who, lambda: None).namespace()[verb](**arguments)
