"""Filters of a site, for plays."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import Deferred


class Plain:
    """Changes heads, at once."""

    def request(self, exchange: Any) -> None:
        """Tell the peer, and keep somebody out."""
        if exchange.target == "/private":
            exchange.answer(451, "not here", {"X-By": "filter"})
        exchange.request_headers.set("X-Client", exchange.client)
        exchange.request_headers.remove("X-Secret")

    def response(self, exchange: Any) -> None:
        """Tell the client."""
        exchange.response_headers.set("X-Seen", f"{exchange.method} {exchange.status}")
        exchange.response_headers.remove("Server")
        if exchange.status == 418:
            exchange.status = 503


class Upper:
    """Changes bodies, at once."""

    def __init__(self) -> None:
        self.kept = b""

    def body(self, chunk: bytes) -> bytes:
        """All but the last byte goes on, in capital letters."""
        data = self.kept + chunk
        if not chunk:
            return data + b"!"
        self.kept = data[-1:]
        return data[:-1].upper()


class Bracketed:
    """The second in a row."""

    def body(self, chunk: bytes) -> bytes | None:
        """In brackets."""
        return b"[" + chunk + b"]" if chunk else None


class Waiting:
    """Takes its time, until a play says so."""

    asked: ClassVar[list[tuple[str, Deferred[Any]]]] = []

    def _wait(self, what: str) -> Deferred[Any]:
        answer: Deferred[Any] = Deferred()
        self.asked.append((what, answer))
        return answer

    async def request(self, exchange: Any) -> None:
        """By a coroutine."""
        exchange.request_headers.set("X-Answer", str(await self._wait("request")))

    def response(self, exchange: Any) -> Deferred[Any]:
        """By a Deferred."""
        return self._wait("response").addCallback(lambda said: exchange.response_headers.set("X-Answer", str(said)))

    async def body(self, chunk: bytes) -> bytes:
        """By a coroutine."""
        return bytes(await self._wait(f"body {len(chunk)}")) if chunk else b""


class Failing:
    """Fails where the path says so."""

    def __init__(self) -> None:
        self.where = ""

    def request(self, exchange: Any) -> None:
        """The path says where."""
        self.where = exchange.target
        if self.where == "/request":
            raise ValueError("request")
        if self.where == "/early":
            exchange.answer(99)

    def response(self, exchange: Any) -> None:
        """In the head."""
        if self.where == "/response":
            raise ValueError("response")
        if self.where == "/field":
            exchange.response_headers.set("X-A", "a\r\nSet-Cookie: b=c")

    def body(self, chunk: bytes) -> Any:
        """In the body."""
        if self.where == "/body" and b"2" in chunk:
            raise ValueError("body")
        return "text" if self.where == "/type" else chunk
