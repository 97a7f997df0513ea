"""
Names of peers: looked up off the reactor's thread, remembered for a while, renewed behind the back of those who ask.

A literal address needs no look-up and answers at once, as does a name that was looked up before; when its time is over it is
looked up again while the old addresses still serve, and when that fails the old ones stay.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.logger import Logger

from twistedproxy.clock import Clock

_log = Logger()

#: (address family, what ``socket.connect`` takes), in the order in which to try them; empty when there is none.
Resolved = list[tuple[int, Any]]
Answered = Callable[[Resolved], None]
#: Looks up a name and port; calls back with what it found.  Real ones run ``getaddrinfo`` in a thread.
LookUp = Callable[[str, int, Answered], None]

#: Seconds after which a name that could not be resolved is tried again.
_RETRY: Final = 1.0
#: Names that are remembered before those that nobody asks for any more are looked for, and seconds after which they are.
_MANY: Final = 1000
_UNUSED: Final = 600.0


class _Known:
    __slots__ = ("addresses", "asked", "expires", "waiting")

    def __init__(self) -> None:
        self.addresses: Resolved = []
        self.expires = 0.0
        self.asked = False
        self.waiting: list[Answered] = []


class Names:
    """
    What is known of names.

    :ivar keep: seconds for which an answer is taken as it is
    """

    def __init__(self, look_up: LookUp, clock: Clock, keep: float) -> None:
        self._look_up = look_up
        self._clock = clock
        self.keep = keep
        self._known: dict[tuple[str, int], _Known] = {}

    def resolve(self, host: str, port: int, answered: Answered) -> None:
        """Call *answered* with the addresses of *host*: at once if they are known, later if they must be looked up."""
        literal = _literal(host, port)
        if literal is not None:
            answered([literal])
            return
        now = self._clock.monotonic()
        known = self._known.get((host, port))
        if known is None:
            self._make_room(now)
            known = self._known[host, port] = _Known()
        if now >= known.expires and not known.asked:
            known.asked = True
            self._look_up(host, port, lambda addresses: self._learnt(host, port, addresses))
        if known.addresses:
            answered(list(known.addresses))
            # The next connection begins with the next address, so that a name with several spreads its load.
            known.addresses.append(known.addresses.pop(0))
        elif known.asked:
            known.waiting.append(answered)
        else:
            answered([])

    def _make_room(self, now: float) -> None:
        """Names may come and go without end, where peers are found by SRV records."""
        if len(self._known) >= _MANY:
            kept = {key: known for key, known in self._known.items() if known.asked or now < known.expires + _UNUSED}
            self._known = kept

    def known(self, host: str, port: int) -> list[str]:
        """The addresses of *host* that were found last; none for a literal address, and for a name that nobody asked for yet."""
        known = self._known.get((host, port))
        return sorted(name[0] for _, name in known.addresses) if known is not None else []

    def _learnt(self, host: str, port: int, addresses: Resolved) -> None:
        known = self._known[host, port]
        known.asked = False
        now = self._clock.monotonic()
        if addresses:
            known.addresses = addresses
            known.expires = now + self.keep
        else:
            known.expires = now + min(_RETRY, self.keep)
            _log.warn(
                "{host} could not be resolved{remedy}",
                host=host,
                remedy="; its last known addresses are used on" if known.addresses else "",
            )
        waiting, known.waiting = known.waiting, []
        for answered in waiting:
            answered(list(known.addresses))


def _literal(host: str, port: int) -> tuple[int, Any] | None:
    for family, name in ((socket.AF_INET, (host, port)), (socket.AF_INET6, (host, port, 0, 0))):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return family, name
    return None


def system_look_up(call_in_thread: Callable[..., object], call_from_thread: Callable[..., object]) -> LookUp:
    """
    The machine's own resolver (``getaddrinfo``: /etc/hosts, DNS, …), in a thread of the reactor.

    :param call_in_thread: ``reactor.callInThread``
    :param call_from_thread: ``reactor.callFromThread``
    """

    def look_up(host: str, port: int, answered: Answered) -> None:
        def ask() -> None:
            try:
                found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError):
                found = []
            addresses: Resolved = []
            for family, _, _, _, name in found:
                if (family, name) not in addresses:
                    addresses.append((family, name))
            call_from_thread(answered, addresses)

        call_in_thread(ask)

    return look_up
