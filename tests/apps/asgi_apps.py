"""ASGI apps, for plays."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

Scope = dict[str, Any]

scopes: list[Scope] = []
heard: list[str] = []
#: Set when :func:`hesitant` may be ready.
go = threading.Event()


def begin() -> None:
    """Forget what was heard."""
    scopes.clear()
    heard.clear()
    go.clear()


async def plain(scope: Scope, receive: Any, send: Any) -> None:
    """Answers with what has come; it knows no lifespan."""
    assert scope["type"] == "http"
    scopes.append(scope)
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"got " + body})


async def streams(scope: Scope, receive: Any, send: Any) -> None:
    """Sends back each piece as it comes."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"begin", "more_body": True})
    more = True
    while more:
        message = await receive()
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


async def endless(scope: Scope, receive: Any, send: Any) -> None:
    """Sends more than anybody takes, until the client has left."""
    assert scope["type"] == "http"
    await receive()
    left = asyncio.ensure_future(receive())
    await send({"type": "http.response.start", "status": 200})
    while not left.done():
        heard.append("piece")
        await send({"type": "http.response.body", "body": b"x" * 50_000, "more_body": True})
        await asyncio.sleep(0)
    heard.append(left.result()["type"])


async def wrong(scope: Scope, receive: Any, send: Any) -> None:
    """Does not do what it should, as the query says."""
    assert scope["type"] == "http"
    how = scope["query_string"].decode()
    start = {"type": "http.response.start", "status": 200, "headers": []}
    if how == "raises":
        raise ValueError("a secret of the app")
    if how == "exits":
        raise SystemExit("a secret of the app")
    if how == "order":
        await send({"type": "http.response.body", "body": b"x"})
    if how == "field":
        await send(start | {"headers": [(b"x-a", b"b\r\nx-evil: c")]})
        await send({"type": "http.response.body", "body": b"x"})
    if how == "half":
        await send(start)
    if how in ("late", "stops"):
        await send(start)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        if how == "late":
            raise ValueError("a secret of the app")
    if how == "twice":
        await send(start)
        await send({"type": "http.response.body", "body": b"done"})
        await send({"type": "http.response.body", "body": b"more"})


async def living(scope: Scope, receive: Any, send: Any) -> None:
    """Has a lifespan, and state."""
    if scope["type"] == "lifespan":
        heard.append((await receive())["type"])
        scope["state"]["answer"] = "42"
        await send({"type": "lifespan.startup.complete"})
        heard.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": scope["state"]["answer"].encode()})


async def hesitant(scope: Scope, receive: Any, send: Any) -> None:
    """Takes its time to start; else as :func:`living`."""
    if scope["type"] == "lifespan":
        while not go.is_set():
            await asyncio.sleep(0.005)
    await living(scope, receive, send)


async def unborn(scope: Scope, receive: Any, send: Any) -> None:
    """Cannot start."""
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "the database is away"})


async def waits(scope: Scope, receive: Any, send: Any) -> None:
    """Waits until the client has left."""
    assert scope["type"] == "http"
    await receive()
    heard.append("began")
    heard.append((await receive())["type"])


async def socket(scope: Scope, receive: Any, send: Any) -> None:
    """A WebSocket that says what it hears; some words make it do something."""
    assert scope["type"] == "websocket"
    scopes.append(scope)
    assert (await receive())["type"] == "websocket.connect"
    if scope["path"] == "/no":
        await send({"type": "websocket.close"})
        return
    if scope["path"] == "/denied":
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"because")]})
        await send({"type": "websocket.http.response.body", "body": b"who are you?"})
        return
    if scope["path"] == "/mute":
        return
    chosen = scope["subprotocols"][0] if scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-hello", b"you")]})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            heard.append(f"{message['code']} {message['reason']}".strip())
            return
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 4000, "reason": "as you wish"})
        elif message.get("text") == "raise":
            raise ValueError("a secret of the app")
        elif message.get("text") == "return":
            return
        elif message.get("text") == "flood":
            for _ in range(40):
                heard.append("piece")
                await send({"type": "websocket.send", "bytes": b"x" * 50_000})
        elif "text" in message:
            await send({"type": "websocket.send", "text": message["text"].upper()})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"][::-1]})
