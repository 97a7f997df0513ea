"""What filters of the site see of an exchange, and what they may change."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from twistedproxy.answers import replies
from twistedproxy.forward.guards.identity import Identity, plain_name
from twistedproxy.message import Field, Headers, ResponseHead
from twistedproxy.wire.grammar import TOKEN

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

#: RFC 9110 §5.5.
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


class Fields:
    """
    Header fields that may be changed; names in any case, text in Latin-1.

    :ivar changed: names, by :func:`plain_name`, that were set, added to, or removed
    """

    def __init__(self, headers: Headers) -> None:
        self._items = list(headers.items)
        self.changed: set[bytes] = set()

    def get(self, name: str, default: str | None = None) -> str | None:
        """The combined value of a field (RFC 9110 §5.2)."""
        wanted = name.lower().encode("latin-1")
        values = [value for key, value in self._items if key.lower() == wanted]
        return b", ".join(values).decode("latin-1") if values else default

    def set(self, name: str, value: str) -> None:
        """Give the field one value, whatever it had."""
        self.remove(name)
        self.add(name, value)

    def add(self, name: str, value: str) -> None:
        """
        Add a field beside those of the same name.

        :raises ValueError: *name* or *value* cannot stand in a header
        """
        key, data = name.encode("latin-1"), value.encode("latin-1").strip(b" \t")
        if not TOKEN.fullmatch(key) or not _VALUE.fullmatch(data):
            raise ValueError(f"{name}: {value!r} cannot stand in a header")
        self._items.append((key, data))
        self.changed.add(plain_name(key))

    def remove(self, name: str) -> None:
        """Take all fields of the name out, in every spelling that CGI-like backends take for it."""
        plain = plain_name(name.encode("latin-1"))
        self._items = [field for field in self._items if plain_name(field[0]) != plain]
        self.changed.add(plain)

    @property
    def items(self) -> list[Field]:
        """All of them, in order."""
        return list(self._items)


class Seen:
    """
    An exchange, as filters of the site see it.

    :ivar request_headers: as the client sent them; changes go to the peer
    :ivar status: of the answer, once there is one; may be changed to another one from 200 to 599
    :ivar response_headers: of the answer, once there is one; changes go to the client
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.request_headers = Fields(exchange.head.headers)
        self.response_headers = Fields(Headers())
        self.status = 0
        self.answered: tuple[ResponseHead, bytes] | None = None

    @property
    def method(self) -> str:
        """Of the request."""
        return self._exchange.head.method.decode("latin-1")

    @property
    def target(self) -> str:
        """Path and query, as sent."""
        return self._exchange.head.target.decode("latin-1")

    @property
    def client(self) -> str:
        """The client's address."""
        return self._exchange.client

    def value(self, name: str) -> str:
        """The value of a template's name: ``user``, ``host``, ``cookie.session``, ``jwt.sub``, …; ``-`` for none."""
        return self._exchange.value(name)

    def answer(self, status: int, body: bytes | str = b"", headers: dict[str, str] | None = None) -> None:
        """
        Answer here and now, instead of a peer; of use in ``request`` only.

        :raises ValueError: *status* is not from 200 to 599, or a field cannot stand in a header
        """
        if not 200 <= status <= 599:
            raise ValueError(f"{status} is no status of an answer")
        data = body.encode("utf-8") if isinstance(body, str) else body
        fields = Fields(Headers())
        for name, value in (headers or {}).items():
            fields.add(name, value)
        items = [field for field in fields.items if field[0].lower() != b"content-length"]
        items.append((b"Content-Length", b"%d" % len(data)))
        phrase = replies.phrase(status).encode("ascii")
        self.answered = (ResponseHead(status, phrase, Headers(items), length=len(data)), data)

    def identity(self) -> Identity | None:
        """What becomes of the request's fields on their way to the peer; None: nothing."""
        changed = self.request_headers.changed
        if not changed:
            return None
        kept = tuple(field for field in self.request_headers.items if plain_name(field[0]) in changed)
        return Identity(dropped=frozenset(changed), fields=kept)
