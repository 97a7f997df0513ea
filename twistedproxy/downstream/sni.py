"""Which way a TLS connection takes that is passed on as it is: by the name, and the protocols, that its ClientHello asks for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from twistedproxy.settings.streams import SniSettings
from twistedproxy.wire.client_hello import ClientHello

Way = TypeVar("Way")


class SniTable(Generic[Way]):
    """
    Lines of ``sni``, and the way to which each leads.

    The exact name comes before ``*.name``, a longer one of these before a shorter one, all of them before ``*``, which is every
    other name, and none.  Of the lines of one name those that ask for a protocol come first, in their order.
    """

    def __init__(self, lines: Iterable[tuple[SniSettings, Way]]) -> None:
        self._ways: dict[str, list[tuple[SniSettings, Way]]] = {}
        for line, way in lines:
            self._ways.setdefault(line.host, []).append((line, way))
        for ways in self._ways.values():
            ways.sort(key=lambda each: not each[0].protocols)

    def choose(self, hello: ClientHello) -> Way | None:
        """The way of a connection that begins with *hello*; None: no line is for it."""
        name = hello.server_name
        found = self._of(name, hello) if name else None
        while found is None and name:
            name = name.partition(".")[2]
            found = self._of(f"*.{name}", hello) if name else None
        return self._of("*", hello) if found is None else found

    def _of(self, host: str, hello: ClientHello) -> Way | None:
        for line, way in self._ways.get(host, ()):
            if not line.protocols or any(protocol.encode("latin-1") in hello.protocols for protocol in line.protocols):
                return way
        return None
