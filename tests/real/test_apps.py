"""Apps in a running proxy: each kind, on real sockets, threads and loops."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from websockets.asyncio.client import connect

from tests.real.client import fetch
from tests.real.conftest import StartProxy

SITE = """
[listen http]
on = tcp:127.0.0.1:@http
[status]
on = tcp:127.0.0.1:@status
[defaults]
app_dir = code
[route /python]
python = real_apps:slept
[route /wsgi/]
wsgi = real_apps:make_wsgi()
strip_prefix = /wsgi
[route /asgi/]
asgi = real_apps:asgi
[route /resource/]
resource = real_apps:tree
"""
CODE = """
import asyncio, time

async def slept(request):
    await asyncio.sleep(0.01)
    return 200, {}, await request.body() + b" slept"

def make_wsgi():
    def app(environ, start_response):
        time.sleep(0.01)
        start_response("200 OK", [])
        return [environ["wsgi.input"].read() + b" threaded"]
    return app

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("the app has ended", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})
    else:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x" * 3_000_000})

def tree():
    from twisted.web.static import Data
    data = Data(b"data", "text/plain")
    data.isLeaf = True
    return data
"""


def test_each_kind_answers(start_proxy: StartProxy, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "real_apps.py").write_text(CODE)
    # By the reactor of asyncio a coroutine function may await what belongs to asyncio, too.
    proxy = start_proxy(SITE, options=("-n", "--pidfile=", "--reactor=asyncio"))
    assert fetch(proxy.port, "/python").body == b" slept"
    assert fetch(proxy.port, "/wsgi/").body == b" threaded"
    assert len(fetch(proxy.port, "/asgi/").body) == 3_000_000
    assert fetch(proxy.port, "/resource/").body == b"data"
    assert fetch(proxy.port, "/python", body=b"y" * 1_000_000).body == b"y" * 1_000_000 + b" slept"
    assert fetch(proxy.port, "/wsgi/", body=b"y" * 1_000_000).body == b"y" * 1_000_000 + b" threaded"

    async def talks() -> list[str | bytes]:
        async with connect(f"ws://127.0.0.1:{proxy.port}/asgi/", max_size=None) as client:
            await client.send("hello")
            first = await client.recv()
            await client.send(b"z" * 1_000_000)
            return [first, await client.recv()]

    assert asyncio.run(talks()) == ["hello", b"z" * 1_000_000]
    assert proxy.status_page()["apps"]["wsgi:real_apps:make_wsgi()"]["requests"] == 2
    proxy.signal(signal.SIGTERM)
    assert proxy.wait() == 0
    assert proxy.said("the app has ended")
