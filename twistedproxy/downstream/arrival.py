"""Who comes in by a door, and what the door must know of itself to let them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from twistedproxy.addresses import Address
from twistedproxy.transport.tls_handshake import IncomingTls


class DoorSettings(Protocol):
    """What a door needs to know of itself; durations are seconds."""

    @property
    def name(self) -> str: ...

    @property
    def on(self) -> tuple[Address, ...]: ...

    @property
    def trusted_proxies(self) -> tuple[str, ...]: ...

    @property
    def proxy_protocol(self) -> str: ...

    @property
    def header_timeout(self) -> float: ...

    @property
    def handshake_timeout(self) -> float: ...

    @property
    def max_connections(self) -> int: ...

    @property
    def max_connections_per_client(self) -> int: ...

    @property
    def backlog(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Arrival:
    """
    Where a connection comes from, as its sender says it if that one is believed.

    :ivar address: of the client, ``unix:`` for sockets without one; *client_port*: its port
    :ivar port: where it came to
    :ivar number: among the connections of all doors
    :ivar destination: where it came to, if a PROXY protocol header says it
    """

    address: str
    client_port: int
    port: int
    number: int
    destination: Address | None = None


class Entrant(Protocol):
    """
    The protocol of a connection that comes in.

    :ivar address: the client's, for which it is counted
    :ivar handshake: of TLS, as long as it goes on
    """

    address: str
    handshake: IncomingTls | None
