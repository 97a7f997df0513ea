"""
The listening sockets of the process, by the addresses that site.ini has for them.

They outlive whoever listens on them: a listener that is replaced, renamed or changed goes on with the socket that is there, so
that nobody who connects meanwhile is refused.  They may also be older than the process: systemd, or the process before this
one, may have bound them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence

from twisted.logger import Logger

from twistedproxy.addresses import Address, Endpoint, Tcp, Unix
from twistedproxy.transport.port import bind

_log = Logger()


class Sockets:
    """
    Who is bound, and where.

    :param inherited: bound and listening already, by address as far as whoever has bound them has told it
    :param nameless: the same, with nothing known but what the kernel says
    :param bind: binds an address that was not inherited
    :ivar always: addresses that are wanted whatever the site says
    """

    def __init__(
        self,
        inherited: Mapping[Address, Sequence[socket.socket]] | None = None,
        nameless: Iterable[socket.socket] = (),
        bind: Callable[[Address, int], list[socket.socket]] = bind,
    ) -> None:
        self._bind = bind
        self.always: dict[Address, int] = {}
        #: In the file system, and made by systemd, which removes them.
        self._not_ours: set[Address] = set()
        self._held: dict[Address, list[socket.socket]] = {}
        self._inherited = {_key(address): list(socks) for address, socks in (inherited or {}).items()}
        self._nameless = list(nameless)

    def provide(self, wanted: Mapping[Address, int]) -> None:
        """
        Have a socket for every address of *wanted*, each with the length of its backlog; what is held already stays as it is.

        :raises CannotListen: one of them cannot be had; then everything is as before
        """
        fresh: list[Address] = []
        try:
            for address, backlog in wanted.items():
                key = _key(address)
                if key not in self._held:
                    self._held[key] = self._inherit(address, backlog) or self._bind(address, backlog)
                    fresh.append(key)
        except BaseException:
            for key in fresh:
                self._close(key)
            raise

    def of(self, address: Address) -> Sequence[socket.socket]:
        """The sockets of *address*, which was provided."""
        return self._held[_key(address)]

    def keep(self, wanted: Mapping[Address, int]) -> None:
        """Close all that is not *wanted*; give the others the backlog, and the permissions, that are wanted now."""
        keys = {_key(address) for address in (*wanted, *self.always)}
        for key in [key for key in self._held if key not in keys]:
            self._close(key)
        for address, backlog in wanted.items():
            for sock in self._held.get(_key(address), ()):
                sock.listen(backlog)
            if isinstance(address, Unix):
                _permit(address)

    def keep_only(self, held: Mapping[Address, Sequence[socket.socket]]) -> None:
        """Close what was not *held* when :meth:`all` said so."""
        self.drop([address for address in self._held if address not in held])

    def drop(self, addresses: Iterable[Address]) -> None:
        """Close those of *addresses*."""
        for address in addresses:
            if _key(address) in self._held:
                self._close(_key(address))

    def discard_inherited(self) -> None:
        """Close what was inherited and is of no use."""
        by_endpoint = any(isinstance(address, Endpoint) for address in self._held)
        for sock in (*self._nameless, *(sock for socks in self._inherited.values() for sock in socks)):
            if not by_endpoint:
                _log.warn("the inherited socket {where} is on no address of the site, and is closed", where=sock.getsockname())
            sock.close()
        self._nameless.clear()
        self._inherited.clear()

    def all(self) -> dict[Address, list[socket.socket]]:
        """Everything that is held."""
        return {address: list(socks) for address, socks in self._held.items()}

    def close(self, *, unlink: bool = True) -> None:
        """Close everything; what was in the file system goes, unless somebody else listens there now."""
        for key in list(self._held):
            self._close(key, unlink=unlink)

    def _close(self, key: Address, *, unlink: bool = True) -> None:
        for sock in self._held.pop(key):
            sock.close()
        if isinstance(key, Unix) and unlink and key not in self._not_ours:
            try:
                os.unlink(key.path)
            except FileNotFoundError:
                pass
            except OSError as problem:
                _log.warn("{path} is left behind: {problem}", path=key.path, problem=problem.strerror)

    def _inherit(self, address: Address, backlog: int) -> list[socket.socket]:
        found = self._inherited.pop(_key(address), None)
        if found is None:
            found = [sock for sock in self._nameless if _is_at(sock, address)]
            self._nameless = [sock for sock in self._nameless if sock not in found]
            if found:
                self._not_ours.add(_key(address))
        for sock in found:
            sock.setblocking(False)
            sock.listen(backlog)
        return found


def _key(address: Address) -> Address:
    """A socket in the file system is the same with other permissions."""
    return Unix(address.path) if isinstance(address, Unix) else address


def _permit(address: Unix) -> None:
    try:
        if os.stat(address.path).st_mode & 0o777 != address.mode:
            os.chmod(address.path, address.mode)
    except OSError as problem:
        _log.warn("{path} keeps its permissions: {problem}", path=address.path, problem=problem.strerror)


def _is_at(sock: socket.socket, address: Address) -> bool:
    where = sock.getsockname()
    if isinstance(address, Endpoint):
        return False
    if isinstance(address, Unix) or sock.family == socket.AF_UNIX:
        return isinstance(address, Unix) and sock.family == socket.AF_UNIX and os.fsdecode(where) == address.path
    return where[1] == address.port and where[0] in _spellings(address)


def _spellings(address: Tcp) -> tuple[str, ...]:
    """What the kernel calls *address*; a name's addresses are not asked for."""
    if not address.host:
        return ("0.0.0.0", "::")
    try:
        return (socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, address.host)),)
    except OSError:
        return (address.host,)
