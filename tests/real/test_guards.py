"""Guards in a running proxy: passwords in threads, servers that are asked, keys that are fetched, the sample of etc/."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import bcrypt
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.real.client import Client, fetch, request
from tests.real.conftest import StartProxy
from tests.real.origins import Call, Origin
from tests.real.programs import eventually

SITE = """
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers = 127.0.0.1:{app}
[route /]
pool = app
[route /admin/]
pool = app
basic_auth = users
[route /asked/]
pool = app
forward_auth = http://127.0.0.1:{asked}/verify
forward_auth_headers = X-User
[route /api/]
pool = app
jwt = http://127.0.0.1:{keys}/jwks
jwt_audience = me
jwt_headers = sub X-User
[limit slow]
bandwidth = 100k/s
[route /slow]
pool = app
limits = slow
[log access]
file = access.log
format = {{path}} {{status}} {{user}} {{error}}
"""
KEY = RSAKey.generate_key(2048, parameters={"kid": "k"})


def app(call: Call) -> None:
    """Answers with the user that it hears of, or with 200 kB."""
    while head := call.head():
        lines = head.decode().split("\r\n")
        user = next((line[8:] for line in lines if line.lower().startswith("x-user: ")), "nobody")
        body = b"x" * 200_000 if " /slow " in lines[0] else user.encode()
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def verify(call: Call) -> None:
    """Lets in whoever has the cookie."""
    while head := call.head():
        assert head.startswith(b"GET /verify HTTP/1.1\r\n")
        if b"session=good" in head:
            call.send(b"HTTP/1.1 200 OK\r\nX-User: otto\r\nContent-Length: 0\r\n\r\n")
        else:
            call.send(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nSet-Cookie: a=1\r\nContent-Length: 2\r\n\r\ngo")


def keys(call: Call) -> None:
    """Publishes the key."""
    while call.head():
        body = json.dumps({"keys": [KEY.as_dict(private=False)]}).encode()
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def test_every_guard_does_its_work_in_a_running_proxy(start_proxy: StartProxy, tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"anna:{bcrypt.hashpw(b'secret', bcrypt.gensalt(10)).decode()}\n")
    with Origin(app) as origin, Origin(verify) as asked, Origin(keys) as published:
        proxy = start_proxy(SITE.format(app=origin.port, asked=asked.port, keys=published.port))

        def get(path: str, *fields: str) -> tuple[int, bytes]:
            answer = fetch(proxy.port, path, *fields)
            return answer.status, answer.body

        basic = "Basic " + base64.b64encode(b"anna:secret").decode()
        assert get("/admin/", f"Authorization: {basic}") == (200, b"nobody")
        assert get("/admin/", f"Authorization: {basic[:-4]}eHh4")[0] == 401
        assert get("/admin/")[0] == 401
        assert get("/Admin/")[0] == 403

        assert get("/asked/", "Cookie: session=good", "X-User: root") == (200, b"otto")
        assert get("/asked/") == (302, b"go")

        token = jwt.encode({"alg": "RS256", "kid": "k"}, {"sub": "emma", "aud": "me", "exp": int(time.time()) + 60}, KEY)
        assert get("/api/", f"Authorization: Bearer {token}") == (200, b"emma")
        assert get("/api/", f"Authorization: Bearer {token[:-4]}AAAA")[0] == 401

        begun = time.monotonic()
        assert len(get("/slow")[1]) == 200_000
        assert time.monotonic() - begun > 1.5
        log = tmp_path / "access.log"
        eventually(lambda: log.read_text().count("\n") == 9, "nine lines in the log")
    said = log.read_text().splitlines()
    assert "/admin/ 200 anna -" in said
    assert "/admin/ 401 - credentials_wrong" in said
    assert "/Admin/ 403 - path_disguised" in said
    assert "/api/ 200 emma -" in said


def test_the_sample_does_what_it_says(start_proxy: StartProxy) -> None:
    sample = (Path(__file__).parents[2] / "etc" / "guards.ini").read_text()
    with Origin(app) as origin, Origin(verify) as asked:
        text = (
            sample.replace("tcp:8000", "tcp:127.0.0.1:@http")
            .replace(":3000", f":{origin.port}")
            .replace(":4180", f":{asked.port}")
        )
        proxy = start_proxy(text.replace("/oauth2/auth", "/verify"))

        def status(path: str, *fields: str) -> int:
            return fetch(proxy.port, path, *fields).status

        assert status("/login") == 200
        assert status("/metrics", "X-Forwarded-For: 10.1.2.3") == 200
        assert status("/metrics", "X-Forwarded-For: 203.0.113.9") == 403
        assert status("/app/", "Cookie: session=good") == 200
        assert status("/app/") == 302
        assert status("/api/") == 401
        with Client(proxy.port) as client:
            client.send(request("/", "X-Forwarded-For: 203.0.113.7") * 40)
            crowd = [client.answer().status for _ in range(40)]
        assert crowd[:21] == [200] * 21
        assert 429 in crowd
        assert status("/", "X-Forwarded-For: 203.0.113.8") == 200
