"""
Endpoint strings of Twisted: what they are made into, and whether they can be.

``tcp:``, ``unix:`` and ``systemd:`` sockets to listen on are taken by our own ports; whatever else a string describes, plugins of
other packages included, is opened and connected by Twisted's own code.
"""

from __future__ import annotations

import socket
from typing import Any, Final

from twisted.internet.endpoints import AdoptedStreamServerEndpoint, clientFromString, serverFromString
from twisted.internet.interfaces import IStreamClientEndpoint, IStreamServerEndpoint

from twistedproxy.addresses import Address, Endpoint, Tcp, Unix
from twistedproxy.transport.bastion import PREFIX, Bastion
from twistedproxy.transport.endpoint_strings import BadEndpoint, parts_of

SYSTEMD: Final = "systemd"
_DOMAINS: Final = ("INET", "INET6", "UNIX")


def check_server(text: str) -> None:
    """
    Whether *text* describes something to listen on.

    :raises BadEndpoint: it does not
    """
    prefix, words, named = parts_of(text)
    if prefix == SYSTEMD:
        if words or named.get("domain") not in _DOMAINS or len(named) != 2 or not ("index" in named or "name" in named):
            raise BadEndpoint(
                "write systemd:domain=INET:index=0, or systemd:domain=INET:name=web; the domain may be INET6 or UNIX"
            )
        if "index" in named and not named["index"].isdecimal():
            raise BadEndpoint("an index is a number from 0")
        return
    if prefix == "haproxy":
        raise BadEndpoint("write the address behind it, and proxy_protocol = require")
    _made(serverFromString, text)


def client_string(text: str, directory: str) -> str:
    """
    *text* as it is kept, when it describes something to connect to; files of ours begin in *directory*.

    :raises BadEndpoint: it does not
    """
    if parts_of(text)[0] == PREFIX:
        parsed = Bastion.parse(text).below(directory)
        parsed.load()
        return str(parsed)
    _made(clientFromString, text)
    return text


def _made(make: Any, text: str) -> Any:
    prefix = parts_of(text)[0]
    try:
        return make(None, text)
    except Exception as problem:  # whatever parsers of others raise
        if isinstance(problem, ValueError) and "Unknown endpoint type" in str(problem):
            raise BadEndpoint(f"Twisted knows no endpoint {prefix!r}") from None
        raise BadEndpoint(f"Twisted cannot make an endpoint of it: {problem}") from None


def plain_address(text: str) -> Address | None:
    """The address that Twisted's own spelling of ``tcp:``, ``tcp6:`` and ``unix:`` stands for; None when it is something else."""
    prefix, words, named = parts_of(text)
    if "port" in named:
        words.insert(0, named.pop("port"))
    try:
        if prefix in ("tcp", "tcp6") and len(words) == 1 and set(named) <= {"interface"}:
            interface = named.get("interface", "::" if prefix == "tcp6" else "0.0.0.0")
            socket.inet_pton(socket.AF_INET6 if prefix == "tcp6" else socket.AF_INET, interface)
            return Tcp(interface, int(words[0])) if 0 <= int(words[0]) <= 65535 else None
        if prefix == "unix" and len(words) == 1 and words[0] and set(named) <= {"mode", "lockfile"}:
            return Unix(words[0], int(named.get("mode", "666"), 8))
    except (OSError, ValueError):
        pass
    return None


def server_endpoint(address: Endpoint, reactor: Any) -> IStreamServerEndpoint:
    """What listens."""
    endpoint: IStreamServerEndpoint = serverFromString(reactor, address.text)
    return endpoint


def client_endpoint(address: Endpoint, reactor: Any) -> IStreamClientEndpoint:
    """What connects."""
    if parts_of(address.text)[0] == PREFIX:
        # Not before it is needed: parts of conch import a reactor, which is whichever twistd has chosen by now.
        from twistedproxy.transport.ssh import BastionEndpoint

        return BastionEndpoint(Bastion.parse(address.text), reactor)
    endpoint: IStreamClientEndpoint = clientFromString(reactor, address.text)
    return endpoint


def inherited(address: Endpoint) -> socket.socket | None:
    """
    The socket that systemd has opened for ``systemd:…`` (systemd.socket(5)); None when *address* is another endpoint.

    :raises OSError: there is no such socket
    """
    prefix, _, named = parts_of(address.text)
    if prefix != SYSTEMD:
        return None
    try:
        # Twisted has read the environment, and forgets it, when its endpoints are imported.
        endpoint = serverFromString(None, address.text)
    except (IndexError, KeyError):
        which = f"called {named['name']}" if "name" in named else f"number {named['index']}"
        raise OSError(f"systemd has handed over no socket {which}") from None
    assert isinstance(endpoint, AdoptedStreamServerEndpoint)
    # The descriptor that was inherited stays open for the next start in this process.
    sock = socket.socket(fileno=socket.dup(endpoint.fileno))
    sock.setblocking(False)
    return sock
