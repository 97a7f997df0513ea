"""What a ``[test …]`` expects, held against what became of its request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from twistedproxy.answers.replies import phrase
from twistedproxy.errors import RequestError
from twistedproxy.message import Headers, ResponseHead
from twistedproxy.rehearsal.peers import Answer
from twistedproxy.rehearsal.request import NotAsked, made_up
from twistedproxy.rehearsal.stage import Stage, Told
from twistedproxy.settings.site_ini import Settings
from twistedproxy.settings.trials import Expectation, TrialSettings


def run(settings: Settings, test: TrialSettings) -> list[str]:
    """
    Try *test* on a stage of its own.

    :return: what is not as it expects, a line each; none when all is well
    """
    line, *fields = test.request
    try:
        request = made_up(settings, line, fields, body=test.body or "", client=test.client or "", listener=test.listen or "")
    except NotAsked as reason:
        return [str(reason)]
    except RequestError as error:
        return list(_against_refusal([each for line in test.expect for each in line], error))
    with Stage(settings) as stage:
        for _ in range(test.repeat):
            told = stage.ask(request, answer_of(test.answer))
    return [problem for line in test.expect for expectation in line if (problem := unmet(expectation, told)) is not None]


def _against_refusal(expect: Sequence[Expectation], error: RequestError) -> Iterator[str]:
    """The request cannot be read, so that it never has a route."""
    known = {"status": str(error.reason.status), "reason": error.reason.name}
    for each in expect:
        if (known.get(each.what) == each.value) is each.negated:
            yield f"expected {each}, and the request is refused: {error}"


def answer_of(lines: Sequence[str]) -> Answer:
    """What a peer says by the *lines* of ``answer``: a status, then fields, and behind an empty one the body; or refused."""
    if not lines:
        lines = ("200",)
    if lines[0] == "refused":
        return Answer(None)
    status = int(lines[0])
    fields = [(name.strip().encode(), value.strip().encode()) for name, _, value in (line.partition(":") for line in lines[1:])]
    body = b"".join(value for name, value in fields if name == b"body")
    fields = [field for field in fields if field[0] != b"body"]
    fields.append((b"Content-Length", b"%d" % len(body)))
    return Answer(ResponseHead(status, phrase(status).encode("ascii"), Headers(fields), length=len(body)), body)


def unmet(expectation: Expectation, told: Told) -> str | None:
    """What is wrong, if *expectation* is not met."""
    found = _FOUND[expectation.what](told, expectation.name)
    wanted = expectation.value
    if expectation.what in ("header", "response") and not wanted:
        met = found is not None
    elif expectation.what == "body":
        met = found is not None and wanted in found
    else:
        met = found == wanted
    if met is not expectation.negated:
        return None
    return f"expected {expectation}, and it is {'absent' if found is None else repr(found)}"


def _path(told: Told, name: str) -> str | None:
    return told.heard[-1].target.partition("?")[0] if told.heard else None


def _target(told: Told, name: str) -> str | None:
    return told.heard[-1].target if told.heard else None


def _app(told: Told, name: str) -> str | None:
    route = told.exchange.route
    app = route.settings.hosted if route is not None else None
    return app.target if app is not None and told.heard else None


def _peer(told: Told, name: str) -> str | None:
    return told.heard[-1].peer if told.heard else None


def _header(told: Told, name: str) -> str | None:
    values = [value for each, value in told.heard[-1].fields if each.lower() == name] if told.heard else []
    return ", ".join(values) if values else None


def _response(told: Told, name: str) -> str | None:
    value = told.head.headers.joined(name.encode("ascii")) if told.head is not None else None
    return None if value is None else value.decode("latin-1")


def _redirect(told: Told, name: str) -> str | None:
    return _response(told, "location") if told.head is not None and 300 <= told.head.status < 400 else None


_FOUND: Final[dict[str, Callable[[Told, str], str | None]]] = {
    "status": lambda told, name: str(told.head.status) if told.head is not None else None,
    "route": lambda told, name: told.exchange.route.name if told.exchange.route is not None else None,
    "pool": lambda told, name: told.exchange.pool_name or None,
    "app": _app,
    "peer": _peer,
    "path": _path,
    "target": _target,
    "redirect": _redirect,
    "header": _header,
    "response": _response,
    "body": lambda told, name: told.body.decode("utf-8", "replace"),
    "cache": lambda told, name: told.exchange.cache_status.lower() or None,
    "reason": lambda told, name: told.exchange.reason.name if told.exchange.reason is not None else None,
    "mirror": lambda told, name: told.copies[-1].peer if told.copies else None,
}
