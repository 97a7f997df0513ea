"""Questions to servers beside the data path, by treq: for forward authentication, and for the keys of tokens."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers as TwistedHeaders
from twisted.web.iweb import IResponse

from twistedproxy.forward.guards.premises import Fetched
from twistedproxy.message import Field

#: Idle connections to one server, and seconds for which they are kept.
_IDLE: Final = 16
_KEPT: Final = 30


class Fetcher:
    """A :class:`twistedproxy.forward.guards.premises.Fetch` over real connections, which are kept."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._pool = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = _IDLE
        self._pool.cachedConnectionTimeout = _KEPT
        self._client = HTTPClient(Agent(reactor, connectTimeout=10, pool=self._pool))

    def __call__(self, url: str, fields: tuple[Field, ...], timeout: float, most: int) -> Deferred[Fetched]:
        """As :class:`twistedproxy.forward.guards.premises.Fetch`."""
        fetched = Deferred.fromCoroutine(self._fetch(url, fields, most))
        return fetched.addTimeout(timeout, self._reactor, _late)

    async def _fetch(self, url: str, fields: tuple[Field, ...], most: int) -> Fetched:
        headers = TwistedHeaders()
        for name, value in fields:
            headers.addRawHeader(name, value)
        response = await self._client.request(
            "GET", url, headers=headers, allow_redirects=False, unbuffered=True, cookies={}, reactor=self._reactor
        )
        body, whole = await _body(response.original, most)
        answered = tuple((name, value) for name, values in response.headers.getAllRawHeaders() for value in values)
        return Fetched(response.code, answered, body, whole)

    def close(self) -> Deferred[Any]:
        """Close the connections that are kept."""
        closed: Deferred[Any] = self._pool.closeCachedConnections()
        return closed


def _late(_: Any, seconds: float) -> NoReturn:
    raise TimeoutError(f"no answer within {seconds:g} s")


def _body(response: IResponse, most: int) -> Deferred[tuple[bytes, bool]]:
    collector = _Collector(most)
    response.deliverBody(collector)
    return collector.done


class _Collector(Protocol):
    """Gathers a body up to a size."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._data = bytearray()
        self.done: Deferred[tuple[bytes, bool]] = Deferred(lambda _: self._stop())

    def _stop(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        room = self._most - len(self._data)
        self._data += data[:room]
        if len(data) > room and not self.done.called:
            self.done.callback((bytes(self._data), False))
            self._stop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.done.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss, ConnectionDone):
            self.done.callback((bytes(self._data), True))
        else:
            self.done.errback(reason)
