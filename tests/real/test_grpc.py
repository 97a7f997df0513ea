"""gRPC from end to end: grpcio's client and server, and every kind of call, with TLS on either side or none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.real.conftest import StartProxy
from tests.real.programs import free_ports
from tests.transport.authority import Authority
from twistedproxy.settings.tls import CertificateFiles

grpc = pytest.importorskip("grpc", reason="needs grpcio")

SITE = """
[site]
state_dir = state
[listen http]
on = tcp:127.0.0.1:@http
protocols = h2
[listen https]
on = tcp:127.0.0.1:@https
tls = site
protocols = h2 http/1.1
[tls site]
certificates = {certificate.chain} {certificate.key}
[pool grpc]
servers = {scheme}127.0.0.1:{port}
protocol = h2
{more}
[route /]
pool = grpc
max_body = 0
"""


class Service(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Calls of every kind, whose messages are plain bytes."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self._calls = {
            "/test/Unary": grpc.unary_unary_rpc_method_handler(self._unary),
            "/test/Down": grpc.unary_stream_rpc_method_handler(self._down),
            "/test/Up": grpc.stream_unary_rpc_method_handler(self._up),
            "/test/Chat": grpc.stream_stream_rpc_method_handler(self._chat),
            "/test/Fail": grpc.unary_unary_rpc_method_handler(self._fail),
            "/test/Wait": grpc.unary_unary_rpc_method_handler(self._wait),
        }

    def service(self, details: Any) -> Any:
        return self._calls.get(details.method)

    def _unary(self, request: bytes, context: Any) -> bytes:
        context.send_initial_metadata((("x-initial", "one"),))
        context.set_trailing_metadata((("x-trailing", "two"), ("x-bytes-bin", b"\0\xff")))
        return request[::-1]

    def _down(self, request: bytes, context: Any) -> Iterator[bytes]:
        count, size = map(int, request.split())
        return (bytes(size) for _ in range(count))

    def _up(self, requests: Iterator[bytes], context: Any) -> bytes:
        return b"%d" % sum(map(len, requests))

    def _chat(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        return (b"you said " + request for request in requests)

    def _fail(self, request: bytes, context: Any) -> bytes:
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "not again: 100 %")
        raise AssertionError

    def _wait(self, request: bytes, context: Any) -> bytes:
        context.add_callback(self.cancelled.set)
        self.cancelled.wait(30)
        return b""


@contextmanager
def serving(certificate: CertificateFiles | None) -> Iterator[tuple[Service, int]]:
    """A server, with TLS if there is a *certificate*, and its port."""
    service = Service()
    pool = ThreadPoolExecutor(8)
    server = grpc.server(pool)
    server.add_generic_rpc_handlers((service,))
    (port,) = free_ports(1)
    if certificate is None:
        server.add_insecure_port(f"127.0.0.1:{port}")
    else:
        files = (Path(certificate.key).read_bytes(), Path(certificate.chain).read_bytes())
        server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([files]))
    server.start()
    try:
        yield service, port
    finally:
        service.cancelled.set()
        server.stop(0).wait()
        pool.shutdown()


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
def test_every_kind_of_call_passes(tmp_path: Path, start_proxy: StartProxy, encrypted: bool) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("127.0.0.1", "localhost")
    with serving(certificate if encrypted else None) as (service, port):
        scheme, more = ("https://", f"ca = {authority.path}") if encrypted else ("", "")
        proxy = start_proxy(SITE.format(certificate=certificate, scheme=scheme, port=port, more=more))
        if encrypted:
            credentials = grpc.ssl_channel_credentials(Path(authority.path).read_bytes())
            channel = grpc.secure_channel(f"localhost:{proxy.ports['https']}", credentials)
        else:
            channel = grpc.insecure_channel(f"127.0.0.1:{proxy.port}")
        with channel:
            answer, call = channel.unary_unary("/test/Unary").with_call(b"hello", timeout=20, metadata=(("x-a", "b"),))
            assert answer == b"olleh"
            assert ("x-initial", "one") in call.initial_metadata()
            assert {("x-trailing", "two"), ("x-bytes-bin", b"\0\xff")} <= set(call.trailing_metadata())

            down = list(channel.unary_stream("/test/Down")(b"40 100000", timeout=20))
            assert [len(message) for message in down] == [100_000] * 40

            up = channel.stream_unary("/test/Up")(iter([bytes(100_000)] * 40), timeout=20)
            assert up == b"4000000"

            said: list[bytes] = []
            turn = threading.Semaphore(0)

            def talk() -> Iterator[bytes]:
                for number in range(20):
                    yield b"%d" % number
                    # Not before the answer to the last one: both directions are open all the time.
                    assert turn.acquire(timeout=20)

            for message in channel.stream_stream("/test/Chat")(talk(), timeout=20):
                said.append(message)
                turn.release()
            assert said == [b"you said %d" % number for number in range(20)]

            for method, code in (
                ("/test/Fail", grpc.StatusCode.RESOURCE_EXHAUSTED),
                ("/test/Nothing", grpc.StatusCode.UNIMPLEMENTED),
            ):
                with pytest.raises(grpc.RpcError) as failed:
                    channel.unary_unary(method)(b"", timeout=20)
                assert failed.value.code() is code
            with pytest.raises(grpc.RpcError) as failed:
                channel.unary_unary("/test/Wait")(b"", timeout=0.5)
            assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert service.cancelled.wait(20)
