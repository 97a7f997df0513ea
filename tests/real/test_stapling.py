"""A responder over HTTP, and OpenSSL's client, which asks for what it said."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.real.conftest import StartProxy
from tests.real.origins import Origin, answering
from tests.tls.responder import DAY, Issuer

SITE = """
[site]
state_dir = state
[listen https]
on = tcp:127.0.0.1:@https
tls = site
[tls site]
certificates = {files.chain} {files.key}
ocsp = yes
[pool app]
servers = 127.0.0.1:{port}
[route /]
pool = app
"""


class Responder(ThreadingHTTPServer):
    """Says of every certificate that it is good."""

    leaf: x509.Certificate
    issuer: Issuer

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.asked = 0


class _Asked(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        responder = self.server
        assert isinstance(responder, Responder)
        asked = ocsp.load_der_ocsp_request(self.rfile.read(int(self.headers["Content-Length"])))
        assert asked.serial_number == responder.leaf.serial_number
        responder.asked += 1
        answer = responder.issuer.says(responder.leaf, ends=responder.issuer.now + 3 * DAY)
        self.send_response(200)
        self.send_header("Content-Type", "application/ocsp-response")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Of no interest."""


@pytest.fixture
def responder() -> Iterator[Responder]:
    with Responder() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl (Debian: apt install openssl)")
def test_openssl_gets_the_responders_word_with_the_certificate(
    start_proxy: StartProxy, responder: Responder, tmp_path: Path
) -> None:
    issuer = responder.issuer = Issuer(f"http://127.0.0.1:{responder.server_port}/ocsp")
    files = issuer.files(tmp_path, "localhost")
    responder.leaf = x509.load_pem_x509_certificates(Path(files.chain).read_bytes())[0]
    trusted = tmp_path / "issuer.pem"
    trusted.write_bytes(issuer.certificate.public_bytes(Encoding.PEM))
    with Origin(answering(b"hello")) as origin:
        proxy = start_proxy(SITE.format(files=files, port=origin.port))
        proxy.await_output("is good until")

        def seen() -> str:
            command = ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.ports['https']}", "-status"]
            command += ["-CAfile", str(trusted), "-servername", "localhost"]
            return subprocess.run(command, input=b"", capture_output=True, timeout=30, check=False).stdout.decode()

        said = seen()
        assert "OCSP Response Status: successful" in said
        assert "Cert Status: good" in said
        assert responder.asked == 1
        # What was said is kept: the next run shows it at once.
        again = start_proxy(SITE.format(files=files, port=origin.port), name="again")
        proxy.ports = again.ports
        assert "Cert Status: good" in seen()
    assert responder.asked == 1
