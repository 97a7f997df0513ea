"""Ports that are Twisted's own, or somebody else's: whatever an endpoint string describes that our sockets cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedproxy.addresses import Endpoint
from twistedproxy.transport.adapted import Adapting
from twistedproxy.transport.endpoints import server_endpoint
from twistedproxy.transport.port import CannotListen

_log = Logger()

Arrives = Callable[[Any, int], IProtocol | None]


class ForeignPort:
    """
    Listens by an endpoint, from now until :meth:`stop`.

    Most endpoints listen at once, or fail at once; others may take their time, and the log then says what became of them.

    :param arrives: the protocol for a client at an address, who has come to one of our ports; None: it is turned away
    :param addresses: where it really listens is added
    :raises CannotListen: it failed at once
    """

    def __init__(self, address: Endpoint, arrives: Arrives, reactor: Any, addresses: list[str]) -> None:
        self._arrives = arrives
        self._address = address
        self._addresses = addresses
        self._port: IListeningPort | None = None
        self._problem: Failure | None = None
        self._waited = False
        self._stopped = False
        self._listening: Deferred[Any] = server_endpoint(address, reactor).listen(Adapting(self._made))
        self._listening.addCallbacks(self._listens, self._fails)
        if self._problem is not None:
            raise CannotListen(f"cannot listen on {address.text}: {self._problem.getErrorMessage()}")
        self._waited = True

    @property
    def where(self) -> list[str]:
        """Where it listens; nothing as long as it does not."""
        return [shown(self._port.getHost())] if self._port is not None else []

    def _made(self, where: Any) -> IProtocol | None:
        return self._arrives(where, getattr(self._port.getHost(), "port", 0) if self._port is not None else 0)

    def _listens(self, port: IListeningPort) -> None:
        if self._stopped:
            port.stopListening()
            return
        self._port = port
        where = shown(port.getHost())
        self._addresses.append(where)
        if self._waited:
            _log.info("{text} listens on {where}", text=self._address.text, where=where)

    def _fails(self, problem: Failure) -> None:
        self._problem = problem
        if self._waited and not self._stopped:
            _log.critical("cannot listen on {text}: {problem}", text=self._address.text, problem=problem.getErrorMessage())

    def stop(self) -> None:
        """Accept nothing more."""
        self._stopped = True
        if self._port is None:
            self._listening.cancel()
        else:
            self._port.stopListening()


def shown(host: Any) -> str:
    """An address of a port, for people."""
    if hasattr(host, "name"):
        name = host.name
        return "unix:" + (name.decode() if isinstance(name, bytes) else str(name))
    if not hasattr(host, "port"):
        return str(host)
    return f"[{host.host}]:{host.port}" if ":" in str(host.host) else f"{host.host}:{host.port}"
