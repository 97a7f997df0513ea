"""Purges, and the reasons of the cache, as operators ask for them: with the real ssh and the real curl."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.real.conftest import StartProxy
from tests.real.operator import SHELL, Operator, needs_ssh
from tests.real.origins import Call, Origin
from tests.real.programs import PATIENCE

pytestmark = [needs_ssh, pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")]

SITE: Final = (
    SHELL
    + """
[site]
state_dir = state
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers = 127.0.0.1:{port}
[cache pages]
directory = cache
[route /]
pool = app
cache = pages
cache_purge = 127.0.0.1
[route /closed/]
pool = app
cache = pages
cache_purge = 10.0.0.0/8
"""
)


def answers(call: Call) -> None:
    """Everything may be stored, has a tag by its first letter, and comes in two languages; but for what sets a cookie."""
    while head := call.head():
        path = head.split(b" ", 2)[1]
        own = b"Set-Cookie: a=b" if b"cookie" in path else b"Vary: Accept-Language"
        fields = b'Cache-Control: max-age=600\r\nETag: "1"\r\nSurrogate-Key: all %b\r\n%b' % (path[1:2], own)
        if b'If-None-Match: "1"' in head:
            call.send(b"HTTP/1.1 304 Not Modified\r\n%b\r\n\r\n" % fields)
        else:
            call.send(b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: %d\r\n\r\n%b" % (fields, len(path), path))


class Caller:
    """An operator with curl."""

    def __init__(self, directory: Path, start_proxy: StartProxy, origin: Origin) -> None:
        self._operator = Operator(directory)
        self._proxy = start_proxy(SITE.format(port=origin.port))
        self.url = f"http://127.0.0.1:{self._proxy.port}"

    def curl(self, path: str, *words: str) -> tuple[str, str]:
        """What curl gets: the status or, if it has one, X-Cache-Status; and the body."""
        command = ["curl", "-sS", "-g", "-D", "-", *words, self.url + path]
        got = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
        head, _, body = got.replace("\r", "").partition("\n\n")
        found = re.search(r"^X-Cache-Status: (\w+)$", head, re.MULTILINE)
        return found[1] if found else head.split()[1], body

    def purge(self, path: str, *words: str) -> int:
        """How many entries a PURGE was about."""
        status, body = self.curl(path, "-X", "PURGE", *words)
        told = json.loads(body)
        assert (status, told["status"], told["soft"]) == ("200", "ok", "Soft-Purge: 1" in words)
        count: int = told["purged"]
        return count

    def ssh(self, command: str) -> str:
        """What the shell prints."""
        return self._operator.says(self._proxy, command)

    def why(self, path: str, *fields: str) -> str:
        """The reasons."""
        return self.ssh(f"cache_why{(self.url + path, *fields)!r}" if fields else f"cache_why({self.url + path!r})")

    def statuses(self, *paths: str) -> list[str]:
        """X-Cache-Status of each."""
        return [self.curl(path)[0] for path in paths]


@pytest.fixture
def operator(tmp_path: Path, start_proxy: StartProxy) -> Iterator[Caller]:
    with Origin(answers) as origin:
        yield Caller(tmp_path, start_proxy, origin)


def test_the_shell_purges_by_url_prefix_tag_or_all_softly_or_for_good(operator: Caller) -> None:
    url = operator.url
    paths = ("/a/1", "/a/2", "/b/1")
    assert operator.statuses(*paths, *paths) == ["MISS"] * 3 + ["HIT"] * 3
    assert operator.ssh(f"purge('{url}/a/1')") == f"{url}/a/1 is forgotten: 1 response in pages\n"
    assert operator.statuses(*paths) == ["MISS", "HIT", "HIT"]
    assert operator.ssh(f"purge('{url}/a/1', soft=True)") == f"{url}/a/1 is stale: 1 response in pages\n"
    assert "stale for" in operator.why("/a/1")
    assert re.search(r"/a/1 .* stale", operator.ssh("cache('pages')"))
    assert operator.statuses(*paths) == ["REVALIDATED", "HIT", "HIT"]
    assert operator.ssh(f"purge_prefix('{url}/a/', preview=True)").startswith("pages: 2 responses ")
    operator.ssh(f"purge_prefix('{url}/a/')")
    assert operator.statuses(*paths) == ["MISS", "MISS", "HIT"]
    operator.ssh(f"purge_prefix('{url}/a/', soft=True)")
    assert operator.statuses(*paths) == ["REVALIDATED", "REVALIDATED", "HIT"]
    assert operator.ssh("purge_tag('b', preview=True)").startswith("pages: 1 response ")
    operator.ssh("purge_tag('b')")
    assert operator.statuses(*paths) == ["HIT", "HIT", "MISS"]
    operator.ssh("purge_tag('a', soft=True)")
    assert operator.statuses(*paths) == ["REVALIDATED", "REVALIDATED", "HIT"]
    operator.ssh("purge_all('pages', soft=True)")
    assert operator.statuses(*paths) == ["REVALIDATED"] * 3
    operator.ssh("purge_all('pages')")
    assert operator.statuses(*paths) == ["MISS"] * 3


def test_curl_purges_where_its_address_may(operator: Caller) -> None:
    paths = ("/a/1", "/a/2", "/b/1")
    assert operator.statuses(*paths, *paths) == ["MISS"] * 3 + ["HIT"] * 3
    assert operator.purge("/a/1") == 1
    assert operator.statuses(*paths) == ["MISS", "HIT", "HIT"]
    assert operator.purge("/a/1", "-H", "Soft-Purge: 1") == 1
    assert operator.statuses(*paths) == ["REVALIDATED", "HIT", "HIT"]
    assert operator.purge("/a/*") == 2
    assert operator.statuses(*paths) == ["MISS", "MISS", "HIT"]
    assert operator.purge("/", "-H", "Surrogate-Key: b") == 1
    assert operator.statuses(*paths) == ["HIT", "HIT", "MISS"]
    assert operator.purge("/", "-H", "Cache-Tag: a, none", "-H", "Soft-Purge: 1") == 2
    assert operator.statuses(*paths) == ["REVALIDATED", "REVALIDATED", "HIT"]
    assert operator.purge("/*") == 3
    assert operator.statuses(*paths) == ["MISS"] * 3
    assert operator.purge("/nothing/here") == 0
    assert operator.statuses("/closed/1") == ["MISS"]
    assert operator.curl("/closed/1", "-X", "PURGE")[0] == "403"
    assert operator.statuses("/closed/1") == ["HIT"]


def test_the_shell_says_why(operator: Caller) -> None:
    assert "nothing is stored for this URI" in operator.why("/a/1")
    assert operator.statuses("/a/1", "/cookie") == ["MISS", "MISS"]
    assert "served from the cache: a fresh response is stored" in operator.why("/a/1")
    assert "accept-language: absent" in operator.why("/a/1", "Accept-Language: de").splitlines()[-1]
    assert "the request says no-cache" in operator.why("/a/1", "Cache-Control: no-cache")
    assert "the response sets a cookie and says neither public nor s-maxage" in operator.why("/cookie")
