"""
Large bodies and slow readers: what arrives, and what it costs.

Two hundred mebibytes each way take a few seconds; two gibibytes are for who asks:

    LARGE_BODIES=yes python -m pytest tests/real/test_bodies.py
"""

from __future__ import annotations

import hashlib
import os
import time

import pytest

from tests.real.client import Client, fetch, request
from tests.real.conftest import StartProxy
from tests.real.origins import Call, Origin
from tests.real.programs import forget_peak, resident_peak
from tests.real.proxy import Proxy

MIB = 1024 * 1024
#: How much the proxy may grow while a body of any length passes (docs/architecture.md: memory per exchange is bounded).
GROWTH = 32 * MIB

SITE = """
[defaults]
max_body = 0
[listen http]
on = tcp:127.0.0.1:@http
[pool app]
servers = 127.0.0.1:{port}
[route /]
pool = app
"""

#: A mebibyte that is not the same everywhere.
BLOCK = hashlib.shake_256(b"a block").digest(MIB)


def blocks(count: int) -> str:
    """The digest of so many blocks."""
    digest = hashlib.blake2b()
    for _ in range(count):
        digest.update(BLOCK)
    return digest.hexdigest()


def downloads_of(mebibytes: int, *, coding: str) -> Origin:
    """An origin that sends a large body: with its *length*, or in chunks, which a client of HTTP/1.0 gets until the *close*."""

    def script(call: Call) -> None:
        while call.head():
            if coding == "length":
                call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (mebibytes * MIB))
                for _ in range(mebibytes):
                    call.send(BLOCK)
            else:
                call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for _ in range(mebibytes):
                    call.send(b"100000\r\n" + BLOCK + b"\r\n")
                call.send(b"0\r\n\r\n")

    return Origin(script)


def read_slowly(client: Client, size: int, pauses: int) -> str:
    """Read *size* bytes, standing still *pauses* times for 50 ms, so that everything before us fills up."""
    digest = hashlib.blake2b()
    seen = 0
    step = max(size // (pauses + 1), 1)
    next_pause = step
    while seen < size:
        data = client.read_some()
        if not data:
            break
        digest.update(data)
        seen += len(data)
        if seen >= next_pause:
            next_pause += step
            time.sleep(0.05)
    assert seen == size
    return digest.hexdigest()


def peak_before(proxy: Proxy) -> int:
    """What the proxy held at most before anything large, once what is used first by any request is there."""
    assert fetch(proxy.port, "no-target").status == 400
    forget_peak(proxy.pid)
    return resident_peak(proxy.pid)


def download(start_proxy: StartProxy, mebibytes: int, coding: str, pauses: int) -> None:
    with downloads_of(mebibytes, coding=coding) as origin:
        proxy = start_proxy(SITE.format(port=origin.port))
        before = peak_before(proxy)
        with Client(proxy.port, receive_buffer=64 * 1024) as client:
            version = "1.0" if coding == "close" else "1.1"
            client.send(request("/large", version=version))
            assert b" 200 " in client.read_head()
            assert read_slowly(client, mebibytes * MIB, pauses) == blocks(mebibytes)
        grown = resident_peak(proxy.pid) - before
        print(f"grew by {grown / MIB:.1f} MiB")
        assert grown < GROWTH


def upload(start_proxy: StartProxy, mebibytes: int, pauses: int) -> None:
    def script(call: Call) -> None:
        call.head()
        digest = hashlib.blake2b()
        seen = 0
        while seen < mebibytes * MIB:
            data = call.some()
            if not data:
                return
            digest.update(data)
            if seen // MIB * pauses // mebibytes != (seen + len(data)) // MIB * pauses // mebibytes:
                time.sleep(0.05)
            seen += len(data)
        body = digest.hexdigest().encode()
        call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    with Origin(script) as origin:
        proxy = start_proxy(SITE.format(port=origin.port))
        before = peak_before(proxy)
        with Client(proxy.port) as client:
            client.send(request("/large", f"Content-Length: {mebibytes * MIB}", method="PUT"))
            for _ in range(mebibytes):
                client.send(BLOCK)
            answer = client.answer()
        assert answer.body.decode() == blocks(mebibytes)
        grown = resident_peak(proxy.pid) - before
        print(f"grew by {grown / MIB:.1f} MiB")
        assert grown < GROWTH


large = pytest.mark.skipif(os.environ.get("LARGE_BODIES") != "yes", reason="takes a minute; LARGE_BODIES=yes runs it")


@pytest.mark.parametrize("coding", ["length", "close"])
def test_200_mb_down_to_a_slow_reader_arrive_intact_and_cost_little_memory(start_proxy: StartProxy, coding: str) -> None:
    download(start_proxy, 200, coding, pauses=10)


def test_200_mb_up_to_a_slow_origin_arrive_intact_and_cost_little_memory(start_proxy: StartProxy) -> None:
    upload(start_proxy, 200, pauses=10)


@large
def test_2_gb_down_to_a_slow_reader_arrive_intact_and_cost_little_memory(start_proxy: StartProxy) -> None:
    download(start_proxy, 2048, "length", pauses=50)


@large
def test_2_gb_up_to_a_slow_origin_arrive_intact_and_cost_little_memory(start_proxy: StartProxy) -> None:
    upload(start_proxy, 2048, pauses=50)
