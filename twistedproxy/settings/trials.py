"""``[test NAME]``: a request, and what has to come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twistedproxy.settings.knob import knob

#: What a test can expect.
EXPECTATIONS: Final = (
    "status",
    "route",
    "pool",
    "app",
    "peer",
    "path",
    "target",
    "redirect",
    "header",
    "response",
    "body",
    "cache",
    "reason",
    "mirror",
)


@dataclass(frozen=True)
class Expectation:
    """
    One thing that a test expects.

    :ivar what: one of :data:`EXPECTATIONS`
    :ivar name: of the field, in lower case, for ``header`` (as the peer gets it) and ``response`` (as the client does)
    :ivar value: what it has to be; empty for a field that has to be there
    :ivar negated: it must not be so
    """

    what: str
    name: str
    value: str
    negated: bool = False

    def __str__(self) -> str:
        return " ".join(word for word in ("not" if self.negated else "", self.what, self.name, self.value) if word)


@dataclass(frozen=True)
class TrialSettings:
    """A request that is made up, and what has to become of it: run by `revproxy test`."""

    name: str
    request: tuple[str, ...] = knob("request_lines", "METHOD URL, and below it Name: value, one a line", required=True)
    body: str | None = knob("text", "of the request")
    client: str | None = knob("address", "from which it comes; 192.0.2.1 without")
    listen: str | None = knob("listen_name", "the [listen NAME] by which it comes in; the first that the URL fits without")
    repeat: int = knob(
        "integer", "it is asked so many times; what is expected is of the last", default=1, minimum=1, maximum=10_000
    )
    answer: tuple[str, ...] = knob(
        "answer_lines",
        "what the peer says: a status, and below it Name: value (body: TEXT is the body); or refused; 200 without",
        default=(),
    )
    expect: tuple[tuple[Expectation, ...], ...] = knob(
        "expectations",
        "status N, route NAME, pool NAME, peer NAME, path PATH and target TARGET (as the peer is asked), redirect URL, "
        "header NAME [VALUE] (for the peer), response NAME [VALUE] (for the client), body TEXT (somewhere in it), cache WORD, "
        "reason NAME, mirror PEER; not before it; with commas between, or one a line",
        required=True,
    )
