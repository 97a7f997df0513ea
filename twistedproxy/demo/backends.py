# mypy: allow-untyped-calls
"""
``[app demo]`` of etc/demo.ini: every backend of the demo as one Twisted service, on loopback ports in the proxy's process.

Three peers that say who they are, the demo's own pages, and a chat.  The ports stand here and in etc/demo.ini.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from twisted.application.internet import TCPServer
from twisted.application.service import MultiService
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from twistedproxy.demo.chat import ChatFactory
from twistedproxy.demo.keys import shell_key
from twistedproxy.demo.pages import pages
from twistedproxy.demo.peers import DemoPeer, PeerResource, site
from twistedproxy.transport.port import CannotListen

#: Everything listens here and nowhere else.
HOST: Final = "127.0.0.1"
#: Name, port and weight of each peer, as in ``[pool app]``.
PEERS: Final = (("one", 9091, 3), ("two", 9092, 1), ("three", 9093, 2))
CHAT_PORT: Final = 9094
PAGES_PORT: Final = 9095
#: Where the proxy itself listens, for what is shown to people.
HTTP_PORT: Final = 8080
HTTPS_PORT: Final = 8443
SHELL_PORT: Final = 6022


class PortTaken(CannotListen):
    """Another program listens on a port that the demo needs."""


class Backends(MultiService):
    """The backends, whose ports are opened all together."""

    log = Logger()

    def __init__(self, shell_command: str) -> None:
        super().__init__()
        self.shell_command = shell_command

    def privilegedStartService(self) -> None:
        """Open the ports.  Raises PortTaken."""
        try:
            super().privilegedStartService()
        except CannotListenError as error:
            raise PortTaken(
                f"the demo needs port {error.port} of {error.interface}, but another program has it ({error.socketError}); "
                "stop that program, or a demo that still runs, and start again"
            ) from None

    def startService(self) -> None:
        """Say where to look."""
        super().startService()
        self.log.info("the demo: open http://localhost:{http}/ or https://localhost:{https}/", http=HTTP_PORT, https=HTTPS_PORT)
        self.log.info("the demo's shell: {command}", command=self.shell_command)


def make_service(reactor: Any, state_dir: str) -> Backends:
    """
    The demo's backends; they begin to listen when the service starts.

    :param reactor: what to listen and to wait with
    :param state_dir: where the shell's key is kept
    :raises OSError: the key cannot be read or written
    """
    key = shell_key(Path(state_dir))
    service = Backends(f"ssh -i {os.path.relpath(key)} -p {SHELL_PORT} admin@{HOST}")
    peers = [DemoPeer(*peer) for peer in PEERS]
    factories: dict[int, Any] = {peer.port: site(PeerResource(peer), reactor) for peer in peers}
    factories[PAGES_PORT] = site(pages(peers, service.shell_command, reactor), reactor)
    factories[CHAT_PORT] = ChatFactory(reactor)
    for port, factory in factories.items():
        TCPServer(port, factory, interface=HOST, reactor=reactor).setServiceParent(service)
    return service
