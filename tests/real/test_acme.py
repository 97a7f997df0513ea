"""Certificates by ACME, from a server that validates for real."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.real.acme_server import DNS, PEBBLE, Pebble
from tests.real.client import fetch
from tests.real.conftest import StartProxy
from tests.real.origins import Origin, answering
from tests.real.programs import ROOT
from twistedproxy.settings.tls import AcmeBinding, TlsSettings
from twistedproxy.tls.acme import Account
from twistedproxy.tls.issuing import AcmeProblem, Proof

pytestmark = pytest.mark.skipif(PEBBLE is None or DNS is None, reason="needs pebble (Debian: apt install pebble)")

SITE = """
[site]
state_dir = state
[listen http]
on = tcp:127.0.0.1:{http}
[listen https]
on = tcp:127.0.0.1:{https}
tls = site
[tls site]
acme = {directory}
acme_ca = {ca}
names = one.example two.example
email = admin@Example.com
watch_interval = 100ms
{more}
[pool app]
servers = 127.0.0.1:{port}
[route /]
pool = app
"""


def shown(port: int, name: str) -> x509.Certificate:
    """The certificate that a client sees."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return x509.load_pem_x509_certificate(ssl_certificate(port, name, context).encode())


def ssl_certificate(port: int, name: str, context: ssl.SSLContext) -> str:
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain, server_hostname=name) as sock:
        data = sock.getpeercert(True)
        assert data is not None
        return ssl.DER_cert_to_PEM_cert(data)


def site_for(pebble: Pebble, origin: Origin, more: str = "") -> str:
    return SITE.format(
        http=pebble.http, https=pebble.tls, directory=pebble.directory, ca=pebble.authority, more=more, port=origin.port
    )


def test_the_sample_gets_its_certificate_and_serves_by_it(start_proxy: StartProxy, tmp_path: Path) -> None:
    sample = (ROOT / "etc" / "letsencrypt.ini").read_text()
    with Pebble(tmp_path) as pebble, Origin(answering(b"hello")) as origin:
        for there, here in (
            ("state_dir = ../var", "state_dir = state"),
            ("on = tcp:80 ", f"on = tcp:127.0.0.1:{pebble.http} "),
            ("on = tcp:443", f"on = tcp:127.0.0.1:{pebble.tls}"),
            ("acme = letsencrypt ", f"acme_ca = {pebble.authority}\nacme = {pebble.directory} "),
            ("admin@example.com", "admin@Example.com"),
            ("127.0.0.1:3000", f"127.0.0.1:{origin.port}"),
        ):
            assert there in sample
            sample = sample.replace(there, here)
        proxy = start_proxy(sample)
        proxy.await_output("other certificates are shown: example.com, www.example.com (ECDSA, ")
        assert "Pebble" in shown(pebble.tls, "www.example.com").issuer.rfc4514_string()
        plain = fetch(pebble.http, "/path")
        assert (plain.status, plain.field("location")) == (301, "https://test.example/path")
        # Who asks in the authority's place for something else is sent on as well.
        assert fetch(pebble.http, "/.well-known/acme-challenge/anything").status == 301


def test_a_certificate_is_there_by_itself_by_handshakes_alone(start_proxy: StartProxy, tmp_path: Path) -> None:
    with Pebble(tmp_path) as pebble, Origin(answering(b"hello")) as origin:
        proxy = start_proxy(site_for(pebble, origin, "challenge = tls-alpn-01"))
        # Whatever is shown at first, somebody can shake hands.
        shown(pebble.tls, "one.example")
        proxy.await_output("other certificates are shown: ")
        for name in ("one.example", "two.example", "unknown.example"):
            leaf = shown(pebble.tls, name)
            assert "Pebble" in leaf.issuer.rfc4514_string()
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            assert set(names.get_values_for_type(x509.DNSName)) == {"one.example", "two.example"}
        assert fetch(pebble.http, "/.well-known/acme-challenge/anything").body == b"hello"


def test_it_stays_over_restarts_and_one_that_is_lost_is_replaced_by_the_same_account(
    start_proxy: StartProxy, tmp_path: Path
) -> None:
    kept_in = tmp_path / "state" / "acme"
    with Pebble(tmp_path) as pebble, Origin(answering(b"hello")) as origin:
        site = site_for(pebble, origin)
        first = start_proxy(site)
        first.await_output("other certificates are shown: ")
        leaf = shown(pebble.tls, "one.example")
        (account,) = kept_in.glob("account-*.json")
        text = account.read_text()
        assert json.loads(text)["directory"] == pebble.directory
        for kept in (account, *kept_in.glob("*.pem")):
            assert kept.stat().st_mode & 0o077 == 0
        first.end()
        again = start_proxy(site, name="again")
        assert shown(pebble.tls, "one.example").fingerprint(hashes.SHA256()) == leaf.fingerprint(hashes.SHA256())
        assert not again.said("asking")
        again.end()
        (certificate,) = kept_in.glob("*.pem")
        os.remove(certificate)
        third = start_proxy(site, name="third")
        third.await_output("other certificates are shown: ")
        assert shown(pebble.tls, "one.example").serial_number != leaf.serial_number
        assert account.read_text() == text


# The account alone, without a proxy.


class Stand:
    """A stage: the answers to HTTP-01 on a port of their own, or to nothing at all."""

    def __init__(self, port: int | None) -> None:
        self.shown: dict[str, str] = {}
        self.hidden = 0
        self._server: ThreadingHTTPServer | None = None
        if port is not None:
            shown = self.shown

            class Asked(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(shown[self.path.rpartition("/")[2]].encode())

                def log_message(self, *_: object) -> None:
                    """Of no interest."""

            self._server = ThreadingHTTPServer(("127.0.0.1", port), Asked)
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def show(self, proof: Proof) -> None:
        self.shown[proof.token] = proof.key_authorization

    def hide(self, proof: Proof) -> None:
        self.hidden += 1

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def account(pebble: Pebble, directory: Path, **knobs: Any) -> Account:
    settings = TlsSettings("site", acme=pebble.directory, acme_ca=pebble.authority, names=("one.example",), **knobs)
    return Account(settings, str(directory / "accounts"), threading.Event())


def test_an_authority_may_want_to_know_the_account_already(tmp_path: Path) -> None:
    key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    with Pebble(tmp_path, binding=("kid-1", key)) as pebble:
        stand = Stand(pebble.http)
        with pytest.raises(AcmeProblem, match="set acme_account"):
            account(pebble, tmp_path).obtain(stand)
        issued = account(pebble, tmp_path, acme_account=AcmeBinding("kid-1", key)).obtain(stand)
        stand.close()
    chain = x509.load_pem_x509_certificates(issued.chain.encode())
    assert len(chain) >= 2
    assert stand.hidden == len(stand.shown) == 1


def test_what_goes_wrong_is_said_in_words_and_nothing_stays_on_stage(tmp_path: Path) -> None:
    with Pebble(tmp_path) as pebble:
        nobody = Stand(None)
        with pytest.raises(AcmeProblem, match=r"one.example: Get .*connection refused"):
            account(pebble, tmp_path).obtain(nobody)
        assert nobody.hidden == len(nobody.shown) == 1
        given_up = account(pebble, tmp_path)
        given_up._given_up.set()
        with pytest.raises(AcmeProblem, match="given up"):
            given_up.obtain(Stand(None))
        elsewhere = replace(account(pebble, tmp_path)._settings, acme=pebble.directory.replace("/dir", "/nothing"))
        with pytest.raises(AcmeProblem):
            Account(elsewhere, str(tmp_path), threading.Event()).obtain(nobody)
        strangers = replace(account(pebble, tmp_path)._settings, acme_ca=None)
        with pytest.raises(AcmeProblem, match=r"cannot be asked: .*certificate verify failed"):
            Account(strangers, str(tmp_path), threading.Event()).obtain(nobody)
    with pytest.raises(AcmeProblem, match="cannot be asked"):
        account(pebble, tmp_path).obtain(nobody)


def test_an_account_that_the_authority_has_forgotten_is_replaced(tmp_path: Path) -> None:
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    with Pebble(tmp_path / "before") as pebble:
        url = pebble.directory
        stand = Stand(pebble.http)
        account(pebble, tmp_path).obtain(stand)
        stand.close()
    (kept,) = (tmp_path / "accounts").iterdir()
    text = kept.read_text()
    with Pebble(tmp_path / "after") as pebble:
        # Another run of it, which knows nothing of the first: as if it were at the same place.
        kept.rename(tmp_path / "accounts" / Path(account(pebble, tmp_path)._file).name)
        stand = Stand(pebble.http)
        account(pebble, tmp_path).obtain(stand)
        stand.close()
        assert Path(account(pebble, tmp_path)._file).read_text() != text
        assert url != pebble.directory
