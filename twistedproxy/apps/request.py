"""A request as an app gets it: what a peer would be sent, and from whom it came."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

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
        self.length = length
        self.method, self.path, self.query, self.fields = _read(start)
        self.version: int = exchange.head.version
        self.expects = exchange.head.fields.expects_continue
        origin = origin_of(exchange)
        self.scheme, self.client, self.client_port = origin.scheme, origin.client, origin.client_port
        self.host, self.port, self.root = origin.host, origin.port, origin.root

    @property
    def target(self) -> bytes:
        """Path and query."""
        return self.path + b"?" + self.query if self.query else self.path


@lru_cache(maxsize=64)
def _read(start: bytes) -> tuple[bytes, bytes, bytes, tuple[Field, ...]]:
    """Method, path, query and fields; clients that repeat themselves have their heads read once."""
    line, *lines = start[:-4].split(b"\r\n")
    method, target, _ = line.split(b" ")
    path, _, query = target.partition(b"?")
    fields = (each.partition(b": ") for each in lines)
    return method, path, query, tuple((name, value) for name, _, value in fields if name.lower() not in _OF_THE_HOP)


class Origin(NamedTuple):
    """Where a request came from, and to what: as in :class:`AppRequest`."""

    client: str
    client_port: int
    scheme: str
    host: str
    port: int
    root: str


def origin_of(exchange: Any) -> Origin:
    """That of *exchange*, by the word of trusted proxies."""
    head, downstream, settings = exchange.head, exchange.downstream, exchange.route.settings
    scheme: str = exchange.scheme.decode("ascii")
    believed = exchange.scheme != downstream.scheme
    prefix = (settings.strip_prefix or "").rstrip("/")
    under = prefix and (head.route_path + b"/").startswith(prefix.encode("ascii") + b"/")
    return Origin(
        "" if exchange.client == "unix:" else exchange.client,
        exchange.client_port if exchange.client == downstream.address else 0,
        scheme,
        head.fields.host.decode("ascii") or "localhost",
        head.fields.port or (_PORTS[scheme] if believed else downstream.port),
        prefix if under else "",
    )
