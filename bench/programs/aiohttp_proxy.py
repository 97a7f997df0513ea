"""
A reverse proxy on aiohttp as one would write it: pooled connections, streamed bodies, WebSockets by message.

``python -m bench.programs.aiohttp_proxy HTTP HTTPS ORIGIN ECHO CHAIN KEY``
"""

from __future__ import annotations

import asyncio
import ssl
import sys

from aiohttp import ClientSession, ClientTimeout, ClientWebSocketResponse, TCPConnector, WSMsgType, web
from multidict import CIMultiDict

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"}
)
#: Answers up to this many bytes are sent in one piece.
_SMALL = 64 * 1024

_Socket = web.WebSocketResponse | ClientWebSocketResponse


class Proxy:
    """Forwards to one origin, and ``/ws`` to the echo."""

    def __init__(self, session: ClientSession, origin: int, echo: int) -> None:
        self._session = session
        self._origin = f"http://127.0.0.1:{origin}"
        self._echo = f"http://127.0.0.1:{echo}"

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """One request with its answer."""
        if request.path == "/ws":
            return await self._join(request)
        headers = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP)
        headers["X-Forwarded-For"] = request.remote or ""
        headers["X-Forwarded-Proto"] = request.scheme
        headers["X-Forwarded-Host"] = request.host
        async with self._session.request(
            request.method,
            self._origin + request.raw_path,
            headers=headers,
            data=request.content.iter_any() if request.body_exists else None,
            allow_redirects=False,
        ) as answer:
            kept = CIMultiDict((name, value) for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP)
            if answer.content_length is not None and answer.content_length <= _SMALL:
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    async def _join(self, request: web.Request) -> web.StreamResponse:
        downstream = web.WebSocketResponse()
        async with self._session.ws_connect(self._echo + request.raw_path) as upstream:
            await downstream.prepare(request)
            pumps = [asyncio.ensure_future(_pump(downstream, upstream)), asyncio.ensure_future(_pump(upstream, downstream))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for each in pumps:
                each.cancel()
        return downstream


async def _pump(source: _Socket, destination: _Socket) -> None:
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await destination.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await destination.send_bytes(message.data)


async def serve(http: int, https: int, origin: int, echo: int, chain: str, key: str) -> None:
    """Run until the process is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    context.options |= ssl.OP_NO_TICKET
    connector = TCPConnector(limit=0, keepalive_timeout=3600)
    async with ClientSession(connector=connector, timeout=ClientTimeout(total=None), auto_decompress=False) as session:
        application = web.Application(client_max_size=0)
        application.router.add_route("*", "/{path:.*}", Proxy(session, origin, echo).forward)
        runner = web.AppRunner(application, access_log=None, keepalive_timeout=3600)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", http, backlog=4096).start()
        await web.TCPSite(runner, "127.0.0.1", https, backlog=4096, ssl_context=context).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    http_port, https_port, origin_port, echo_port = map(int, sys.argv[1:5])
    asyncio.run(serve(http_port, https_port, origin_port, echo_port, sys.argv[5], sys.argv[6]))
