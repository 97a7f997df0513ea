"""What TLS says of a client: who it is, whether it is let in, and what it is told to do from now on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.http2 import Http2Client
from tests.kit.party import Party
from tests.kit.play import Play
from twistedproxy import errors
from twistedproxy.forward.secured import Secured, secured_by
from twistedproxy.settings.tls import HstsSettings, TlsSettings
from twistedproxy.transport.client_certificates import ClientCert

ALICE = ClientCert("CN=Alice", "CN=Clients", "2A", "ab12", 2e9, "AAAA")
SITE = """
[pool app]
servers = 10.0.0.1:80
[route /]
pool = app
client_cert_headers = yes
"""
ANSWER = "HTTP/1.1 200 OK\nContent-Length: 5"
GET = "GET / HTTP/1.1\nHost: a"
SPOOFED = """
    Client-Cert: :AAAA:
    X-Client-Cert-Verified: SUCCESS
    x-client-cert-subject: CN=root
    X_Client_Cert_Subject: CN=root
    X-Client-Cert-Fingerprint: ff
"""
CERT_FIELDS = """
    Client-Cert: :AAAA:
    X-Client-Cert-Verified: SUCCESS
    X-Client-Cert-Subject: CN=Alice
    X-Client-Cert-Issuer: CN=Clients
    X-Client-Cert-Serial: 2A
    X-Client-Cert-Fingerprint: ab12
"""


def client_with(play: Play, secured: Secured | None) -> Party:
    """A client about whose connection TLS has said something."""
    client = play.client()
    max(play.connections(), key=lambda connection: connection.number).secured = secured
    return client


def test_the_peer_is_told_of_the_certificate_and_not_by_the_client() -> None:
    with Play(SITE) as play:
        client = client_with(play, Secured(True, ALICE))
        client.says(GET + SPOOFED)
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\nHost: a\nVia: 1.1 twistedproxy" + CERT_FIELDS)
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_the_peer_is_told_that_there_is_none() -> None:
    with Play(SITE) as play:
        client = client_with(play, Secured(True))
        client.says(GET + SPOOFED)
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\nHost: a\nVia: 1.1 twistedproxy\nX-Client-Cert-Verified: NONE")
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


@pytest.mark.parametrize("wish", ["yes", "no"])
def test_what_a_client_without_tls_says_of_a_certificate_is_not_passed_on(wish: str) -> None:
    with Play(SITE.replace("= yes", f"= {wish}")) as play:
        client = play.client()
        client.says(GET + SPOOFED + "Connection: Client-Cert")
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\nHost: a\nVia: 1.1 twistedproxy")
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_a_trusted_proxy_may_say_whose_certificate_it_has_verified() -> None:
    trusting = "[listen http]\non = tcp:80\ntrusted_proxies = 192.0.2.0/24\n"
    with Play(trusting + SITE) as play:
        client = play.client(address="192.0.2.1")
        client.says(GET + "\nX-Client-Cert-Subject: CN=Alice")
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\nHost: a\nX-Client-Cert-Subject: CN=Alice\nVia: 1.1 twistedproxy")
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_the_peer_is_told_nothing_unless_the_site_says_so() -> None:
    with Play(SITE.replace("= yes", "= no")) as play:
        client = client_with(play, Secured(True, ALICE))
        client.says(GET + SPOOFED)
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\nHost: a\nVia: 1.1 twistedproxy")
        origin.says(ANSWER, b"hello")
        client.hears(ANSWER, b"hello")


def test_streams_of_http2_are_their_connections() -> None:
    with Play(SITE) as play:
        client = Http2Client(play)
        play.connections()[-1].secured = Secured(True, ALICE, hsts=b"max-age=60")
        stream = client.asks("GET", "/")
        origin = play.origin()
        origin.hears("GET / HTTP/1.1\nHost: a\nVia: 2.0 twistedproxy" + CERT_FIELDS)
        origin.says(ANSWER, b"hello")
        assert ("strict-transport-security", "max-age=60") in client.answer(stream).fields


@pytest.mark.parametrize("reason", [errors.CLIENT_CERT_MISSING, errors.CLIENT_CERT_EXPIRED])
@pytest.mark.parametrize("path", ["/", "/elsewhere"])
def test_who_must_show_a_certificate_and_has_none_is_told_so(reason: errors.Reason, path: str) -> None:
    with Play(SITE.replace("[route /]", "[route example.com/]")) as play:
        client = client_with(play, Secured(True, None, reason))
        for _ in range(2):
            client.says(f"GET {path} HTTP/1.1\nHost: example.com")
            answer = client.hears_message()
            assert answer.status == 400
            assert b"certificate" in answer.body
            assert play.exchange().reason is reason


def test_a_route_may_want_a_certificate_where_others_do_not() -> None:
    site = SITE + "[route /admin/]\npool = app\nrequire_client_cert = yes\nclient_cert_headers = yes\n"
    with Play(site) as play:
        stranger, alice = client_with(play, Secured(True)), client_with(play, Secured(True, ALICE))
        stranger.says("GET /admin/ HTTP/1.1\nHost: a")
        assert stranger.hears_message().status == 400
        assert play.exchange().reason is errors.CLIENT_CERT_MISSING
        plain = play.client()
        plain.says("GET /admin/ HTTP/1.1\nHost: a")
        assert plain.hears_message().status == 400
        alice.says("GET /admin/ HTTP/1.1\nHost: a")
        origin = play.origin()
        assert origin.hears_message().fields["x-client-cert-subject"] == "CN=Alice"
        origin.says(ANSWER, b"hello")
        alice.hears(ANSWER, b"hello")
        stranger.says(GET)
        assert origin.hears_message().fields["x-client-cert-verified"] == "NONE"
        origin.says(ANSWER, b"hello")
        stranger.hears(ANSWER, b"hello")


def test_the_certificate_can_stand_in_templates() -> None:
    names = [f"client_cert.{name}" for name in ("verified", "subject", "issuer", "serial", "fingerprint")]
    for secured, values in (
        (Secured(True, ALICE), ["SUCCESS", "CN=Alice", "CN=Clients", "2A", "ab12"]),
        (Secured(True), ["NONE", "-", "-", "-", "-"]),
        (Secured(hsts=b"max-age=1"), ["-"] * 5),
        (None, ["-"] * 5),
    ):
        with Play("[route /]\nredirect = 302 /" + "/".join(f"{{{name}}}" for name in names)) as play:
            client = client_with(play, secured)
            client.says(GET)
            assert client.hears_message().fields["location"].endswith("/".join(values).replace(" ", "%20"))


# Strict-Transport-Security.


def test_every_answer_over_tls_tells_to_come_with_tls_and_others_do_not() -> None:
    strict = "HTTP/1.1 200 OK\nContent-Length: 5\nStrict-Transport-Security: max-age=31536000"
    with Play(SITE) as play:
        safe, plain = client_with(play, Secured(hsts=b"max-age=31536000")), play.client()
        safe.says(GET)
        origin = play.origin()
        for client, expected in ((safe, strict), (plain, ANSWER), (safe, strict), (plain, ANSWER)):
            if play.finished:
                client.says(GET)
            origin.hears_message()
            origin.says(ANSWER, b"hello")
            client.hears(expected, b"hello")
        safe.says("GET / HTTP/1.1\nHost: a b")
        assert safe.hears_message().fields["strict-transport-security"] == "max-age=31536000"
        safe.sees_end()


def test_an_answer_with_a_say_of_its_own_is_left_as_it_is() -> None:
    own = "HTTP/1.1 200 OK\nContent-Length: 5\nStrict-Transport-Security: max-age=1"
    with Play(SITE) as play:
        client = client_with(play, Secured(hsts=b"max-age=31536000"))
        client.says(GET)
        origin = play.origin()
        origin.hears_message()
        origin.says(own, b"hello")
        client.hears(own, b"hello")


def test_what_is_stored_is_served_with_and_without(tmp_path: Path) -> None:
    with Play(SITE + "cache = c\n[cache c]\ndirectory = stored\n", tmp_path) as play:
        safe, plain = client_with(play, Secured(hsts=b"max-age=60")), play.client()
        safe.says(GET)
        origin = play.origin()
        origin.hears_message()
        origin.says("HTTP/1.1 200 OK\nContent-Length: 5\nCache-Control: max-age=60", b"hello")
        assert safe.hears_message().fields["strict-transport-security"] == "max-age=60"
        for _ in range(3):
            plain.says(GET)
            assert "strict-transport-security" not in plain.hears_message().fields
            safe.says(GET)
            assert safe.hears_message().fields["strict-transport-security"] == "max-age=60"


# From settings to what is known.


@pytest.mark.parametrize(
    ("verify", "cert", "expected"),
    [
        ("no", None, None),
        ("optional", None, Secured(True)),
        ("optional", ALICE, Secured(True, ALICE)),
        ("require", None, Secured(True, None, errors.CLIENT_CERT_MISSING)),
        ("require", ALICE, Secured(True, ALICE)),
    ],
)
def test_what_a_section_makes_of_a_certificate(verify: str, cert: ClientCert | None, expected: Secured | None) -> None:
    assert secured_by(TlsSettings("site", verify_client=verify), cert, 1e9) == expected


def test_a_certificate_that_expired_after_its_session_began_counts_no_more() -> None:
    settings = TlsSettings("site", verify_client="optional")
    assert secured_by(settings, ALICE, 2.1e9) == Secured(True, None, errors.CLIENT_CERT_EXPIRED)


def test_hsts_is_written_as_browsers_read_it() -> None:
    settings = TlsSettings("site", hsts=HstsSettings(86400.0, subdomains=True, preload=True))
    assert secured_by(settings, None, 0.0) == Secured(hsts=b"max-age=86400; includeSubDomains; preload")
