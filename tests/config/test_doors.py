"""What doors say of those who come in by them."""

from __future__ import annotations

from tests.config.sites import SMALL, errors, loaded, warnings
from twistedproxy.config.effective import effective

LISTEN = "[listen b]\non = tcp:8081\n"


def test_headers_of_the_proxy_protocol_are_believed_from_somebody() -> None:
    assert errors(SMALL + LISTEN + "proxy_protocol = require\n") == [
        "10 [listen b] proxy_protocol: nobody's header is believed; "
        "name those who send them, for instance trusted_proxies = 10.0.0.0/8, or unix: for a unix socket"
    ]
    assert not errors(SMALL + LISTEN + "proxy_protocol = require\ntrusted_proxies = 10.0.0.1\n")


def test_clients_of_unix_sockets_can_be_trusted() -> None:
    settings = loaded(SMALL + LISTEN + "proxy_protocol = accept\ntrusted_proxies = unix: 10.0.0.0/8\n").settings
    assert settings.listen[1].trusted_proxies == ("unix:", "10.0.0.0/8")
    assert loaded(effective(settings)).settings == settings
    assert not warnings(SMALL + LISTEN + "trusted_proxies = unix:\n")
