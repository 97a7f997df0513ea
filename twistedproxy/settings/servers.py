"""The lines of ``servers``: peers, and names by which peers are found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from twistedproxy.addresses import Address, Tcp


class StandsFor(Enum):
    """What a line of ``servers`` stands for: a peer, or a name by which peers are found."""

    PEER = "one peer"
    ADDRESSES = "a peer for each address of a name"
    RECORDS = "a peer for each SRV record of a name"


@dataclass(frozen=True)
class ServerSettings:
    """
    One line of ``servers``: a peer, or a name by which peers are found, and its options.

    :ivar address: where it is; for RECORDS the name that is asked for, with port 0
    :ivar family: which addresses ADDRESSES are: all, ipv4 or ipv6
    :ivar server_name: asked for by SNI and expected in the certificate; without, what the pool says
    :ivar tier: among backups the lowest that is available serves
    :ivar max_connections: exchanges that run on it at a time, at most; 0 for no limit
    :ivar slow_start: seconds in which its share grows when it returns; 0.0: it has all of it at once
    :ivar drain: it takes no new exchanges, and keeps those who are bound to it; unlike with *down*, it is checked
    :ivar found_by: of a peer that was found: the name that requests to it are for, instead of its address; empty for others
    """

    address: Address
    tls: bool = False
    weight: int = 1
    backup: bool = False
    down: bool = False
    stands_for: StandsFor = StandsFor.PEER
    server_name: str | None = None
    tier: int = 0
    found_by: str = ""
    family: str = "all"
    max_connections: int = 0
    slow_start: float = 0.0
    drain: bool = False

    @property
    def name(self) -> str:
        """How the peer is called in logs and in the shell: its address."""
        if self.stands_for is StandsFor.RECORDS and isinstance(self.address, Tcp):
            return f"srv:{self.address.host}"
        return str(self.address)

    @property
    def authority(self) -> str:
        """Host of a request to this server: its address, without the port where it is the scheme's own (RFC 9110 §7.2)."""
        address = self.address
        if not isinstance(address, Tcp):
            return "localhost"
        host = self.found_by or address.host
        host = f"[{host}]" if ":" in host else host
        return host if address.port == (443 if self.tls else 80) else f"{host}:{address.port}"
