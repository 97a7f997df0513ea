"""Coroutine functions that answer, for plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from twisted.internet.defer import Deferred

from twistedproxy.apps.coroutine import Request, Response

waiting: list[Deferred[str]] = []
heard: list[str] = []


async def hello(request: Request) -> tuple[int, dict[str, str], str]:
    """Say who asks for what."""
    fields = request.headers
    said = {"X-For": fields["x-forwarded-for"], "X-Prefix": fields.get("X-Forwarded-Prefix", "-"), "X-Root": request.root}
    text = f"{request.method} {request.scheme}://{request.host}{request.path}?{request.query} of {request.client}"
    return 200, said, text


async def echo(request: Request) -> Response:
    """Send back the body."""
    return Response(
        201, [("Content-Type", "application/x-echo"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], await request.body()
    )


async def mirrored(request: Request) -> Response:
    """Send back the body as it comes."""
    return Response(body=request.__aiter__())


async def unread(request: Request) -> Response:
    """Answer without a look at the body."""
    return Response(403, body="no")


async def waits(request: Request) -> Response:
    """Answer with what somebody says later."""
    later: Deferred[str] = Deferred()
    waiting.append(later)
    try:
        return Response(body=await later)
    except Exception as problem:
        heard.append(type(problem).__name__)
        raise


async def endless(request: Request) -> Response:
    """Send more than anybody takes."""

    async def body() -> AsyncIterator[bytes]:
        heard.append("began")
        try:
            while True:
                heard.append("piece")
                yield b"x" * 50_000
        finally:
            heard.append("closed")

    return Response(body=body())


async def fails(request: Request) -> Response:
    """Fail."""
    raise ValueError("a secret of the app")


async def fails_late(request: Request) -> Response:
    """Fail when the answer has begun."""

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        raise ValueError("a secret of the app")

    return Response(body=body())


async def wrong(request: Request) -> Any:
    """Answer with something that cannot be one, as the query says."""
    return {
        "status": (99, {}, b""),
        "field": (200, {"X-A": "b\r\nX-Evil: c"}, b""),
        "name": (200, {"X A": "b"}, b""),
        "short": (200, {"Content-Length": "5"}, b"abc"),
        "long": (200, {"Content-Length": "2"}, b"abc"),
        "nothing": None,
    }[request.query]


async def declared(request: Request) -> Response:
    """Say a length that the body does not keep, as the query says."""

    async def body() -> AsyncIterator[bytes]:
        yield b"abc"
        yield b"def" if request.query == "long" else b""

    return Response(headers={"Content-Length": "5"}, body=body())


async def hop(request: Request) -> Response:
    """Say things of the hop."""
    return Response(headers={"Connection": "close", "Transfer-Encoding": "chunked", "Keep-Alive": "timeout=1"}, body=b"ok")


async def cached(request: Request) -> Response:
    """Something to store."""
    heard.append("asked")
    return Response(headers={"Cache-Control": "max-age=60", "Content-Type": "text/plain"}, body=b"text " * 500)


async def empty(request: Request) -> Response:
    """No content."""
    return Response(204)


async def sleeps(request: Request) -> Response:
    """Await asyncio."""
    await asyncio.sleep(1)
    return Response()


async def futures(request: Request) -> Response:
    """Await a future of an asyncio loop that is not the reactor's."""
    loop = asyncio.new_event_loop()
    try:
        await loop.create_future()
    finally:
        loop.close()
    return Response()


def plain(request: Request) -> Response:
    """No coroutine function."""
    return Response()


number = 5
