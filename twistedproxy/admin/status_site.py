# mypy: allow-untyped-calls
"""``[status]``: the state over HTTP, on a port of its own; for people a page, by which operators may change something."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from twistedproxy.admin.dashboard.assets import assets
from twistedproxy.admin.dashboard.changes import change
from twistedproxy.admin.dashboard.document import Document
from twistedproxy.admin.dashboard.operators import SESSION, STRIKE_EVERY, Operators, Refused
from twistedproxy.admin.dashboard.recorder import Recorder
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.life import Stage
from twistedproxy.admin.live import Live
from twistedproxy.admin.metrics import Metrics
from twistedproxy.admin.page import page
from twistedproxy.admin.ports import Ports
from twistedproxy.admin.status import snapshot
from twistedproxy.admin.why_json import why_json
from twistedproxy.forward.guards.basic import Passwords, credentials_of
from twistedproxy.forward.guards.premises import Premises
from twistedproxy.settings.operators import StatusSettings
from twistedproxy.transport.sockets import Sockets

_log = Logger()

#: On every answer: it is out of date at once, is what it says it is, is shown in nobody's frame, and loads and runs nothing but
#: what comes from here.
_FIELDS: Final = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
)
#: Bytes of a request's content that are read; nothing that can be asked for needs more.
_MOST: Final = 16 * 1024
#: Bytes from which on an answer is compressed for those who can read that: an hour of many peers is much of the same.
_WORTH_PACKING: Final = 4096
_JSON: Final = b"application/json"
_TEXT: Final = b"text/plain; charset=utf-8"
#: The page says a token in it, even an empty one: then browsers are not told to ask for a password by themselves.
_TOKEN: Final = b"operator-token"

_Answer = tuple[bytes, bytes]


def make_status_service(
    settings: StatusSettings,
    live: Live,
    recorder: Recorder,
    premises: Premises,
    reactor: Any,
    sockets: Sockets | None = None,
) -> Ports:
    """
    The status port.

    Starting raises CannotListenError when a port cannot be opened.

    :raises OSError: the file of users cannot be read
    :raises ValueError: or is none
    """
    operators = None
    if settings.users is not None:
        operators = Operators(Passwords(settings.users, premises), premises.clock)
    return Ports("status", settings.on, StatusSite(live, recorder, reactor, operators, settings.protect), reactor, sockets)


class StatusRequest(Request):
    """A request whose content is cut where it becomes too long for anything that is said here."""

    too_long = False

    def gotLength(self, length: int | None) -> None:
        """So many bytes will come; None: nobody knows."""
        # Held in memory, whatever is announced: no more of it is kept than that.
        super().gotLength(0)

    def handleContentChunk(self, data: bytes) -> None:
        """A piece has come."""
        assert self.content is not None
        if self.content.tell() + len(data) > _MOST:
            self.too_long = True
        else:
            super().handleContentChunk(data)


class StatusSite(Site):
    """Serves the page and what is behind it; who looks, and how often, is nobody's business."""

    noisy = False

    def __init__(
        self, live: Live, recorder: Recorder, reactor: Any, operators: Operators | None = None, protect: str = "changes"
    ) -> None:
        """*protect*: what needs a login, as in :class:`twistedproxy.settings.operators.StatusSettings`."""
        Site.__init__(self, Status(live, recorder, operators, protect), StatusRequest, reactor=reactor)
        self.displayTracebacks = False

    def log(self, request: Any) -> None:
        """Nothing: a monitor that looks every second would drown the log."""


class Status(Resource):
    """Everything under the port."""

    isLeaf = True

    def __init__(self, live: Live, recorder: Recorder, operators: Operators | None = None, protect: str = "changes") -> None:
        Resource.__init__(self)
        self._live = live
        self._operators = operators
        self._protected = protect == "everything"
        self._metrics = Metrics(live)
        self._document = Document(live, recorder)
        self._took = 0.0
        self._assets = assets()
        self._open: dict[bytes, Callable[[Any], _Answer]] = {
            b"/ready": self._ready,
            **{path: partial(_same, answer) for path, answer in self._assets.items()},
        }
        self._told: dict[bytes, Callable[[Any], _Answer]] = {
            b"/plain": self._plain,
            b"/status.json": self._status,
            b"/live.json": self._now,
            b"/history.json": self._history,
            b"/metrics": self._scraped,
            b"/why.json": self._why,
        }
        self._done: dict[bytes, Callable[[Any, Any], Any]] = {
            b"/login": self._log_in,
            b"/logout": self._log_out,
            b"/change": self._change,
        }

    def render(self, request: Any) -> Any:
        """The answer to *request*; to HEAD without its content (RFC 9110 §9.3.2)."""
        for name, value in _FIELDS:
            request.setHeader(name, value)
        path = request.path
        if path in self._done:
            return self._do(request, self._done[path])
        tell = self._open.get(path) or self._told.get(path)
        if tell is None:
            return _send(request, 404, (_TEXT, b"there is nothing here; see / and docs/dashboard.md\n"))
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader(b"Allow", b"GET, HEAD")
            return _send(request, 405, (_TEXT, b"the state can only be read\n"))
        # Stories of single requests are for operators, where there are any.
        protected = self._protected or (path == b"/why.json" and self._operators is not None)
        if path in self._told and protected and self._who(request) is None:
            return self._ask_for_password(request, tell)
        return _send(request, 200, tell(request))

    # What is told.

    def _plain(self, request: Any) -> _Answer:
        return b"text/html; charset=utf-8", page(snapshot(self._live)).encode("utf-8")

    def _status(self, request: Any) -> _Answer:
        return _JSON, json.dumps(snapshot(self._live), indent=1).encode("ascii") + b"\n"

    def _now(self, request: Any) -> _Answer:
        after = request.args.get(b"after", [b""])[0]
        began = self._live.clock.monotonic()
        document = self._document.at(int(after) if after.isdigit() and len(after) < 16 else 0)
        you = {"name": self._who(request), "can_log_in": self._operators is not None}
        # How long the last one took: who looks asks less often where that is long.
        answer = _json({**document, "you": you, "took": round(self._took, 4)})
        self._took = self._live.clock.monotonic() - began
        return answer

    def _history(self, request: Any) -> _Answer:
        return _json(self._document.history())

    def _scraped(self, request: Any) -> _Answer:
        return self._metrics.page((request.getHeader(b"Accept") or b"").decode("latin-1"))

    def _why(self, request: Any) -> _Answer:
        status, story = why_json(self._live, request.args, queries=self._operators is not None)
        if status != 200:
            request.setResponseCode(status)
        return _json(story)

    def _ready(self, request: Any) -> _Answer:
        """Whether balancers before us may send requests: 200, or 503 from the moment on at which the proxy drains."""
        stage = self._live.life.stage if self._live.life is not None else Stage.READY
        if stage is not Stage.READY:
            request.setResponseCode(503)
        return _TEXT, f"{stage}\n".encode()

    # Who asks.

    def _who(self, request: Any) -> str | None:
        """The operator whose token the request says."""
        token = request.getHeader(_TOKEN)
        if not token or self._operators is None:
            return None
        return self._operators.who(token.decode("latin-1"))

    def _ask_for_password(self, request: Any, tell: Callable[[Any], _Answer]) -> Any:
        """Tell it to those who say name and password (RFC 7617), as programs do."""
        assert self._operators is not None
        given = request.requestHeaders.getRawHeaders(b"authorization", [])
        credentials = credentials_of(given[0]) if len(given) == 1 else None
        if credentials is None:
            if request.getHeader(_TOKEN) is None:
                request.setHeader(b"WWW-Authenticate", b'Basic realm="twistedproxy", charset="UTF-8"')
            return _send(request, 401, _said("error", "log in first"))

        def known(right: bool | Refused) -> bytes:
            if right is True:
                return _send(request, 200, tell(request))
            if right is Refused.WRONG and request.getHeader(_TOKEN) is None:
                request.setHeader(b"WWW-Authenticate", b'Basic realm="twistedproxy", charset="UTF-8"')
            return _refuse(request, right)

        return _later(request, self._operators.knows(*credentials, _address(request)).addCallback(known))

    # What is done.

    def _do(self, request: Any, do: Callable[[Any, Any], Any]) -> Any:
        """What a POST of JSON asks for; browsers ask nobody else's pages whether they may send that (Fetch, CORS-preflight)."""
        if request.method != b"POST":
            request.setHeader(b"Allow", b"POST")
            return _send(request, 405, _said("error", "changes are made by POST"))
        if self._operators is None:
            return _send(request, 403, _said("error", "nobody may change anything here: [status] has no users"))
        if request.getHeader(b"sec-fetch-site") not in (None, b"same-origin"):
            return _send(request, 403, _said("error", "that is another site's wish"))
        if request.getHeader(b"content-type") != _JSON:
            return _send(request, 415, _said("error", "write JSON, as application/json"))
        if request.too_long:
            return _send(request, 413, _said("error", f"that is longer than {_MOST} bytes"))
        try:
            asked = json.loads(request.content.read())
        except (ValueError, RecursionError):
            return _send(request, 400, _said("error", "that is no JSON"))
        return do(request, asked)

    def _log_in(self, request: Any, asked: Any) -> Any:
        name, password = (asked.get(key) if isinstance(asked, dict) else None for key in ("name", "password"))
        if not isinstance(name, str) or not isinstance(password, str):
            return _send(request, 400, _said("error", "say name and password"))
        assert self._operators is not None

        def known(token: str | Refused) -> bytes:
            if isinstance(token, Refused):
                return _refuse(request, token)
            return _send(request, 200, _json({"name": name, "token": token, "seconds": SESSION}))

        return _later(request, self._operators.log_in(name, password, _address(request)).addCallback(known))

    def _log_out(self, request: Any, asked: Any) -> Any:
        token = request.getHeader(_TOKEN)
        if token and self._operators is not None:
            self._operators.log_out(token.decode("latin-1"))
        return _send(request, 200, _said("said", "logged out"))

    def _change(self, request: Any, asked: Any) -> Any:
        who = self._who(request)
        if who is None:
            return _send(request, 401, _said("error", "log in first"))

        def done(said: str) -> bytes:
            self._document.changed()
            return _send(request, 200, _said("said", said))

        def failed(failure: Failure) -> bytes:
            failure.trap(VerbError)
            return _send(request, 409, _said("error", str(failure.value)))

        return _later(request, change(self._live, who, asked).addCallbacks(done, failed))


def _same(answer: _Answer, request: Any) -> _Answer:
    return answer


def _json(value: Any) -> _Answer:
    return _JSON, json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def _said(key: str, text: str) -> _Answer:
    return _json({key: text})


def _refuse(request: Any, why: bool | Refused) -> bytes:
    assert isinstance(why, Refused)
    if why is not Refused.WRONG:
        request.setHeader(b"Retry-After", b"%d" % (STRIKE_EVERY if why is Refused.TOO_OFTEN else 1))
    return _send(request, 401 if why is Refused.WRONG else 429, _said("error", why.value))


def _send(request: Any, status: int, answer: _Answer) -> bytes:
    """What render returns; a status that was set before stays."""
    if status != 200:
        request.setResponseCode(status)
    kind, content = answer
    if len(content) > _WORTH_PACKING and _accepts_gzip(request):
        content = gzip.compress(content, 1)
        request.setHeader(b"Content-Encoding", b"gzip")
    request.setHeader(b"Content-Type", kind)
    request.setHeader(b"Content-Length", b"%d" % len(content))
    return b"" if request.method == b"HEAD" else content


def _accepts_gzip(request: Any) -> bool:
    accepted = (request.getHeader(b"accept-encoding") or b"").replace(b" ", b"").split(b",")
    return b"gzip" in accepted


def _later(request: Any, answer: Deferred[bytes]) -> Any:
    """Send *answer* when it is known, unless the client has left by then."""
    gone: list[object] = []
    request.notifyFinish().addErrback(gone.append)

    def send(content: bytes | Failure) -> None:
        if isinstance(content, Failure):
            _log.failure("the status port cannot answer", content)
            content = _send(request, 500, _said("error", "that went wrong; the log says how"))
        if not gone:
            request.write(content)
            request.finish()

    answer.addBoth(send)
    return NOT_DONE_YET


def _address(request: Any) -> str:
    """Whose guesses are counted together."""
    return getattr(request.getClientAddress(), "host", "unix:")
