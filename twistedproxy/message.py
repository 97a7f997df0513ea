"""
HTTP messages as values: ordered header fields and the heads of requests and responses.

Everything here is bytes, immutable once made, and free of sockets and clocks.  Heads are made by :mod:`twistedproxy.wire`,
which has already checked them against the grammar; the other rooms only read them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Set
from typing import Any, Final

Field = tuple[bytes, bytes]

#: Values of :attr:`RequestFields.length` and :attr:`ResponseHead.length` that are not a number of bytes.
CHUNKED: Final = -1
#: Bytes of a request's fields, and of its target, beyond which its head is large: such are not kept for long.
LARGE_FIELDS: Final = 4096
LARGE_TARGET: Final = 2048
#: Only in responses: the body ends where the connection ends (RFC 9112 §6.3 rule 8).
UNTIL_CLOSE: Final = -2


class Headers:
    """
    The header fields of one message, in the order and the letter case in which they came (RFC 9110 §5.3).

    Names are looked up in lower case: ``headers.get(b"content-type")``.

    Everything but the fields themselves is made when it is first asked for: many heads are only passed on.
    """

    __slots__ = ("_block", "_index", "_repeated", "items")

    items: tuple[Field, ...]

    def __init__(self, items: Iterable[Field] = (), block: bytes | None = None) -> None:
        """:param block: what :attr:`block` would make of *items*, if that is known"""
        self.items = tuple(items)
        self._index: dict[bytes, bytes] | None = None
        self._repeated: Mapping[bytes, list[bytes]] = _NONE_REPEATED
        self._block = block

    @property
    def names(self) -> list[bytes]:
        """The names of :attr:`items`, in lower case."""
        index = self.index
        return [name.lower() for name, _ in self.items] if self._repeated else list(index)

    @property
    def index(self) -> dict[bytes, bytes]:
        """The first value of each field, by its name in lower case, in the order of the fields."""
        index = self._index
        if index is None:
            index = self._index = {name.lower(): value for name, value in self.items}
            if len(index) != len(self.items):
                # Of names that come more than once, all values stand aside.
                self._repeated = _repeated(self.items)
                index.update((name, values[0]) for name, values in self._repeated.items())
        return index

    @property
    def repeated(self) -> Mapping[bytes, list[bytes]]:
        """All values of those fields that came more than once, by name in lower case."""
        if self._index is None:
            self.index  # noqa: B018 - finds them
        return self._repeated

    @property
    def block(self) -> bytes:
        """The fields as HTTP/1 lines, each with its CRLF; made once."""
        block = self._block
        if block is None:
            block = self._block = b"".join([b"%b: %b\r\n" % field for field in self.items])
        return block

    def get(self, name: bytes, default: bytes | None = None) -> bytes | None:
        """The first value of the field *name* (lower case), or *default*."""
        return self.index.get(name, default)

    def get_all(self, name: bytes) -> list[bytes]:
        """Every value of the field *name* (lower case), in order; empty when there is none."""
        value = self.index.get(name)
        if value is None:
            return []
        return list(self.repeated.get(name, (value,)))

    def joined(self, name: bytes) -> bytes | None:
        """The combined value of the field (RFC 9110 §5.2): all values joined with ``", "``; None when there is none."""
        if name in self.repeated:
            return b", ".join(self.repeated[name])
        return self.index.get(name)

    def elements(self, name: bytes) -> tuple[bytes, ...]:
        """
        The elements of a comma separated list of tokens (RFC 9110 §5.6.1), in lower case, empty elements left out.

        Meant for fields whose elements hold no quoted commas: Connection, TE, Upgrade, Transfer-Encoding, Vary.
        """
        joined = self.joined(name)
        if joined is None:
            return ()
        return tuple(e for part in joined.split(b",") if (e := part.strip(b" \t").lower()))

    def has_any(self, names: Set[bytes]) -> bool:
        """Whether at least one field of *names* (lower case) is there."""
        return not self.index.keys().isdisjoint(names)

    def without(self, names: Set[bytes]) -> Headers:
        """
        A copy that lacks every field whose lower-case name is in *names*.

        What is known of the fields that stay is handed on: of most heads one field goes.
        """
        index = self.index
        gone = [name for name in names if name in index] if len(names) < len(index) else [name for name in index if name in names]
        if not gone:
            return self
        if len(gone) > _FEW or self._repeated:
            return Headers(self.fields_without(gone))
        index = index.copy()
        items = self.items
        block = self._block
        for name in gone:
            at = list(index).index(name)
            del index[name]
            line = b"%b: %b\r\n" % items[at]
            items = items[:at] + items[at + 1 :]
            if block is None:
                continue
            if at == 0:
                block = block[len(line) :]
            else:
                # The end of the line before it and the name cannot stand within a value.
                before, _, behind = block.partition(b"\n" + line)
                block = b"%b\n%b" % (before, behind)
        left = Headers(items, block)
        left._index = index
        return left

    def fields_without(self, names: Container[bytes]) -> list[Field]:
        """The fields whose lower-case name is not in *names*."""
        return [field for name, field in zip(self.names, self.items, strict=True) if name not in names]

    def plus(self, *fields: Field) -> Headers:
        """A copy with *fields* added at the end."""
        block = self._block
        if block is not None:
            block = b"%b%b" % (block, b"".join([b"%b: %b\r\n" % field for field in fields]))
        return Headers((*self.items, *fields), block)

    def followed_by(self, other: Headers) -> Headers:
        """These fields, and behind them those of *other*."""
        block = self._block
        return Headers(self.items + other.items, None if block is None else block + other.block)

    def __contains__(self, name: object) -> bool:
        return name in self.index

    def __iter__(self) -> Iterator[Field]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.items == other.items

    def __hash__(self) -> int:
        return hash(self.items)

    def __repr__(self) -> str:
        return f"Headers({list(self.items)!r})"


#: Fields that are taken out of a copy one by one; beyond that it is made anew.
_FEW: Final = 3
_NONE_REPEATED: Final[Mapping[bytes, list[bytes]]] = {}


def _repeated(items: Iterable[Field]) -> Mapping[bytes, list[bytes]]:
    """All values of the names that occur more than once."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in items:
        values.setdefault(name.lower(), []).append(value)
    return {name: found for name, found in values.items() if len(found) > 1}


class RequestFields:
    """
    What the header fields of a request say, understood once.

    A client that repeats its fields on a connection shares one value between its requests, so that what was parsed,
    checked and derived for the first of them need not be done again.

    :ivar length: bytes of the body; 0 for none; CHUNKED when the length is not known beforehand
    :ivar host: the Host field: host name or address in lower case, an IPv6 address with its brackets; empty when absent
    :ivar port: the port that the Host field names, or None
    :ivar keep_alive: the client wants the connection kept after this exchange (RFC 9112 §9.3)
    :ivar connection: the elements of Connection in lower case
    :ivar expects_continue: ``Expect: 100-continue`` was sent (RFC 9110 §10.1.1)
    :ivar upgrade: the elements of Upgrade in lower case, empty unless Connection names ``upgrade`` (RFC 9110 §7.8)
    :ivar are_large: they have more than LARGE_FIELDS bytes
    """

    __slots__ = ("are_large", "connection", "expects_continue", "headers", "host", "keep_alive", "length", "port", "upgrade")

    headers: Headers
    length: int
    host: bytes
    port: int | None
    keep_alive: bool
    connection: tuple[bytes, ...]
    expects_continue: bool
    upgrade: tuple[bytes, ...]

    def __init__(
        self,
        headers: Headers,
        *,
        length: int = 0,
        host: bytes = b"",
        port: int | None = None,
        keep_alive: bool = True,
        connection: tuple[bytes, ...] = (),
        expects_continue: bool = False,
        upgrade: tuple[bytes, ...] = (),
        are_large: bool = False,
    ) -> None:
        self.are_large = are_large
        self.headers = headers
        self.length = length
        self.host = host
        self.port = port
        self.keep_alive = keep_alive
        self.connection = connection
        self.expects_continue = expects_continue
        self.upgrade = upgrade


class RequestHead:
    """
    The head of a request.

    :ivar method: as sent; methods are case-sensitive (RFC 9110 §9.1)
    :ivar target: what goes to the peer, byte for byte: the origin-form (path and query), or ``*``
    :ivar path: the target's path as sent
    :ivar query: what follows the first ``?`` of the target; None when there is no ``?``
    :ivar route_path: *path* normalised for routing and access decisions, never for forwarding
    :ivar version: 10, 11 or 20
    :ivar authority: the ``host[:port]`` that the request is for, in lower case
    :ivar is_large: its fields are, or its target

    A client that sends the same head again on its connection shares one value between these requests; the rooms that decide
    something by the head alone leave it in :attr:`routed`, :attr:`forwarded` and :attr:`cached`, each together with what it
    holds for.
    """

    __slots__ = (
        "authority",
        "cached",
        "fields",
        "forwarded",
        "headers",
        "is_large",
        "method",
        "path",
        "query",
        "route_path",
        "routed",
        "target",
        "version",
    )

    routed: tuple[object, Any] | None
    forwarded: tuple[object, bytes] | None
    cached: Any

    def __init__(
        self,
        method: bytes,
        target: bytes,
        version: int,
        fields: RequestFields,
        *,
        path: bytes,
        query: bytes | None,
        route_path: bytes,
        authority: bytes,
    ) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.fields = fields
        self.headers = fields.headers
        self.path = path
        self.query = query
        self.route_path = route_path
        self.authority = authority
        self.is_large = fields.are_large or len(target) > LARGE_TARGET
        self.routed = self.forwarded = self.cached = None

    def __repr__(self) -> str:
        return f"<{self.method.decode('latin-1')} {self.target.decode('latin-1')} of {self.authority.decode('latin-1')}>"


class ResponseHead:
    """
    The head of a final (not 1xx) or interim (1xx) response.

    :ivar status: three digits, 100 to 599
    :ivar reason: the reason phrase as sent, possibly empty
    :ivar version: 10, 11 or 20
    :ivar length: bytes of the body that follows for the request's method; 0 for none, CHUNKED, or UNTIL_CLOSE
    :ivar keep_alive: the peer keeps the connection open after this response
    :ivar rewritten: what the forwarding room made of this head last, and for whom; an origin that repeats itself saves that work
    :ivar strict: likewise, for clients who are told to come with TLS: by what they are told, and the head with it
    :ivar start: the head's bytes for an HTTP/1.1 client whose connection is kept, once they were made
    :ivar block: its header block for HTTP/2 clients, likewise
    """

    __slots__ = ("block", "headers", "keep_alive", "length", "reason", "rewritten", "start", "status", "strict", "version")

    rewritten: tuple[object, ResponseHead] | None
    start: bytes | None
    block: bytes | None
    strict: tuple[bytes, ResponseHead] | None

    def __init__(
        self,
        status: int,
        reason: bytes,
        headers: Headers,
        *,
        version: int = 11,
        length: int = 0,
        keep_alive: bool = True,
    ) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.version = version
        self.length = length
        self.keep_alive = keep_alive
        self.rewritten = None
        self.start = None
        self.block = None
        self.strict = None

    def __repr__(self) -> str:
        return f"<{self.status} {self.reason.decode('latin-1')}>"


#: Fields that say something of a client's certificate (RFC 9440 §2, and those that people know).
CERT_FIELDS: Final = frozenset(
    (
        b"client-cert",
        b"client-cert-chain",
        b"x-client-cert-verified",
        b"x-client-cert-subject",
        b"x-client-cert-issuer",
        b"x-client-cert-serial",
        b"x-client-cert-fingerprint",
    )
)

#: Methods that a server may execute twice with the effect of once (RFC 9110 §9.2.2).
IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"))
