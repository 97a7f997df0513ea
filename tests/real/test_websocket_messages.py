"""The `websockets` package as client and as server, with the proxy in between relaying messages."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.real.conftest import StartProgram, StartProxy
from tests.real.programs import ROOT, eventually, forget_peak, free_ports, python, resident, resident_peak
from tests.real.proxy import Proxy
from tests.real.test_websockets import echo, ways

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
[pool live]
servers =
{servers}
max_fails = 0
[route /]
pool = live
websocket = {way}
{more}
[status]
on = tcp:127.0.0.1:@status
"""


@asynccontextmanager
async def serving(
    start_proxy: StartProxy, answer: Any, *more: str, way: str = "messages", **options: Any
) -> AsyncIterator[tuple[Proxy, Server]]:
    """A server of *answer* behind a proxy."""
    async with serve(answer, "127.0.0.1", 0, max_size=None, **options) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        site = SITE.format(servers=f"    127.0.0.1:{port}", way=way, more="\n".join(more))
        yield await asyncio.to_thread(start_proxy, site), server


def play(scene: Callable[[], Awaitable[None]]) -> None:
    """Run it, in time."""

    async def run() -> None:
        await asyncio.wait_for(scene(), 60)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("compress", "client_compression"), [("both", "deflate"), ("client", "deflate"), ("peer", None), ("no", "deflate")]
)
def test_messages_of_every_kind_and_size_come_back(
    start_proxy: StartProxy, compress: str, client_compression: str | None
) -> None:
    messages: list[str | bytes] = ["hello", "", b"", "ü" * 70_000, os.urandom(500_000), b"a" * 1_000_000]

    async def scene() -> None:
        async with serving(start_proxy, echo, f"websocket_compress = {compress}") as (proxy, _):
            for url, options in ways(proxy):
                async with connect(url, max_size=None, compression=client_compression, **options) as client:
                    assert client.response is not None
                    spoken = "permessage-deflate" in client.response.headers.get("Sec-WebSocket-Extensions", "")
                    assert spoken is (client_compression is not None and compress in ("both", "client"))
                    for message in messages:
                        await client.send(message)
                        assert await client.recv() == message
                    await client.send(["in ", "parts"])
                    assert await client.recv() == "in parts"

    play(scene)


def test_close_codes_pass_and_pings_are_answered(start_proxy: StartProxy) -> None:
    async def scene() -> None:
        async with serving(start_proxy, echo) as (proxy, _):
            for url, options in ways(proxy):
                async with connect(url, **options) as client:
                    assert await (await client.ping()) > 0
                    await client.send("close")
                    with pytest.raises(ConnectionClosed) as closed:
                        await client.recv()
                    assert closed.value.rcvd is not None
                    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as asked")

    play(scene)


@pytest.mark.parametrize(("way", "size"), [("tunnel", 0), ("messages", 0), ("messages", 16 << 10)])
def test_a_slow_reader_makes_the_proxy_no_larger(start_proxy: StartProxy, way: str, size: int) -> None:
    """The peer says so many megabytes at once, in one message or in messages of *size* bytes."""
    total = int(os.environ.get("WEBSOCKET_MEGABYTES", "64")) << 20
    piece = bytes(size or 1 << 18)
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < total:
            sent += len(piece)
            yield piece

    async def pour(connection: ServerConnection) -> None:
        if size:
            async for message in pieces():
                await connection.send(message)
        else:
            await connection.send(pieces())

    async def scene() -> None:
        limits = ("websocket_max_message = 0", "websocket_ping_interval = 0") if way == "messages" else ()
        async with serving(start_proxy, pour, *limits, way=way, compression=None, ping_interval=None) as (proxy, _):
            before = resident(proxy.pid)
            forget_peak(proxy.pid)
            url = f"ws://127.0.0.1:{proxy.port}/"
            async with connect(url, max_size=None, compression=None, max_queue=1, ping_interval=None) as client:
                still = -1
                while still != sent:
                    still = sent
                    await asyncio.sleep(0.5)  # nobody tells that a sender has stopped but that it sends nothing more
                assert sent < total
                received = 0
                while received < total:
                    async for heard in client.recv_streaming(decode=False):
                        received += len(heard)
                assert received == total
            grown = resident_peak(proxy.pid) - before
            print(f"{way}: {total >> 20} MiB for a client that did not read made the proxy {grown / 2**20:.1f} MiB larger")
            assert grown < 8 << 20

    play(scene)


def test_a_chat_goes_on_when_its_server_is_killed(start_proxy: StartProxy, start_program: StartProgram) -> None:
    servers = {port: start_program(f"chat-{port}", python("tests.real.chat_server", str(port))) for port in free_ports(2)}
    for port, server in servers.items():
        server.await_port(port)
    lines = "\n".join(f"    127.0.0.1:{port}" for port in servers)
    proxy = start_proxy(SITE.format(servers=lines, way="messages", more="websocket_resume = 1"))

    async def scene() -> None:
        async with connect(f"ws://127.0.0.1:{proxy.port}/", subprotocols=[Subprotocol("chat.v1")]) as client:
            await client.send("alice")
            first = int(str(await client.recv()).removesuffix(" welcomes alice"))
            (second,) = set(servers) - {first}
            await asyncio.to_thread(servers[first].kill)
            assert await client.recv() == f"{second} welcomes alice"
            await client.send("still here?")
            assert await client.recv() == "alice: still here?"

    play(scene)


def test_a_recording_is_said_again_to_another_server(start_proxy: StartProxy, tmp_path: Path) -> None:
    file = tmp_path / "talk.jsonl"
    lines = [
        {"opened": "2026-01-01T12:00:00+00:00", "websocket": 1, "client": "192.0.2.1", "route": "/", "subprotocol": ""},
        {"websocket": 1, "at": 0.0, "from": "client", "text": "one"},
        {"websocket": 1, "at": 0.01, "from": "peer", "text": "one"},
        {"websocket": 1, "at": 0.02, "from": "client", "base64": "dHdv", "binary": True},
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    heard: list[str | bytes] = []

    async def listen(connection: ServerConnection) -> None:
        async for message in connection:
            heard.append(message)
            await connection.send(message)

    async def scene() -> None:
        async with serving(start_proxy, listen) as (proxy, _):
            command = [sys.executable, "-m", "twistedproxy.cli", "replay", str(file), "--to", f"ws://127.0.0.1:{proxy.port}/"]
            ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, cwd=ROOT)
            assert (ended.returncode, ended.stdout, ended.stderr) == (0, "2 messages sent, 2 received\n", "")
            command[-1] = "ws://127.0.0.1:1/"
            ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, cwd=ROOT)
            assert ended.returncode == 1
            assert ended.stderr.startswith("ws://127.0.0.1:1/")

    play(scene)
    assert heard == ["one", b"two"]


def test_none_is_left_when_all_have_gone(start_proxy: StartProxy) -> None:
    async def scene() -> None:
        async with serving(start_proxy, echo) as (proxy, _):
            clients = await asyncio.gather(*(connect(f"ws://127.0.0.1:{proxy.port}/") for _ in range(50)))
            await asyncio.gather(*(client.send(f"{number}") for number, client in enumerate(clients)))
            assert [await client.recv() for client in clients] == [f"{number}" for number in range(50)]

            def open_now() -> int:
                open_: int = proxy.status_page()["totals"]["websockets"]
                return open_

            assert await asyncio.to_thread(open_now) == 50
            await asyncio.gather(*(client.close() for client in clients))
            await asyncio.to_thread(eventually, lambda: open_now() == 0, "all are gone")

    play(scene)
