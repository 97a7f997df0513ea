"""A request as an app gets it: what a peer would be sent, and from whom it came."""

from __future__ import annotations

from typing import Any, Final

from twistedproxy.message import Field

#: Fields of the hop, which an app does not see (RFC 9110 §7.6.1); 100-continue is answered here (§10.1.1).
_OF_THE_HOP: Final = frozenset(
    (b"connection", b"transfer-encoding", b"upgrade", b"keep-alive", b"proxy-connection", b"te", b"expect")
)
_PORTS: Final = {"http": 80, "https": 443}


class AppRequest:
    """
    A request.

    :ivar method: as sent
    :ivar path: of the target, as it goes to a peer: escaped, without *root*
    :ivar query: what follows the first ``?``, empty for none
    :ivar fields: header fields for a peer, with X-Forwarded-* and the edits of the route; those of the hop are left out
    :ivar version: of HTTP: 10, 11 or 20
    :ivar scheme: by which the client asked, by the word of trusted proxies; *client* its address, likewise, empty for none
    :ivar client_port: 0 when it is not known
    :ivar host: the host that is asked for; *port*: of it
    :ivar root: what ``strip_prefix`` has taken off the path, without a slash at its end
    :ivar expects: the client waits for a 100 before it sends the body
    :ivar length: bytes of the body, or a negative number when that is not known
    """

    __slots__ = (
        "client",
        "client_port",
        "expects",
        "fields",
        "host",
        "length",
        "method",
        "path",
        "port",
        "query",
        "root",
        "scheme",
        "version",
    )

    def __init__(self, exchange: Any, start: bytes, length: int) -> None:
        """*start* is the head for a peer, line by line; *exchange* is whose it is."""
        line, *lines = start[:-4].split(b"\r\n")
        method, target, _ = line.split(b" ")
        path, _, self.query = target.partition(b"?")
        self.method = method
        self.path = path
        self.length = length
        self.fields: list[Field] = []
        for each in lines:
            name, _, value = each.partition(b": ")
            if name.lower() not in _OF_THE_HOP:
                self.fields.append((name, value))
        head, downstream, settings = exchange.head, exchange.downstream, exchange.route.settings
        self.version: int = head.version
        self.expects = head.fields.expects_continue
        self.scheme: str = exchange.scheme.decode("ascii")
        self.client: str = "" if exchange.client == "unix:" else exchange.client
        self.client_port: int = exchange.client_port if exchange.client == downstream.address else 0
        self.host: str = head.fields.host.decode("ascii") or "localhost"
        believed = self.scheme != downstream.scheme.decode("ascii")
        self.port: int = head.fields.port or (_PORTS[self.scheme] if believed else downstream.port)
        prefix = (settings.strip_prefix or "").rstrip("/")
        under = prefix and (head.route_path + b"/").startswith(prefix.encode("ascii") + b"/")
        self.root = prefix if under else ""

    @property
    def target(self) -> bytes:
        """Path and query."""
        return self.path + b"?" + self.query if self.query else self.path
