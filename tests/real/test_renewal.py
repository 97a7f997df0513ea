"""Certificates that are replaced while clients come and go."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509

from tests.real.conftest import StartProxy
from tests.real.origins import Origin, answering
from tests.real.programs import eventually
from tests.transport.authority import Authority

SITE = """
[site]
state_dir = state
[listen https]
on = tcp:127.0.0.1:@https
tls = site
[tls site]
certificates = {directory}/site.pem {directory}/site.key
watch_interval = 20ms
[pool app]
servers = 127.0.0.1:{port}
[route /]
pool = app
"""
SWAPS = 50


class Crowd:
    """Clients that shake hands, ask once and leave, one after the other, in threads of their own."""

    def __init__(self, port: int, authority: str, size: int) -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=authority)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(size)]
        self.handshakes = 0
        self.failures: list[str] = []
        self.serials: set[str] = set()
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                with (
                    socket.create_connection(("127.0.0.1", self._port), 10) as plain,
                    self._context.wrap_socket(plain, server_hostname="localhost") as sock,
                ):
                    certificate = sock.getpeercert()
                    assert certificate is not None
                    self.serials.add(str(certificate["serialNumber"]))
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
                    self.handshakes += 1
            except Exception as problem:  # whatever it is, a client has seen it
                self.failures.append(repr(problem))

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)


def test_fifty_certificates_in_a_row_under_load_fail_no_handshake(start_proxy: StartProxy, tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    def put() -> str:
        """Put another certificate there, in the way of those who copy files; returns its serial number."""
        files = authority.issue("localhost")
        for source, target in ((files.chain, "site.pem"), (files.key, "site.key")):
            shutil.copy(source, tmp_path / f"{target}.new")
            os.rename(tmp_path / f"{target}.new", tmp_path / target)
        return ssl_serial(files.chain)

    put()
    with Origin(answering(b"hello")) as origin:
        proxy = start_proxy(SITE.format(directory=tmp_path, port=origin.port))
        steady = ssl.create_default_context(cafile=authority.path).wrap_socket(
            socket.create_connection(("127.0.0.1", proxy.ports["https"]), 10), server_hostname="localhost"
        )
        crowd = Crowd(proxy.ports["https"], authority.path, 4)
        shown = []
        try:
            for _ in range(SWAPS):
                serial = put()
                shown.append(serial)
                eventually(lambda wanted=serial: wanted in crowd.serials, lambda: str(crowd.failures[:3]))
        finally:
            crowd.stop()
        assert crowd.failures == []
        assert set(shown) <= crowd.serials
        assert crowd.handshakes > SWAPS
        # Who was connected before all that still is.
        with steady:
            steady.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert steady.recv(100).startswith(b"HTTP/1.1 200 ")
        print(f"{crowd.handshakes} handshakes, {SWAPS} certificates")


def ssl_serial(path: str) -> str:
    """As Python's ssl module writes the serial number of a certificate."""

    number = f"{x509.load_pem_x509_certificate(Path(path).read_bytes()).serial_number:X}"
    return number if len(number) % 2 == 0 else f"0{number}"


def test_another_section_is_in_force_after_a_reload_and_connections_stay(start_proxy: StartProxy, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.issue("localhost")
    shutil.copy(files.chain, tmp_path / "site.pem")
    shutil.copy(files.key, tmp_path / "site.key")
    with Origin(answering(b"hello")) as origin:
        proxy = start_proxy(SITE.format(directory=tmp_path, port=origin.port))
        port = proxy.ports["https"]

        def asked(sock: ssl.SSLSocket) -> bytes:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return sock.recv(10_000)

        def connected(version: ssl.TLSVersion) -> ssl.SSLSocket:
            context = ssl.create_default_context(cafile=authority.path)
            context.minimum_version = context.maximum_version = version
            return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), server_hostname="localhost")

        steady = connected(ssl.TLSVersion.TLSv1_2)
        assert b"Strict-Transport-Security" not in asked(steady)
        more = f"[tls site]\nprofile = modern\nhsts = 1d\nverify_client = require\nclient_ca = {authority.path}\n"
        proxy.site.write_text(proxy.site.read_text().replace("[tls site]\n", more))
        proxy.signal(signal.SIGHUP)
        proxy.await_output("reload 1 by")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connected(ssl.TLSVersion.TLSv1_2)
        with connected(ssl.TLSVersion.TLSv1_3) as refused:
            answer = asked(refused)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"Strict-Transport-Security: max-age=86400" in answer
        # Who was connected goes on by the old rules.
        with steady:
            assert asked(steady).startswith(b"HTTP/1.1 200 ")
