"""A Flask site under gunicorn, behind the proxy under another name and below another path: with and without its knowledge."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from tests.real.browser import Browser, needs_chromium
from tests.real.programs import Program, free_ports, python
from tests.real.proxy import Proxy

pytestmark = pytest.mark.skipif(
    find_spec("flask") is None or find_spec("gunicorn") is None, reason="needs Flask and gunicorn (pip install .[test])"
)

NAME = "tests.real.flask_site:site"
SITE = """
[listen http]
on = tcp:127.0.0.1:@http
[listen https]
on = tcp:127.0.0.1:@https
tls = site
[tls site]
self_signed = tools.localhost fixed.localhost
[pool flask]
servers = 127.0.0.1:{flask}

[route tools.localhost/shop/app/]
pool = flask
strip_prefix = /shop/app
host = upstream
rewrite_location = peer
cookie_path = / /shop/app/
cookie_flags = * httponly samesite=lax
substitute =
    http://127.0.0.1:{flask}/ {{scheme}}://{{host}}:{{port}}/shop/app/
    https://127.0.0.1:{flask}/ {{scheme}}://{{host}}:{{port}}/shop/app/
    "=\\"/" "=\\"/shop/app/"

[route https://tools.localhost/shop/app/]
pool = flask
strip_prefix = /shop/app
host = upstream
rewrite_location = peer
cookie_path = / /shop/app/
cookie_flags = * secure httponly samesite=lax
substitute =
    http://127.0.0.1:{flask}/ {{scheme}}://{{host}}:{{port}}/shop/app/
    https://127.0.0.1:{flask}/ {{scheme}}://{{host}}:{{port}}/shop/app/
    "=\\"/" "=\\"/shop/app/"

[route fixed.localhost/below/]
pool = flask
strip_prefix = /below
cookie_path = / /below/
substitute = "=\\"/login" "=\\"/below/login"
"""


class Here(httpx.HTTPTransport):
    """Every name leads to this machine."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url.copy_with(host="127.0.0.1")
        extensions = {**request.extensions, "sni_hostname": request.url.host}
        return super().handle_request(
            httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)
        )


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """In front of a site on Flask."""
    directory = tmp_path_factory.mktemp("flask")
    (port,) = free_ports(1)
    gunicorn = Program("gunicorn", python("gunicorn", "--threads", "4", "-b", f"127.0.0.1:{port}", NAME), directory)
    proxy = Proxy(directory, SITE.format(flask=port))
    gunicorn.await_port(port)
    proxy.await_ready()
    yield proxy
    proxy.end()
    gunicorn.end()


def href(page: httpx.Response, name: str) -> str:
    """Where the link called *name* leads."""
    found = re.search(rf'id="{name}" href="([^"]*)"', page.text)
    assert found, page.text
    return found[1]


@pytest.mark.parametrize(("host", "below"), [("tools.localhost", "/shop/app/"), ("fixed.localhost", "/below/")])
def test_a_site_is_used_under_another_name_and_path(proxy: Proxy, host: str, below: str) -> None:
    for scheme in ("http", "https"):
        root = f"{scheme}://{host}:{proxy.ports[scheme]}{below}"
        with httpx.Client(transport=Here(verify=False), follow_redirects=True, timeout=30) as client:
            home = client.get(root)
            assert "Who are you?" in home.text
            assert href(home, "absolute") == f"{root}login"
            assert href(home, "rooted") == f"{below}login"
            home = client.post(f"{root}login", data={"user": "anna"})
            assert "Hello anna" in home.text
            assert [str(each.headers["location"]) for each in home.history] == [root]
            (cookie,) = client.cookies.jar
            assert cookie.path == below
            assert cookie.secure is (scheme == "https" and host == "tools.localhost")
            data = bytes(range(256)) * 8192
            thanks = client.post(f"{root}upload", files={"file": ("a b.bin", data)})
            assert "Thanks for a b.bin" in thanks.text
            assert hashlib.sha256(data).hexdigest() in thanks.text
            # A path without its slash: Flask sends clients to the one with it.
            moved = client.get(f"{root}files/x")
            assert str(moved.url) == f"{root}files/x/"


def test_an_upload_of_unknown_length_reaches_it(proxy: Proxy) -> None:
    root = f"http://tools.localhost:{proxy.port}/shop/app/"

    def body() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="c"\r\n\r\n'
        for _ in range(100):
            yield b"x" * 10_000
        yield b"\r\n--b--\r\n"

    with httpx.Client(transport=Here(), follow_redirects=True, timeout=30) as client:
        client.post(f"{root}login", data={"user": "anna"})
        thanks = client.post(f"{root}upload", content=body(), headers={"Content-Type": "multipart/form-data; boundary=b"})
        assert hashlib.sha256(b"x" * 1_000_000).hexdigest() in thanks.text


@needs_chromium
def test_a_browser_logs_in_and_uploads(proxy: Proxy, started: list[object], tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG" * 1000)
    browser = Browser(tmp_path)
    started.append(browser)
    for scheme in ("http", "https"):
        with browser.tab(f"{scheme}://tools.localhost:{proxy.ports[scheme]}/shop/app/") as tab:
            tab.wait_for("document.title === 'Who are you?'")
            tab.wait_for("getComputedStyle(document.querySelector('h1')).color === 'rgb(1, 2, 3)'")
            tab.click("#absolute")
            tab.wait_for("document.title === 'Log in'")
            tab.run("document.querySelector('[name=user]').value = 'anna'; document.querySelector('#login').submit()")
            tab.wait_for("document.title === 'Hello anna'")
            found = tab.call("Runtime.evaluate", expression="document.querySelector('[type=file]')")
            tab.call("DOM.setFileInputFiles", files=[str(file)], objectId=found["result"]["objectId"])
            tab.run("document.querySelector('#upload').submit()")
            tab.wait_for("document.title === 'Thanks for picture.png'")
            assert tab.run("document.querySelector('code').textContent") == hashlib.sha256(file.read_bytes()).hexdigest()
            tab.call("Network.clearBrowserCookies")
            assert not [each for each in tab.complaints if "favicon" not in each]
