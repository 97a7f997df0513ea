"""The WebSockets that are open: how many there are of a route and of a client, and each by its number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from twistedproxy.errors import TOO_MANY_OF_CLIENT, TOO_MANY_WEBSOCKETS, RequestError

if TYPE_CHECKING:
    from twistedproxy.settings.routes import RouteSettings
    from twistedproxy.transport.tunnel import Tunnel
    from twistedproxy.websocket.recording import Recording
    from twistedproxy.websocket.relay import Relay


class WebSocket:
    """
    One that is open.

    :ivar number: counted from 1 in the order in which they were opened
    :ivar client: its address, by the word of trusted proxies
    :ivar opened: monotonic time
    :ivar subprotocol: that was agreed on; empty for none
    :ivar joined: what joins the two sides: bytes, or messages
    """

    __slots__ = ("client", "joined", "number", "opened", "subprotocol")

    def __init__(self, number: int, client: str, opened: float, subprotocol: str, joined: Tunnel | Relay) -> None:
        self.number = number
        self.client = client
        self.opened = opened
        self.subprotocol = subprotocol
        self.joined = joined

    def __repr__(self) -> str:
        return f"<WebSocket {self.number} of {self.client}: {self.joined.route_name} → {self.joined.peer_name}>"


class Register:
    """All that are open."""

    def __init__(self) -> None:
        self._last = 0
        self._open: dict[int, WebSocket] = {}
        self._of_route: dict[str, int] = {}
        self._of_client: dict[tuple[str, str], int] = {}
        #: Called with each that is opened, for those who wait for one.
        self.on_open: list[Callable[[WebSocket], None]] = []
        #: What is recorded, by the names of the files, each with who watches for more to record.
        self.recordings: dict[str, tuple[Recording, Callable[[WebSocket], None]]] = {}

    def __iter__(self) -> Iterator[WebSocket]:
        return iter(list(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    def get(self, number: int) -> WebSocket | None:
        """The one with that number, while it is open."""
        return self._open.get(number)

    # Places: from the handshake to the end.

    def take_place(self, route: RouteSettings, client: str) -> None:
        """
        A client begins a handshake on a route.

        :raises RequestError: the route, or the client on it, has as many as it may have
        """
        taken = self._of_route.get(route.name, 0)
        if route.websocket_max and taken >= route.websocket_max:
            raise RequestError(TOO_MANY_WEBSOCKETS, f"{taken} on {route.name}")
        key = (route.name, client)
        of_client = self._of_client.get(key, 0)
        if route.websocket_max_per_client and of_client >= route.websocket_max_per_client:
            raise RequestError(TOO_MANY_OF_CLIENT, f"{of_client} on {route.name}")
        self._of_route[route.name] = taken + 1
        if route.websocket_max_per_client:
            self._of_client[key] = of_client + 1

    def leave_place(self, route: RouteSettings, client: str) -> None:
        """A handshake came to nothing, or its WebSocket has ended."""
        self._of_route[route.name] -= 1
        key = (route.name, client)
        if route.websocket_max_per_client:
            self._of_client[key] -= 1
            if not self._of_client[key]:
                del self._of_client[key]

    # Those that stand.

    def opened(self, client: str, now: float, subprotocol: str, joined: Tunnel | Relay) -> WebSocket:
        """One more is open."""
        self._last += 1
        websocket = self._open[self._last] = WebSocket(self._last, client, now, subprotocol, joined)
        for observer in self.on_open:
            observer(websocket)
        return websocket

    def closed(self, websocket: WebSocket) -> None:
        """One has ended."""
        del self._open[websocket.number]
