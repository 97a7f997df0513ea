"""The `websockets` package as client and as server, with the proxy in between."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.real.client import Client
from tests.real.conftest import StartProxy
from tests.real.programs import eventually
from tests.real.proxy import Proxy

SITE = """
[site]
state_dir = state
[listen http]
on = tcp:127.0.0.1:@http
[listen https]
on = tcp:127.0.0.1:@https
tls = own
[tls own]
self_signed = localhost
[defaults]
read_timeout = 300ms
[pool live]
servers = 127.0.0.1:{port}
[route /]
pool = live
[status]
on = tcp:127.0.0.1:@status
"""


async def echo(connection: ServerConnection) -> None:
    """Send back what comes; tell what was negotiated when asked."""
    async for message in connection:
        if message == "close":
            await connection.close(4001, "as asked")
        elif message == "facts":
            assert connection.request is not None
            await connection.send(str(connection.request.headers.get("X-Forwarded-Proto")))
        else:
            await connection.send(message)


def play(start_proxy: StartProxy, scene: Callable[[Proxy], Awaitable[None]], **options: Any) -> None:
    """A scene with an echoing server behind a proxy."""

    async def run() -> None:
        server: Server
        async with serve(echo, "127.0.0.1", 0, max_size=None, **options) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            proxy = await asyncio.to_thread(start_proxy, SITE.format(port=port))
            await scene(proxy)

    asyncio.run(run())


def trusting() -> ssl.SSLContext:
    """The certificate is the proxy's own; what matters here is TLS."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def ways(proxy: Proxy) -> Iterator[tuple[str, dict[str, Any]]]:
    yield f"ws://127.0.0.1:{proxy.port}/echo", {}
    yield f"wss://127.0.0.1:{proxy.ports['https']}/echo", {"ssl": trusting()}


def test_messages_of_every_kind_and_size_come_back_compressed_over_ws_and_wss(start_proxy: StartProxy) -> None:
    messages: list[str | bytes] = ["hello", "", b"", "ü" * 70_000, os.urandom(3_000_000), b"a" * 5_000_000]

    async def scene(proxy: Proxy) -> None:
        for url, options in ways(proxy):
            async with connect(url, max_size=None, **options) as client:
                assert "permessage-deflate" in client.response.headers["Sec-WebSocket-Extensions"]  # type: ignore[union-attr]
                for message in messages:
                    await client.send(message)
                    assert await client.recv() == message
                await client.send("facts")
                assert await client.recv() == ("https" if url.startswith("wss") else "http")

    play(start_proxy, scene)


def test_without_compression_and_with_a_subprotocol(start_proxy: StartProxy) -> None:
    async def scene(proxy: Proxy) -> None:
        for url, options in ways(proxy):
            async with connect(url, compression=None, subprotocols=[Subprotocol("b"), Subprotocol("a")], **options) as client:
                assert client.subprotocol == "a"
                assert "Sec-WebSocket-Extensions" not in client.response.headers  # type: ignore[union-attr]
                await client.send(b"\0\1")
                assert await client.recv() == b"\0\1"

    play(start_proxy, scene, subprotocols=[Subprotocol("a")])


def test_close_codes_pass_both_ways_and_pings_are_answered(start_proxy: StartProxy) -> None:
    async def scene(proxy: Proxy) -> None:
        for url, options in ways(proxy):
            client: ClientConnection
            async with connect(url, **options) as client:
                assert await (await client.ping()) > 0
                await client.send("close")
                with pytest.raises(ConnectionClosed) as closed:
                    await client.recv()
                assert closed.value.rcvd is not None
                assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as asked")

    play(start_proxy, scene)


def test_an_idle_websocket_outlives_read_timeout(start_proxy: StartProxy) -> None:
    async def scene(proxy: Proxy) -> None:
        async with connect(f"ws://127.0.0.1:{proxy.port}/", ping_interval=None) as client:
            await asyncio.sleep(1.5)  # five times the site's read_timeout: nothing else shows that it does not count
            await client.send("still here")
            assert await client.recv() == "still here"

    play(start_proxy, scene)


def test_many_websockets_at_once_and_none_is_left(start_proxy: StartProxy) -> None:
    async def scene(proxy: Proxy) -> None:
        clients = await asyncio.gather(*(connect(f"ws://127.0.0.1:{proxy.port}/") for _ in range(100)))
        await asyncio.gather(*(client.send(f"{number}") for number, client in enumerate(clients)))
        assert [await client.recv() for client in clients] == [f"{number}" for number in range(100)]

        def open_now() -> int:
            open_: int = proxy.status_page()["totals"]["websockets"]
            return open_

        assert await asyncio.to_thread(open_now) == 100
        await asyncio.gather(*(client.close() for client in clients))
        await asyncio.to_thread(eventually, lambda: open_now() == 0, "all are gone")

    play(start_proxy, scene)


def test_a_refusal_of_the_server_reaches_the_client(start_proxy: StartProxy) -> None:
    async def scene(proxy: Proxy) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{proxy.port}/")
        assert refused.value.response.status_code == 403
        assert refused.value.response.body == b"members only\n"

    play(start_proxy, scene, process_request=lambda connection, request: connection.respond(403, "members only\n"))


def test_a_client_that_vanishes_is_seen_by_the_server(start_proxy: StartProxy) -> None:
    gone = asyncio.Event()

    async def watch(connection: ServerConnection) -> None:
        try:
            await connection.recv()
        except ConnectionClosed:
            gone.set()

    async def run() -> None:
        async with serve(watch, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            proxy = await asyncio.to_thread(start_proxy, SITE.format(port=port))
            await asyncio.to_thread(vanish, proxy.port)
            await asyncio.wait_for(gone.wait(), 10)

    asyncio.run(run())


def vanish(port: int) -> None:
    """Open a WebSocket by hand, and leave without a word."""
    with handshake(port) as client:
        client.sock.close()


@contextmanager
def handshake(port: int) -> Iterator[Client]:
    with Client(port) as client:
        client.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert client.answer().status == 101
        yield client
