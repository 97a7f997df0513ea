"""The apps of etc/apps.ini: one of each kind, as small as it can be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.web.resource import Resource

from twistedproxy.apps.coroutine import Request, Response


async def hello(request: Request) -> Response:
    """``python``: a coroutine function."""
    name = request.path.strip("/") or "you"
    return Response(200, {"Content-Type": "text/plain; charset=utf-8"}, f"hello {name}, at {request.client}\n")


def visitors(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """``wsgi``: what Flask and Django are."""
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"a visitor from {environ['REMOTE_ADDR']} at {environ['SCRIPT_NAME']}{environ['PATH_INFO']}\n".encode("latin-1")]


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """``asgi``: what FastAPI and Starlette are; it says back what it hears, WebSockets included."""
    if scope["type"] == "lifespan":
        for moment in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{moment}.complete"})
    elif scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            if message["type"] == "websocket.receive":
                await send({**message, "type": "websocket.send"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": more})


class Guestbook(Resource):
    """``resource``: a resource of twisted.web, made without arguments."""

    isLeaf = True

    def __init__(self) -> None:
        make: Any = super().__init__
        make()
        self._lines: list[bytes] = []

    def render_GET(self, request: Any) -> bytes:
        """The last ten entries."""
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        return b"\n".join(self._lines[-10:])

    def render_POST(self, request: Any) -> bytes:
        """One more."""
        self._lines = [*self._lines[-9:], request.content.read(200)]
        return b"thank you\n"
