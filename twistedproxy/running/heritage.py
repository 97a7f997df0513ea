"""
What a process inherits: listening sockets, from systemd (sd_listen_fds(3)) or from the process before it, and whom to tell that
it serves.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from twisted.internet.endpoints import AdoptedStreamServerEndpoint, serverFromString

from twistedproxy.addresses import Address, Endpoint, Tcp, Unix

#: The variable by which a process gives its sockets to the next one: addresses with their descriptors, in JSON.
VARIABLE: Final = "REVPROXY_INHERIT"
#: The first descriptor that systemd, or the process before, passes on.
FIRST: Final = 3


@dataclass(frozen=True)
class Heritage:
    """
    What was inherited.

    :ivar sockets: by address
    :ivar nameless: of which only the kernel knows where they are
    :ivar tell: the descriptor on which the process before waits to hear that this one serves; None: there is none
    """

    sockets: Mapping[Address, Sequence[socket.socket]] = field(default_factory=dict)
    nameless: Sequence[socket.socket] = ()
    tell: int | None = None

    def serving(self) -> None:
        """Tell the process before that this one serves."""
        if self.tell is not None:
            try:
                os.write(self.tell, b"ready %d\n" % os.getpid())
            except OSError:
                pass  # it has ended meanwhile
            finally:
                os.close(self.tell)


def inherit(environ: MutableMapping[str, str]) -> Heritage:
    """
    What was inherited.

    What the process before has said in *environ* is taken out, as it is not for the children of this process.  What systemd said,
    Twisted has read, for its ``systemd:`` endpoints: ours are copies.
    """
    said = environ.pop(VARIABLE, None)
    if said is None:
        return Heritage(nameless=list(_of_systemd()))
    value = json.loads(said)
    os.set_inheritable(value["tell"], False)
    found = {_address(each["at"]): [_socket(number) for number in each["sockets"]] for each in value["sockets"]}
    return Heritage(found, tell=value["tell"])


def _of_systemd() -> Iterator[socket.socket]:
    for index in count():
        try:
            endpoint = serverFromString(None, f"systemd:domain=INET:index={index}")
        except IndexError:
            return
        assert isinstance(endpoint, AdoptedStreamServerEndpoint)
        yield _socket(os.dup(endpoint.fileno))


def bequeath(sockets: Mapping[Address, Sequence[socket.socket]]) -> tuple[str, dict[int, Any], int]:
    """
    How *sockets* are given to a process that is about to be started.

    :returns: the value of :data:`VARIABLE`; for each descriptor of that process our own, as ``spawnProcess`` takes them; and
        the descriptor from which we read
    """
    descriptors: dict[int, Any] = {0: 0, 1: 1, 2: 2}
    said = []
    following = FIRST
    for address, socks in sockets.items():
        numbers = range(following, following + len(socks))
        following += len(socks)
        descriptors.update(zip(numbers, (sock.fileno() for sock in socks), strict=True))
        said.append({"at": _written(address), "sockets": list(numbers)})
    descriptors[following] = "r"
    return json.dumps({"sockets": said, "tell": following}), descriptors, following


def _socket(number: int) -> socket.socket:
    sock = socket.socket(fileno=number)
    sock.set_inheritable(False)
    return sock


def _written(address: Address) -> list[Any]:
    if isinstance(address, Endpoint):
        return ["endpoint", address.text]
    return ["unix", address.path] if isinstance(address, Unix) else ["tcp", address.host, address.port]


def _address(value: list[Any]) -> Address:
    kind, *parts = value
    made: Address = {"endpoint": Endpoint, "unix": Unix, "tcp": Tcp}[kind](*parts)
    return made
