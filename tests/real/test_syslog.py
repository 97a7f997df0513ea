"""Logs that go to syslog servers over the network."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.real.client import fetch
from tests.real.conftest import StartProxy
from tests.real.programs import eventually
from tests.transport.authority import Authority
from twistedproxy.settings.tls import CertificateFiles

SITE = """
[listen http]
on = tcp:127.0.0.1:@http
[status]
on = tcp:127.0.0.1:@status
[route /]
respond = 200 well
[log access]
file = syslog:{first}
format = {{uri}}
[log other]
file = syslog:{second}
format = {{uri}}
"""
MESSAGE = r"<190>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ twistedproxy \d+ (?:access|other) - (.*)"


class Server:
    """A syslog server for TCP; accepts one connection at a time."""

    def __init__(self, context: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.data = b""
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with contextlib.suppress(OSError):
                    if self._context is not None:
                        connection = self._context.wrap_socket(connection, server_side=True)
                    self._connections.append(connection)
                    while piece := connection.recv(65536):
                        self.data += piece

    def uris(self) -> list[str]:
        """What the messages that came say; their heads are checked."""
        found, rest = [], self.data
        while rest:
            length, _, rest = rest.partition(b" ")
            message = re.fullmatch(MESSAGE, rest[: int(length)].decode())
            assert message is not None, self.data
            found.append(message[1])
            rest = rest[int(length) :]
        return found

    def stop(self) -> None:
        """Close everything."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for each in self._connections:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._thread.join()


@contextlib.contextmanager
def serving(context: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Server]:
    """A server, stopped at the end."""
    server = Server(context, port)
    try:
        yield server
    finally:
        server.stop()


def test_lines_arrive_over_udp_and_over_tcp_also_when_the_server_was_started_anew(start_proxy: StartProxy) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, serving() as server:
        datagrams.bind(("127.0.0.1", 0))
        datagrams.settimeout(10)
        over_udp = f"udp:localhost:{datagrams.getsockname()[1]}"
        proxy = start_proxy(SITE.format(first=f"tcp:127.0.0.1:{server.port}", second=over_udp))
        fetch(proxy.port, "/1")
        eventually(lambda: server.uris() == ["/1"], lambda: f"a message; {server.data!r}")
        message = re.fullmatch(MESSAGE, datagrams.recv(2000).decode())
        assert message is not None
        assert message[1] == "/1"
        assert proxy.status_page()["logs"]["access"] == {"lines": 1, "lost": 0, "held": 0}
        port = server.port
    fetch(proxy.port, "/2")
    proxy.await_output("cannot be written")
    with serving(port=port) as server:
        fetch(proxy.port, "/3")
        eventually(lambda: server.uris()[-2:] == ["/2", "/3"], lambda: f"both messages; {server.data!r}")
        fetch(proxy.port, "/last")
        proxy.end()
        eventually(lambda: server.uris()[-1] == "/last", "the last line, sent as the proxy stops")


def secure(files: CertificateFiles) -> ssl.SSLContext:
    """What a server with this certificate shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.chain, files.key)
    return context


def test_lines_arrive_over_tls_and_never_at_a_stranger(start_proxy: StartProxy, tmp_path: Path) -> None:
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    with serving(secure(ours.issue("localhost"))) as server, serving(secure(other.issue("localhost"))) as stranger:
        site = SITE.format(first=f"tls:localhost:{server.port}", second=f"tls:localhost:{stranger.port}")
        proxy = start_proxy(site.replace("format = {uri}", "format = {uri}\nca = ours.pem"))
        fetch(proxy.port, "/secret")
        eventually(lambda: server.uris() == ["/secret"], "a message")
        proxy.await_output(f"access log other: syslog:tls:localhost:{stranger.port} cannot be written")
        assert stranger.data == b""
        proxy.end()
