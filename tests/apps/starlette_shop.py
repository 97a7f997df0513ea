"""A small shop by Starlette."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

heard: list[str] = []


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    """Note beginning and end."""
    heard.append("begins")
    yield {"name": "shop"}
    heard.append("ends")


async def front(request: Request) -> Response:
    """Who asks, and where the form is."""
    said = f"{request.state.name} for {request.client.host if request.client else '-'}: {request.url_for('form')}"
    return PlainTextResponse(said)


async def form(request: Request) -> Response:
    """The size of what came."""
    size = 0
    async for piece in request.stream():
        size += len(piece)
    return JSONResponse({"size": size})


async def ticks(request: Request) -> Response:
    """For ever."""

    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick\n"
                await asyncio.sleep(0.001)
        finally:
            heard.append("closed")

    return StreamingResponse(pieces(), media_type="text/event-stream")


async def fails(request: Request) -> Response:
    """Fail."""
    raise ValueError("a secret of the shop")


async def echo(websocket: WebSocket) -> None:
    """Say what is heard."""
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"{websocket.path_params['name']}: {text}")
    heard.append("socket closed")


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/", front),
        Route("/form", form, methods=["POST"], name="form"),
        Route("/ticks", ticks),
        Mount("/deep", routes=[Route("/fails", fails)]),
        WebSocketRoute("/echo/{name}", echo),
    ],
)
