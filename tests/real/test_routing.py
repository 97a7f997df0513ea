"""A real proxy with real peers: shares, copies, tables that change, and an application under a prefix."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from tests.real.client import fetch
from tests.real.conftest import StartProxy
from tests.real.origins import Call, Origin
from tests.real.programs import eventually

SITE = """
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers = 127.0.0.1:{app}
[pool beta]
servers = 127.0.0.1:{beta}
[pool shadow]
servers = 127.0.0.1:{shadow}
[map where]
source = {{host}}
file = table
[route /split]
split = {{header.x-user}}
    50% beta
    *   app
[route /mirror/]
pool = app
mirror = shadow
[route /wiki/]
pool = app
strip_prefix = /wiki
rewrite_location = peer
cookie_path = / /wiki/
substitute = href="/ href="/wiki/
[route /]
respond = 200 {{map.where}}
"""


def saying(name: str, heard: list[bytes], slow: threading.Event | None = None) -> Callable[[Call], None]:
    """A peer that says who it is; one that is *slow* waits."""

    def script(call: Call) -> None:
        while head := call.head():
            heard.append(head)
            if slow is not None:
                slow.wait(10)
            body = f'<a href="/">{name}</a>'.encode() * 3000
            fields = f"Content-Type: text/html\r\nLocation: /next\r\nSet-Cookie: a=1; Path=/\r\nContent-Length: {len(body)}"
            call.send(f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode() + body)

    return script


def test_a_real_proxy_routes_and_rewrites(start_proxy: StartProxy, tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_text("* first\n")
    heard: dict[str, list[bytes]] = {"app": [], "beta": [], "shadow": []}
    never = threading.Event()
    with (
        Origin(saying("app", heard["app"])) as app,
        Origin(saying("beta", heard["beta"])) as beta,
        Origin(saying("shadow", heard["shadow"], never)) as shadow,
    ):
        proxy = start_proxy(SITE.format(app=app.port, beta=beta.port, shadow=shadow.port))

        # Sticky shares.
        first = {str(user): b"beta" in fetch(proxy.port, "/split", f"X-User: {user}").body for user in range(20)}
        assert len(set(first.values())) == 2
        assert {user: b"beta" in fetch(proxy.port, "/split", f"X-User: {user}").body for user in first} == first

        # A copy that hangs, and a client that does not wait for it.
        assert fetch(proxy.port, "/mirror/a", "X-Id: 7").status == 200
        eventually(lambda: bool(heard["shadow"]), "the second pool gets a copy")
        assert heard["shadow"][0].startswith(b"GET /mirror/a HTTP/1.1\r\n")
        assert b"X-Id: 7" in heard["shadow"][0]
        never.set()

        # An application that does not know where it is, with a body of several reads.
        page = fetch(proxy.port, "/wiki/page")
        assert page.body == b'<a href="/wiki/">app</a>' * 3000
        assert page.field("Location") == "/wiki/next"
        assert page.field("Set-Cookie") == "a=1; Path=/wiki/"
        assert heard["app"][-1].startswith(b"GET /page HTTP/1.1\r\n")
        assert b"X-Forwarded-Prefix: /wiki" in heard["app"][-1]

        # A table that changes while the proxy runs.
        assert fetch(proxy.port, "/").body == b"first\n"
        (tmp_path / "new").write_text("* second\n")
        os.replace(tmp_path / "new", table)
        eventually(lambda: fetch(proxy.port, "/").body == b"second\n", "the table is read again")
