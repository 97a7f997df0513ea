"""``allow`` and ``deny``: which addresses may in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from twistedproxy import errors
from twistedproxy.addresses import UNIX_CLIENTS
from twistedproxy.forward.guards.refusing import refuse

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

#: Addresses whose answer is remembered; they are clients' words where proxies are trusted, so there must be a bound.
_REMEMBERED: Final = 4096

#: Everybody.
ALL: Final = "all"


class _Table:
    """The networks of one version of IP: by the length of their prefix, the longest first, whether each may in."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._by_length: dict[int, dict[int, bool]] = {}
        self._lengths: list[tuple[int, dict[int, bool]]] = []

    def add(self, start: int, length: int, *, allowed: bool) -> None:
        networks = self._by_length.setdefault(length, {})
        networks[start >> (self._bits - length)] = allowed and networks.get(start >> (self._bits - length), True)
        self._lengths = sorted(self._by_length.items(), reverse=True)

    def find(self, address: int) -> bool | None:
        for length, networks in self._lengths:
            found = networks.get(address >> (self._bits - length))
            if found is not None:
                return found
        return None


class AddressList:
    """
    Who may in, by address: the longest network that holds an address decides, and of two that are alike the one of *deny*.

    An address that none of them holds may in if nobody is named by *allow*.

    :param allow: networks in CIDR, ``all``, ``unix:``
    :param deny: likewise
    """

    def __init__(self, allow: Sequence[str], deny: Sequence[str]) -> None:
        self._four, self._six = _Table(32), _Table(128)
        self._unix: bool | None = None
        self._others = not allow
        self._remembered: dict[str, bool] = {}
        for names, allowed in ((allow, True), (deny, False)):
            self._add(names, allowed=allowed)

    def _add(self, names: Iterable[str], *, allowed: bool) -> None:
        for name in names:
            if name == ALL:
                self._others = allowed
            elif name == UNIX_CLIENTS:
                self._unix = allowed
            else:
                network = ip_network(name)
                table = self._four if network.version == 4 else self._six
                table.add(int(network.network_address), network.prefixlen, allowed=allowed)

    def allows(self, client: str) -> bool:
        """Whether *client* may in: an IP address as text, or ``unix:``; what is neither is held by ``all`` only."""
        known = self._remembered.get(client)
        if known is None:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            known = self._remembered[client] = self._decide(client)
        return known

    def _decide(self, client: str) -> bool:
        found: bool | None
        if client == UNIX_CLIENTS:
            found = self._unix
        else:
            try:
                address: IPv4Address | IPv6Address = ip_address(client.partition("%")[0])
            except ValueError:
                return self._others
            mapped = getattr(address, "ipv4_mapped", None)
            if mapped is not None:
                address = mapped
            found = (self._four if address.version == 4 else self._six).find(int(address))
        return self._others if found is None else found


class AddressGuard:
    """Lets in whom an :class:`AddressList` allows."""

    __slots__ = ("allows",)

    def __init__(self, addresses: AddressList) -> None:
        self.allows = addresses.allows

    def admit(self, exchange: Exchange, passed: int) -> bool:
        """As :meth:`twistedproxy.forward.routes.Guard.admit`."""
        if self.allows(exchange.client):
            return True
        refuse(exchange, errors.ADDRESS_DENIED)
        return False
