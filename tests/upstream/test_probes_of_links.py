"""Checks take the same way to a peer as requests do: PROXY protocol, names for TLS."""

from __future__ import annotations

import pytest

from tests.upstream.test_probes import OK, TCP, Origin, Scene, http
from twistedproxy.wire.proxy_protocol import SIGNATURE


@pytest.mark.parametrize(("version", "preface"), [("v1", b"PROXY UNKNOWN\r\n"), ("v2", SIGNATURE + b"\x20\x00\x00\x00")])
def test_a_check_says_by_the_proxy_protocol_that_it_is_our_own(version: str, preface: bytes) -> None:
    for check in (http(), TCP):
        scene = Scene(check, proxy_protocol=version)
        origin = Origin(OK, closes=False)
        scene.peer_is(origin)
        assert origin.received.startswith(preface + b"GET /health HTTP/1.1\r\n" if check is not TCP else preface)
        assert scene.outcome == "passed"
