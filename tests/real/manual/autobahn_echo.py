"""An echo server on autobahn, for the Autobahn test suite: ``python -m tests.real.manual.autobahn_echo PORT``."""

from __future__ import annotations

import sys
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateOfferAccept


class Echo(WebSocketServerProtocol):  # type: ignore[misc]
    """Sends back what comes."""

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.sendMessage(payload, isBinary)


def accept(offers: list[Any]) -> Any:
    """The first offer of permessage-deflate."""
    return next((PerMessageDeflateOfferAccept(offer) for offer in offers if isinstance(offer, PerMessageDeflateOffer)), None)


def main(port: int) -> None:
    """Serve until ended."""
    from twisted.internet import reactor

    factory: Any = WebSocketServerFactory()
    factory.protocol = Echo
    factory.setProtocolOptions(perMessageCompressionAccept=accept, failByDrop=False, openHandshakeTimeout=0)
    served: Any = reactor
    served.listenTCP(port, factory, interface="127.0.0.1")
    served.run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
