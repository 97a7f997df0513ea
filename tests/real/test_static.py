"""Files of a real directory: by curl and a browser, large ones, slow readers, and files that change on the way."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.browser import Browser, needs_chromium
from tests.real.client import Client, fetch, request
from tests.real.programs import eventually, forget_peak, resident_peak
from tests.real.proxy import Proxy

MIB = 1024 * 1024
#: Bytes of a file of which hardly any exist.
SPARSE = 2 * 1024 * MIB + 4321
SITE = """
[listen http]
on = tcp:127.0.0.1:@http
[listen https]
on = tcp:127.0.0.1:@https
tls = t
[tls t]
self_signed = localhost
[route /]
static = www
try_files = {path} {path}/ /index.html
[route /files/]
static = files
strip_prefix = /files
listing = yes
"""

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the site's file, with ``www`` and ``files`` in it."""
    tmp_path = tmp_path_factory.mktemp("static")
    for name, content in {
        "www/index.html": "<!doctype html><title>Home</title><link rel=stylesheet href=/style.css>"
        "<script src=/app.mjs type=module></script>",
        "www/app.mjs": "document.title = 'Ran at ' + location.pathname;",
        "www/style.css": "body { color: rgb(1, 2, 3); }",
        "files/a b/c.txt": "c",
        "secret.txt": "SECRET",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    with (tmp_path / "files" / "sparse").open("wb") as file:
        file.write(b"head")
        file.truncate(SPARSE - 4)
        file.seek(SPARSE - 4)
        file.write(b"tail")
    return tmp_path


@pytest.fixture(scope="module")
def proxy(place: Path) -> Iterator[Proxy]:
    """It serves them."""
    running = Proxy(place, SITE)
    running.await_ready()
    yield running
    running.end()


def curl(*arguments: str) -> bytes:
    """What curl prints."""
    return subprocess.run(["curl", "-sk", "--max-time", "20", *arguments], check=True, capture_output=True).stdout


@needs_curl
def test_parts_of_a_file_of_two_gibibytes(proxy: Proxy) -> None:
    forget_peak(proxy.pid)
    before = resident_peak(proxy.pid)
    for base in (f"http://127.0.0.1:{proxy.port}", f"https://127.0.0.1:{proxy.ports['https']}"):
        url = base + "/files/sparse"
        assert curl("-r", "0-3", url) == b"head"
        assert curl("-r", "-4", url) == b"tail"
        assert curl("-r", f"{SPARSE - 6}-", url) == b"\0\0tail"
        assert f"content-length: {SPARSE}".encode() in curl("-I", url).lower()
        assert hashlib.sha1(curl("-r", f"0-{8 * MIB - 1}", url)).digest() == hashlib.sha1(b"head".ljust(8 * MIB, b"\0")).digest()
        assert len(curl("-r", "0-99999,1000000-1099999", url)) > 200_000
        # It would all come; nobody waits for it.
        brief = ["curl", "-sk", "--max-time", "0.3", "-o", os.devnull, "-w", "%{http_code}", url]
        assert subprocess.run(brief, capture_output=True).stdout == b"200"
        assert curl("--path-as-is", base + "/files/../secret.txt") != b"SECRET"
        assert b"SECRET" not in curl("--path-as-is", base + "/files/..%2fsecret.txt")
        assert b"SECRET" not in curl("--path-as-is", base + "/files/%2e%2e/secret.txt")
        assert curl("-L", base + "/files/a%20b/c.txt") == b"c"
        assert b"c.txt" in curl("-L", base + "/files/a%20b")
    assert resident_peak(proxy.pid) - before < 32 * MIB


def test_slow_readers_cost_little_and_share_a_descriptor(proxy: Proxy) -> None:
    assert fetch(proxy.port, "/files/a%20b/c.txt").body == b"c"
    descriptors = len(os.listdir(f"/proc/{proxy.pid}/fd"))
    forget_peak(proxy.pid)
    before = resident_peak(proxy.pid)
    clients = [Client(proxy.port, receive_buffer=4096) for _ in range(300)]
    for client in clients:
        client.sock.sendall(request("/files/sparse"))
    for client in clients:
        assert client.sock.recv(12) == b"HTTP/1.1 200"
    assert len(os.listdir(f"/proc/{proxy.pid}/fd")) <= descriptors + len(clients) + 1
    assert fetch(proxy.port, "/files/a%20b/c.txt").body == b"c"
    assert resident_peak(proxy.pid) - before < 16 * MIB
    for client in clients:
        client.sock.close()
    eventually(lambda: len(os.listdir(f"/proc/{proxy.pid}/fd")) <= descriptors, lambda: str(os.listdir(f"/proc/{proxy.pid}/fd")))


def test_a_file_that_is_cut_while_the_kernel_sends_it_is_not_passed_off_as_whole(place: Path, proxy: Proxy) -> None:
    with Client(proxy.port, receive_buffer=4096) as client:
        client.sock.sendall(request("/files/sparse"))
        assert client.sock.recv(12) == b"HTTP/1.1 200"
        os.truncate(place / "files" / "sparse", 100)
        received = 12
        try:
            while data := client.sock.recv(MIB):
                received += len(data)
        except ConnectionResetError:
            pass
        assert received < SPARSE
    assert fetch(proxy.port, "/files/sparse").body == b"head".ljust(100, b"\0")


@needs_chromium
def test_a_browser_runs_an_app_that_is_files(tmp_path: Path, proxy: Proxy) -> None:
    browser = Browser(tmp_path)
    try:
        with browser.tab(f"https://127.0.0.1:{proxy.ports['https']}/some/view") as tab:
            tab.wait_for("document.title === 'Ran at /some/view'", 20)
            assert tab.run("getComputedStyle(document.body).color") == "rgb(1, 2, 3)"
            assert tab.complaints == []
    finally:
        browser.end()
